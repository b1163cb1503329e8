// The chain end to end, with the code that ships, under faults.
#include "controller/chain.h"

#include <gtest/gtest.h>

#include <string>

#include "controller/testing/chain_world.h"

namespace tenure::controller {
namespace {

using namespace std::chrono_literals;

TEST(Chain, EachLinkIsLongerThanTheOneBefore) {
  for (const CandidateTiming& stated :
       {CandidateTiming{15s, 10s, 2s}, CandidateTiming{60s, 30s, 10s}, CandidateTiming{10s, 3s, 1s},
        CandidateTiming{1s, 500ms, 100ms}, CandidateTiming{15s, 14s, 5s},
        CandidateTiming{15s, 10s, 15s}, CandidateTiming{15s, 0s, 0s}, CandidateTiming{}}) {
    const Chain chain = chain_of(stated);
    SCOPED_TRACE(stated.lease_duration.count());
    EXPECT_LE(chain.fresh, stated.lease_duration - stated.renew_deadline);
    EXPECT_LT(chain.fresh + chain.stops_within, chain.timing.renew_deadline);
    EXPECT_LT(chain.timing.renew_deadline, chain.timing.hard_deadline);
    EXPECT_LT(chain.timing.hard_deadline, chain.timing.lease_duration + chain.grace);
    EXPECT_LT(chain.stops_within, chain.silent_for);
  }
}

TEST(Chain, WhatCannotBeMeantIsReplaced) {
  const Chain usual = chain_of({15s, 10s, 2s});
  EXPECT_EQ(chain_of({15s, 0s, 15s}).timing.renew_deadline, usual.timing.renew_deadline);
  EXPECT_EQ(chain_of({15s, 20s, 2s}).stops_within, usual.stops_within);
}

// Every step of a run, for whoever has to find out why.
std::string told(std::uint64_t seed) {
  std::string story;
  ChainWorld world(seed);
  world.trace = [&story](const std::string& line) { story += line + '\n'; };
  world.run();
  return story;
}

TEST(ChainWorld, NeverTwoLeadersAndOneAgainAfterTheFaults) {
  ChainWorld::Counts all;
  for (std::uint64_t seed = 1; seed <= 250; ++seed) {
    ChainWorld world(seed);
    world.run();
    ASSERT_TRUE(world.problems().empty()) << "seed " << seed << ":\n" << told(seed);
    const auto& counts = world.counts();
    all.tenures += counts.tenures;
    all.adoptions += counts.adoptions;
    all.hand_overs += counts.hand_overs;
    all.crashes += counts.crashes;
    all.rivals += counts.rivals;
    EXPECT_LT(counts.calm_seconds_without_leader, 200) << "seed " << seed;
  }
  EXPECT_GT(all.tenures, 400);
  EXPECT_GT(all.adoptions, 20);
  EXPECT_GT(all.hand_overs, 60);
  EXPECT_GT(all.crashes, 60);
  EXPECT_GT(all.rivals, 2);
}

}  // namespace
}  // namespace tenure::controller
