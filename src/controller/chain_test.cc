// The chain end to end, with the code that ships, under faults.
#include <gtest/gtest.h>

#include <string>

#include "controller/testing/chain_world.h"

namespace tenure::controller {
namespace {

// Every step of a run, for whoever has to find out why.
std::string told(std::uint64_t seed) {
  std::string story;
  ChainWorld world(seed);
  world.trace = [&story](const std::string& line) { story += line + '\n'; };
  world.run();
  return story;
}

// Seeds 1 to 250; with --gtest_shuffle --gtest_random_seed=1 --gtest_repeat=160 the next 40,000.
TEST(ChainWorld, NeverTwoLeadersAndOneAgainAfterTheFaults) {
  constexpr std::uint64_t kSeeds = 250;
  const auto repeated = static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed());
  const std::uint64_t first = repeated * kSeeds + 1;
  ChainWorld::Counts all;
  for (std::uint64_t seed = first; seed < first + kSeeds; ++seed) {
    ChainWorld world(seed);
    world.run();
    ASSERT_TRUE(world.problems().empty()) << "seed " << seed << ":\n" << told(seed);
    const auto& counts = world.counts();
    all.tenures += counts.tenures;
    all.adoptions += counts.adoptions;
    all.hand_overs += counts.hand_overs;
    all.crashes += counts.crashes;
    all.rivals += counts.rivals;
    ASSERT_LT(counts.calm_seconds_without_leader, 200) << "seed " << seed << ":\n" << told(seed);
  }
  EXPECT_GT(all.tenures, 400);
  EXPECT_GT(all.adoptions, 20);
  EXPECT_GT(all.hand_overs, 60);
  EXPECT_GT(all.crashes, 60);
  EXPECT_GT(all.rivals, 2);
}

}  // namespace
}  // namespace tenure::controller
