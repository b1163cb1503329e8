#include "runtime/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "runtime/clock.h"
#include "runtime/testing/loop_for_tests.h"

namespace tenure {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class LoopTest : public testing::Test {
 protected:
  LoopTest() : loop_(std::move(Loop::create().value())) {}

  void run(const std::string& waiting_for) { run_until_stopped(*loop_, waiting_for); }
  auto push(int value) {
    return [this, value] { seen_.push_back(value); };
  }

  std::unique_ptr<Loop> loop_;
  std::vector<int> seen_;
};

TEST_F(LoopTest, TimersFireInOrderOfTimeThenOfCreation) {
  const Instant start = boot_now();
  loop_->at(start + milliseconds(3), [this] { loop_->stop(); });
  loop_->at(start + milliseconds(2), push(3));
  loop_->at(start + milliseconds(2), push(4));
  loop_->at(start - seconds(1), push(1));
  loop_->at(Instant::from_ns(INT64_MIN), push(0));
  loop_->at(start + milliseconds(1), push(2));
  run("the last timer");
  EXPECT_EQ(seen_, (std::vector{0, 1, 2, 3, 4}));
  EXPECT_GE(boot_now(), start + milliseconds(3));
}

TEST_F(LoopTest, ACancelledTimerDoesNotFireEvenFromTheSameTurn) {
  const Instant past = boot_now() - seconds(1);
  Loop::TimerId second = 0;
  loop_->at(past, [&] {
    loop_->cancel(second);
    loop_->at(boot_now(), [this] { loop_->stop(); });
  });
  second = loop_->at(past, push(1));
  run("the timer that stops");
  EXPECT_TRUE(seen_.empty());
}

TEST_F(LoopTest, CancellingAFiredTimerLeavesItsSuccessorAlone) {
  const Loop::TimerId first = loop_->at(boot_now(), [this] { loop_->stop(); });
  run("the first timer");
  loop_->at(boot_now(), [this] {  // takes over the slot of the first
    seen_.push_back(1);
    loop_->stop();
  });
  loop_->cancel(first);
  loop_->cancel(0);
  loop_->cancel(UINT64_MAX);
  run("the second timer");
  EXPECT_EQ(seen_, std::vector{1});
}

TEST_F(LoopTest, ATimerRearmedInThePastDoesNotStarvePosts) {
  std::function<void()> again = [&] { loop_->at(Instant::from_ns(0), again); };
  again();
  std::thread poster([this] { loop_->post([this] { loop_->stop(); }); });
  run("the post");
  poster.join();
}

TEST_F(LoopTest, TenThousandTimersRearmedManyTimesFireOnceEach) {
  constexpr std::size_t kTimers = 10'000;
  SplitMix random(1);
  std::vector<Loop::TimerId> timers(kTimers);
  for (auto& timer : timers) timer = loop_->at(boot_now() + hours(1), push(-1));
  for (std::size_t i = 0; i < 5 * kTimers; ++i) {
    auto& timer = timers[random.below(kTimers)];
    loop_->cancel(timer);
    timer = loop_->at(boot_now() + hours(1), push(-1));
  }
  for (std::size_t i = 0; i < kTimers; ++i) {
    loop_->cancel(timers[i]);
    loop_->at(boot_now(), push(static_cast<int>(i)));
  }
  loop_->at(boot_now() + milliseconds(1), [this] { loop_->stop(); });
  run("the timers");
  ASSERT_EQ(seen_.size(), kTimers);
  EXPECT_TRUE(std::is_sorted(seen_.begin(), seen_.end()));
}

TEST_F(LoopTest, PostsFromManyThreadsAllRunInEachThreadsOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 2'000;
  std::array<int, kThreads> last{};
  int total = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 1; i <= kPosts; ++i) {
        loop_->post([&, t, i] {
          EXPECT_EQ(last[t], i - 1);
          last[t] = i;
          if (++total == kThreads * kPosts) loop_->stop();
        });
      }
    });
  }
  run("8,000 posts");
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(total, kThreads * kPosts);
}

TEST_F(LoopTest, PostsLeftWhenStoppedRunNextTime) {
  loop_->post([this] { loop_->stop(); });
  loop_->post(push(1));
  loop_->post([this] { loop_->stop(); });
  run("the first stop");
  EXPECT_TRUE(seen_.empty());
  run("the second stop");
  EXPECT_EQ(seen_, std::vector{1});
}

TEST_F(LoopTest, StopBeforeRunIsNotLost) {
  loop_->stop();
  run("nothing");
}

class PipeTest : public LoopTest {
 protected:
  PipeTest() {
    EXPECT_EQ(pipe(a_.data()), 0);
    EXPECT_EQ(pipe(b_.data()), 0);
  }
  ~PipeTest() override {
    for (const int fd : {a_[0], a_[1], b_[0], b_[1]}) close(fd);
  }
  static void fill(const std::array<int, 2>& pipe) { EXPECT_EQ(write(pipe[1], "x", 1), 1); }

  std::array<int, 2> a_{};
  std::array<int, 2> b_{};
};

TEST_F(PipeTest, AReadableDescriptorIsReportedUntilItIsRead) {
  int calls = 0;
  ASSERT_TRUE(loop_->watch_readable(a_[0], [&] {
    char byte = 0;
    if (++calls < 3) return;
    EXPECT_EQ(read(a_[0], &byte, 1), 1);
    loop_->stop();
  }));
  fill(a_);
  run("three reports");
  EXPECT_EQ(calls, 3);
}

TEST_F(PipeTest, WhoeverComesFirstMayUnwatchBoth) {
  int calls = 0;
  const auto readable = [&] {
    ++calls;
    loop_->unwatch(a_[0]);
    loop_->unwatch(b_[0]);
    loop_->at(boot_now() + milliseconds(1), [this] { loop_->stop(); });
  };
  ASSERT_TRUE(loop_->watch_readable(a_[0], readable));
  ASSERT_TRUE(loop_->watch_readable(b_[0], readable));
  fill(a_);
  fill(b_);
  run("the timer after the first report");
  EXPECT_EQ(calls, 1);
}

TEST_F(PipeTest, AnEventOfAnOldWatchDoesNotReachANewOneOfTheSameNumber) {
  fill(a_);
  fill(b_);
  const auto replace = [&](const std::array<int, 2>& other) {
    loop_->unwatch(a_[0]);
    loop_->unwatch(b_[0]);
    char byte = 0;
    EXPECT_EQ(read(other[0], &byte, 1), 1);
    EXPECT_TRUE(loop_->watch_readable(other[0], push(1)));
    loop_->at(boot_now() + milliseconds(1), [this] { loop_->stop(); });
  };
  ASSERT_TRUE(loop_->watch_readable(a_[0], [&] { replace(b_); }));
  ASSERT_TRUE(loop_->watch_readable(b_[0], [&] { replace(a_); }));
  run("the timer after the first report");
  EXPECT_TRUE(seen_.empty());
}

TEST_F(PipeTest, WatchingSomethingThatCannotBeWatchedIsAnError) {
  const Status status = loop_->watch_readable(-1, [] {});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("epoll_ctl"), std::string::npos);
}

TEST_F(LoopTest, AnIdleLoopDoesNotWakeUp) {
  for (int i = 0; i < 100; ++i) {
    const auto timer = loop_->at(boot_now() + milliseconds(i), push(1));
    loop_->cancel(timer);
  }
  loop_->at(boot_now() + milliseconds(200), [this] { loop_->stop(); });
  run("the only timer");
  EXPECT_EQ(loop_->wakeups(), 1U);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(LoopTest, ALoopWithoutTimersDoesNotWakeUpEither) {
  const auto stopwatch = std::move(Loop::create().value());
  stopwatch->at(boot_now() + milliseconds(100), [&] {
    loop_->stop();
    stopwatch->stop();
  });
  std::thread other([&] { stopwatch->run(); });
  run("the stopwatch");
  other.join();
  EXPECT_LE(loop_->wakeups(), 2U);
}

TEST_F(LoopTest, ASignalHandlerDoesNotDisturbTheLoop) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  const pthread_t self = pthread_self();
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) pthread_kill(self, SIGUSR1);
    loop_->post([this] { loop_->stop(); });
  });
  run("the post after the signals");
  other.join();
  ASSERT_NE(signal(SIGUSR1, SIG_DFL), SIG_ERR);
}

TEST_F(LoopTest, LastTurnMovesWithTheLoop) {
  const Instant before = boot_now();
  loop_->at(before + milliseconds(2), push(1));
  loop_->at(before + milliseconds(4), [this] { loop_->stop(); });
  run("the timers");
  EXPECT_GE(loop_->last_turn(), before + milliseconds(2));
  EXPECT_LE(loop_->last_turn(), boot_now());
}

TEST(SystemRandomTest, DoesNotRepeatAcrossRefills) {
  SystemRandom random;
  std::vector<std::uint64_t> seen(200);
  for (auto& number : seen) number = random.next();
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

}  // namespace
}  // namespace tenure
