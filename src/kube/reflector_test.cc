// The reflector against a simulated API server, thousands of times; and step by step where a
// promise needs an exact moment.
#include "kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kube/testing/collection_world.h"

namespace tenure::kube {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Kind = Reflector::Action::Kind;

CollectionWorld::Faults drawn(std::uint64_t seed) {
  SplitMix random(seed * 7919);
  const auto sometimes = [&](std::uint64_t most) {
    return random.below(2) == 0 ? 0 : static_cast<int>(random.below(most));
  };
  CollectionWorld::Faults faults;
  faults.lost_percent = sometimes(40);
  faults.failed_percent = sometimes(40);
  faults.cut_percent = sometimes(30);
  faults.silent_percent = sometimes(40);
  faults.late_percent = sometimes(100);
  faults.forget_percent = sometimes(60);
  faults.bookmarks = random.below(2) == 0;
  faults.slowest_answer = std::chrono::milliseconds(1 + random.below(4000));
  return faults;
}

TEST(ReflectorSimulation, FollowsTheServerThroughEveryFault) {
  CollectionWorld::Counts all;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    CollectionWorld world(seed, drawn(seed));
    world.run_for(minutes(30));
    ASSERT_EQ(world.violation(), "") << "seed " << seed;
    world.heal();
    // The longest that a dead connection goes unnoticed, then a pause, then the lists.
    world.run_for(Reflector::kWatchFor * 2 + minutes(3));
    ASSERT_EQ(world.violation(), "") << "seed " << seed;
    ASSERT_TRUE(world.is_up_to_date()) << "seed " << seed;
    all.expired += world.counts().expired;
    all.cuts += world.counts().cuts;
    all.lost += world.counts().lost;
    all.bookmarks += world.counts().bookmarks;
  }
  EXPECT_GT(all.expired, 1000);
  EXPECT_GT(all.cuts, 1000);
  EXPECT_GT(all.lost, 1000);
  EXPECT_GT(all.bookmarks, 1000);
}

TEST(ReflectorSimulation, WithoutFaultsItListsOnce) {
  CollectionWorld world(1, {});
  world.run_for(std::chrono::hours(10));
  EXPECT_EQ(world.violation(), "");
  EXPECT_EQ(world.counts().lists, 3) << "8 objects or fewer in pages of 3";
  EXPECT_LE(world.counts().watches, 10 * 15) << "each lasts four minutes at least";
}

TEST(ReflectorSimulation, AnExpiredVersionDoesNotMakeItListInALoop) {
  CollectionWorld::Faults faults;
  faults.forget_percent = 100;
  CollectionWorld world(1, faults);
  world.run_for(minutes(60));
  EXPECT_EQ(world.violation(), "");
  EXPECT_LE(world.counts().watches, 60 * 60);
}

// -------------------------------------------------------------------------------------------------

class ReflectorSteps : public ::testing::Test {
 protected:
  std::vector<Reflector::Action> step(Reflector::Event event) {
    std::vector<Reflector::Action> actions;
    reflector_.step(now_, std::move(event), actions);
    for (const auto& action : actions)
      if (action.kind == Kind::list || action.kind == Kind::watch) op_ = action.op;
    return actions;
  }
  /// At the deadline that it asked for.
  std::vector<Reflector::Action> wait() {
    now_ = reflector_.next_deadline();
    return step(Reflector::Tick{});
  }
  void list(std::vector<Object> items, const std::string& version) {
    step(Reflector::Start{});
    step(Reflector::Listed{.op = op_, .ok = true, .items = std::move(items), .version = version});
  }
  std::vector<Reflector::Action> hear(Reflector::Watched::Kind kind, Object object) {
    return step(Reflector::Watched{.op = op_, .kind = kind, .object = std::move(object)});
  }
  static std::vector<Kind> kinds(const std::vector<Reflector::Action>& actions) {
    std::vector<Kind> out;
    for (const auto& action : actions) out.push_back(action.kind);
    return out;
  }

  SplitMix random_{1};
  Reflector reflector_{random_};
  Instant now_ = Instant::from_ns(1'000'000'000);
  Reflector::Op op_ = 0;
};

TEST_F(ReflectorSteps, GoesOnFromTheLastVersionHeardOf) {
  list({}, "10");
  hear(Reflector::Watched::Kind::bookmark, {.version = "25"});
  EXPECT_TRUE(step(Reflector::WatchEnded{.op = op_}).empty()) << "after a pause";
  const auto again = wait();
  ASSERT_EQ(kinds(again), std::vector{Kind::watch});
  EXPECT_EQ(again[0].text, "25");
}

TEST_F(ReflectorSteps, ADeletionThatNobodySawIsToldAfterTheNextList) {
  list({{.key = "a", .version = "1", .uid = "u"}, {.key = "b", .version = "2", .uid = "v"}}, "10");
  hear(Reflector::Watched::Kind::expired, {});
  ASSERT_EQ(kinds(wait()), std::vector{Kind::list});
  const auto told = step(Reflector::Listed{
      .op = op_, .ok = true, .items = {{.key = "b", .version = "2", .uid = "v"}}, .version = "20"});
  EXPECT_EQ(kinds(told), (std::vector{Kind::deleted, Kind::watch}));
  EXPECT_EQ(told[0].text, "a");
}

TEST_F(ReflectorSteps, AnotherObjectOfTheSameNameIsTheEndOfTheFirst) {
  list({{.key = "a", .version = "1", .uid = "u"}}, "10");
  const auto told =
      hear(Reflector::Watched::Kind::changed, {.key = "a", .version = "12", .uid = "w"});
  EXPECT_EQ(kinds(told), (std::vector{Kind::deleted, Kind::changed}));
}

TEST_F(ReflectorSteps, WhereWatchingIsForbiddenItLists) {
  list({}, "10");
  for (int watches = 0; watches < 3; ++watches) {
    step(Reflector::WatchEnded{.op = op_});
    const auto next = wait();
    ASSERT_EQ(kinds(next), std::vector{watches < 2 ? Kind::watch : Kind::list});
  }
}

TEST_F(ReflectorSteps, AListWithoutAnAnswerIsAskedAgain) {
  step(Reflector::Start{});
  const Reflector::Op lost = op_;
  EXPECT_EQ(kinds(wait()), std::vector{Kind::close});
  EXPECT_EQ(kinds(wait()), std::vector{Kind::list});
  EXPECT_TRUE(step(Reflector::Listed{.op = lost, .ok = true}).empty()) << "late";
  EXPECT_FALSE(reflector_.is_synced());
}

TEST_F(ReflectorSteps, RetryAfterIsKeptToWithinReason) {
  step(Reflector::Start{});
  const Instant before = now_;
  step(Reflector::Listed{.op = op_, .retry_after = seconds(9)});
  EXPECT_EQ(reflector_.next_deadline(), before + seconds(9));
  wait();
  step(Reflector::Listed{.op = op_, .retry_after = std::chrono::hours(9)});
  EXPECT_EQ(reflector_.next_deadline(), now_ + seconds(30));
}

}  // namespace
}  // namespace tenure::kube
