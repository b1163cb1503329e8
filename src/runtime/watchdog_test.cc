#include "runtime/watchdog.h"

#include <gtest/gtest.h>

#include <future>

#include "runtime/clock.h"
#include "runtime/testing/loop_for_tests.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kMargin = milliseconds(200);

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest()
      : loop_(std::move(Loop::create().value())),
        watchdog_(std::move(
            *Watchdog::create(*loop_, kMargin, [this] { hung_.set_value(boot_now()); }))) {}

  std::unique_ptr<Loop> loop_;
  std::promise<Instant> hung_;
  std::future<Instant> when_hung_ = hung_.get_future();
  std::unique_ptr<Watchdog> watchdog_;
};

TEST_F(WatchdogTest, AHangingLoopIsNoticedBeforeTheLeaseEnds) {
  const Instant valid_until = boot_now() + seconds(1);
  loop_->post([&] {
    watchdog_->hold(valid_until);
    // The loop hangs: it does nothing but wait for this.
    ASSERT_EQ(when_hung_.wait_for(seconds(30)), std::future_status::ready);
    loop_->stop();
  });
  run_until_stopped(*loop_, "the watchdog");
  const Instant noticed = when_hung_.get();
  EXPECT_GE(noticed, valid_until - kMargin / 2);
}

TEST_F(WatchdogTest, ALoopThatTurnsIsLeftAlone) {
  const Instant valid_until = boot_now() + milliseconds(300);
  watchdog_->hold(valid_until);
  loop_->at(valid_until + milliseconds(50), [&] { loop_->stop(); });
  run_until_stopped(*loop_, "the end of the lease");
  EXPECT_EQ(when_hung_.wait_for(seconds(0)), std::future_status::timeout);
  EXPECT_EQ(loop_->wakeups(), 2U);  // the watchdog's question and the timer
}

TEST_F(WatchdogTest, ALeaseThatIsRenewedOrReleasedCostsNothing) {
  int renewals = 0;
  std::function<void()> renew = [&] {
    watchdog_->hold(boot_now() + seconds(30));
    if (++renewals < 10) {
      loop_->at(boot_now() + milliseconds(10), renew);
      return;
    }
    watchdog_->hold(boot_now() + kMargin + milliseconds(50));
    watchdog_->release();
    loop_->at(boot_now() + milliseconds(100), [&] { loop_->stop(); });
  };
  loop_->at(boot_now(), renew);
  run_until_stopped(*loop_, "ten renewals");
  EXPECT_EQ(loop_->wakeups(), 11U);  // ours alone
  EXPECT_EQ(when_hung_.wait_for(seconds(0)), std::future_status::timeout);
}

TEST_F(WatchdogTest, AProcessThatWasStoppedGetsTimeToStepDown) {
  watchdog_->hold(boot_now() - seconds(10));  // as it looks after a stop
  loop_->at(boot_now() + kMargin, [&] { loop_->stop(); });
  run_until_stopped(*loop_, "the timer");
  EXPECT_EQ(when_hung_.wait_for(seconds(0)), std::future_status::timeout);
}

TEST(WatchdogDeathTest, TheDefaultIsToSayWhyAndExit) {
  EXPECT_EXIT(Watchdog::exit_now(), testing::ExitedWithCode(70), "event loop hangs");
}

}  // namespace
}  // namespace tenure
