#include "runtime/signals.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "runtime/testing/loop_for_tests.h"

namespace tenure {
namespace {

class SignalsTest : public testing::Test {
 protected:
  auto recording() {
    return [this](int signal) {
      seen_.push_back(signal);
      loop_->stop();
    };
  }
  static bool is_blocked(int signal) {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return sigismember(&mask, signal) == 1;
  }

  std::unique_ptr<Loop> loop_ = std::move(Loop::create().value());
  std::vector<int> seen_;
};

TEST_F(SignalsTest, ASignalToTheProcessArrivesOnTheLoop) {
  const auto signals = Signals::create(*loop_, {SIGTERM, SIGUSR1}, recording());
  ASSERT_TRUE(signals);
  kill(getpid(), SIGTERM);  // would end the test if it were not taken over
  run_until_stopped(*loop_, "SIGTERM");
  kill(getpid(), SIGUSR1);
  run_until_stopped(*loop_, "SIGUSR1");
  EXPECT_EQ(seen_, (std::vector{SIGTERM, SIGUSR1}));
}

TEST_F(SignalsTest, TheCallbackMayDestroyIt) {
  std::unique_ptr<Signals> signals;
  signals = std::move(*Signals::create(*loop_, {SIGUSR1}, [&](int) {
    signals.reset();
    loop_->stop();
  }));
  kill(getpid(), SIGUSR1);
  run_until_stopped(*loop_, "SIGUSR1");
  EXPECT_FALSE(is_blocked(SIGUSR1));
}

TEST_F(SignalsTest, ASignalThatWasIgnoredStaysIgnored) {
  std::signal(SIGHUP, SIG_IGN);
  {
    const auto signals = Signals::create(*loop_, {SIGHUP, SIGUSR2}, recording());
    ASSERT_TRUE(signals);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR2);
    run_until_stopped(*loop_, "SIGUSR2");
  }
  std::signal(SIGHUP, SIG_DFL);
  EXPECT_EQ(seen_, std::vector{SIGUSR2});
}

TEST_F(SignalsTest, AClosedPipeIsAnErrorWhileItLives) {
  std::signal(SIGPIPE, SIG_DFL);
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  close(pipe_ends[0]);
  {
    const auto signals = Signals::create(*loop_, {SIGUSR1}, recording());
    ASSERT_TRUE(signals);
    EXPECT_EQ(write(pipe_ends[1], "x", 1), -1);  // the default would end the test
    EXPECT_TRUE(is_blocked(SIGUSR1));
  }
  struct sigaction now {};
  sigaction(SIGPIPE, nullptr, &now);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  EXPECT_FALSE(is_blocked(SIGUSR1));
  close(pipe_ends[1]);
}

}  // namespace
}  // namespace tenure
