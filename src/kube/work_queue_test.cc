#include "kube/work_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

namespace tenure::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkQueueTest : public ::testing::Test {
 protected:
  SplitMix random_{1};
  WorkQueue queue_{random_};
  Instant now_ = Instant::from_ns(1'000'000'000);
};

TEST_F(WorkQueueTest, AKeyWaitsOnceAndInOrder) {
  for (const char* key : {"a", "b", "a"}) queue_.add(key);
  EXPECT_EQ(queue_.take(now_), "a");
  EXPECT_EQ(queue_.take(now_), "b");
  EXPECT_EQ(queue_.take(now_), std::nullopt);
}

TEST_F(WorkQueueTest, AKeyIsWithOneWorkerAtATime) {
  queue_.add("a");
  ASSERT_EQ(queue_.take(now_), "a");
  queue_.add("a");
  EXPECT_EQ(queue_.take(now_), std::nullopt);
  queue_.done("a");
  EXPECT_EQ(queue_.take(now_), "a") << "what came meanwhile is not lost";
}

TEST_F(WorkQueueTest, FailuresArePunishedWithLongerPausesUntilOneSucceeds) {
  queue_.add("a");
  Duration before{0};
  for (int failure = 0; failure < 12; ++failure) {
    ASSERT_EQ(queue_.take(now_), "a");
    queue_.failed("a", now_);
    const Duration pause = queue_.next_deadline() - now_;
    EXPECT_GE(pause, before / 2);
    EXPECT_LE(pause, seconds(30));
    before = pause;
    now_ = queue_.next_deadline();
  }
  EXPECT_GE(before, seconds(15));
  ASSERT_EQ(queue_.take(now_), "a");
  queue_.done("a");
  queue_.add("a");
  ASSERT_EQ(queue_.take(now_), "a");
  queue_.failed("a", now_);
  EXPECT_LE(queue_.next_deadline() - now_, milliseconds(100));
}

TEST_F(WorkQueueTest, NewsEndAPause) {
  queue_.add("a");
  ASSERT_EQ(queue_.take(now_), "a");
  queue_.failed("a", now_);
  queue_.add("a");
  EXPECT_EQ(queue_.take(now_), "a");
}

TEST_F(WorkQueueTest, TheEarliestPlanCounts) {
  queue_.add_at("a", now_ + seconds(9));
  queue_.add_at("a", now_ + seconds(3));
  queue_.add_at("a", now_ + seconds(5));
  EXPECT_EQ(queue_.next_deadline(), now_ + seconds(3));
  EXPECT_EQ(queue_.take(now_ + seconds(3)), "a");
  EXPECT_TRUE(queue_.next_deadline().is_never());
}

TEST_F(WorkQueueTest, WhatIsForgottenDoesNotComeBack) {
  queue_.add("a");
  queue_.add_at("b", now_);
  queue_.forget("a");
  queue_.forget("b");
  EXPECT_EQ(queue_.take(now_), std::nullopt);
  EXPECT_TRUE(queue_.next_deadline().is_never());
}

// Against what the header says, for random calls.
TEST(WorkQueueSimulation, LosesNothingAndHandsNothingOutTwice) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SplitMix random(seed);
    WorkQueue queue(random);
    Instant now;
    std::map<std::string, bool> owed;  // added, and not handed out since
    std::map<std::string, bool> working;
    for (int call = 0; call < 2000; ++call) {
      now = now + random.between(Duration(0), milliseconds(200));
      const std::string key = std::to_string(random.below(6));
      switch (random.below(5)) {
        case 0: queue.add(key), owed[key] = true; break;
        case 1:
          queue.add_at(key, now + random.between(Duration(0), seconds(3))), owed[key] = true;
          break;
        case 2:
          if (const auto taken = queue.take(now)) {
            ASSERT_FALSE(working[*taken]) << "seed " << seed;
            working[*taken] = true;
            owed[*taken] = false;
          }
          break;
        case 3:
          if (std::exchange(working[key], false)) queue.done(key);
          break;
        default:
          if (std::exchange(working[key], false)) queue.failed(key, now), owed[key] = true;
      }
    }
    // From here on everything succeeds.
    for (auto& [key, works] : working)
      if (works) queue.done(key);
    while (!queue.next_deadline().is_never()) {
      now = std::max(now, queue.next_deadline());
      const auto taken = queue.take(now);
      ASSERT_TRUE(taken) << "seed " << seed;
      owed[*taken] = false;
      queue.done(*taken);
    }
    for (const auto& [key, is_owed] : owed)
      ASSERT_FALSE(is_owed) << "seed " << seed << ", key " << key;
  }
}

}  // namespace
}  // namespace tenure::kube
