#include "elect/driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "elect/testing/faulty_store.h"
#include "runtime/testing/loop_for_tests.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Fault = FaultyStore::Fault;

ElectorOptions quick_options() {
  const Settings settings{.lease_duration = seconds(1),
                          .renew_deadline = milliseconds(500),
                          .retry_period = milliseconds(100),
                          .request_timeout = milliseconds(50),
                          .stop_margin = milliseconds(50)};
  return {.identity = "me",
          .cluster = {},
          .timing = check(settings, {}).value(),
          .retry_period = settings.retry_period,
          .store = {}};
}

// A candidate's life on a store that misbehaves at one call: leads, renews twice, resigns, leads
// again, renews, stops. What must hold at every moment is checked as it happens. Whatever the store
// or a slow machine does to it, the life comes to its end.
class Life final : public Work, public DriverObserver {
 public:
  Life(Loop& loop, Fault fault, int at_call, std::function<void()> ended)
      : store(loop, fault, at_call),
        loop_(loop),
        random_(static_cast<std::uint64_t>(at_call)),
        ended_(std::move(ended)) {
    store.before_write = [this](const LeaderElectionRecord& record) {
      EXPECT_FALSE(record.is_free() && running_) << "released while the work ran";
      EXPECT_GE(record.leader_transitions, store.record().leader_transitions);
    };
    driver.emplace(Driver::Parts{loop_, store, *this, random_, *this}, "job", quick_options());
  }

  FaultyStore store;
  std::optional<Driver> driver;

  [[nodiscard]] int calls_heard() const { return heard_; }
  /// Says that the work has ended, as it would have done later.
  void finish_work() {
    running_ = false;
    if (finished_) std::exchange(finished_, nullptr)(false);
  }

  void start(Epoch epoch, Instant valid_until, Instant hard_deadline, Finished finished) override {
    heard_++;
    EXPECT_FALSE(running_) << "two works at once";
    EXPECT_GT(epoch, epoch_) << "the epoch did not rise";
    EXPECT_EQ(driver->lease().epoch, epoch);
    EXPECT_LT(valid_until, hard_deadline);
    epoch_ = epoch;
    running_ = true;
    finished_ = std::move(finished);
  }
  void renewed(Instant, Instant) override {
    heard_++;
    EXPECT_TRUE(running_);
    renewals_++;
    if (renewals_ == 2) driver->resign();
    if (renewals_ == 3) driver->stop();
  }
  void stop(StopReason) override {
    heard_++;
    EXPECT_FALSE(driver->is_leader()) << "told to stop, and still leading";
    loop_.post([this] { finish_work(); });
  }
  void kill() override { heard_++; }

  void leader_changed(const LeaseView&) override { heard_++; }
  void role_changed(const LeaseView&, StopReason) override { heard_++; }
  void reported(Action::Note note, const std::string&) override {
    heard_++;
    runs_out_ = note == Action::Note::release_failed;
  }
  void done(StopReason reason) override {
    heard_++;
    EXPECT_EQ(reason, StopReason::stop_requested);
    EXPECT_FALSE(running_);
    EXPECT_FALSE(driver->is_leader());
    EXPECT_EQ(driver->lease().epoch, 0);
    EXPECT_TRUE(store.record().is_free() || runs_out_) << "neither released nor reported";
    EXPECT_GE(epoch_, 2) << "resigned, and then led again";
    ended_();
  }

 private:
  Loop& loop_;
  SplitMix random_;
  std::function<void()> ended_;
  Finished finished_;
  bool running_ = false;
  bool runs_out_ = false;
  Epoch epoch_ = 0;
  int renewals_ = 0;
  int heard_ = 0;
};

std::string name_of(Fault fault) {
  switch (fault) {
    case Fault::none: return "none";
    case Fault::unknown_not_applied: return "unknown_not_applied";
    case Fault::unknown_but_applied: return "unknown_but_applied";
    case Fault::conflict: return "conflict";
    case Fault::rejected: return "rejected";
    case Fault::throttled: return "throttled";
    case Fault::no_answer: return "no_answer";
    case Fault::late_landing: return "late_landing";
    case Fault::intercepted: return "intercepted";
  }
  return "?";
}

class DriverWithFault : public testing::TestWithParam<Fault> {};

// Lives that fail at different calls are lived side by side, until one has ended before its fault.
TEST_P(DriverWithFault, KeepsItsPromisesWhicheverCallFails) {
  constexpr int kSideBySide = 16;
  bool every_call_failed_once = false;
  for (int first = 1; !every_call_failed_once && first < 10 * kSideBySide; first += kSideBySide) {
    const auto loop = Loop::create().value();
    int living = kSideBySide;
    std::vector<std::unique_ptr<Life>> lives;
    for (int n = first; n < first + kSideBySide; n++) {
      lives.push_back(std::make_unique<Life>(*loop, GetParam(), n, [&] {
        if (--living == 0) loop->stop();
      }));
      loop->post([life = lives.back().get()] { life->driver->start(); });
    }
    run_until_stopped(*loop, std::to_string(kSideBySide) + " lives to end");
    ASSERT_EQ(living, 0);
    every_call_failed_once = std::any_of(
        lives.begin(), lives.end(), [](const auto& life) { return !life->store.reached_fault(); });
  }
  EXPECT_TRUE(every_call_failed_once) << "no life ended before its fault";
}

INSTANTIATE_TEST_SUITE_P(Driver, DriverWithFault,
                         testing::Values(Fault::unknown_not_applied, Fault::unknown_but_applied,
                                         Fault::conflict, Fault::rejected, Fault::throttled,
                                         Fault::no_answer, Fault::late_landing),
                         [](const auto& fault) { return name_of(fault.param); });

// Whenever it goes, what was still to come finds nobody.
TEST(Driver, CallsNobodyOnceDestroyed) {
  for (int n = 1; n <= 8; n++) {
    const auto loop = Loop::create().value();
    Life life(*loop, Fault::intercepted, n, [] {});
    int heard = 0;
    life.store.intercept = [&](const std::function<void()>& answer) {
      loop->post([&, answer] {
        life.driver.reset();
        heard = life.calls_heard();
        answer();
        life.store.changed()();
        life.finish_work();
        loop->at(boot_now() + milliseconds(1), [&] { loop->stop(); });
      });
    };
    loop->post([&] { life.driver->start(); });
    run_until_stopped(*loop, "call " + std::to_string(n));
    EXPECT_EQ(life.calls_heard(), heard) << "destroyed at call " << n;
    EXPECT_EQ(life.store.calls(), n);
  }
}

// ------------------------------------------------------------------------------------------------
// what other threads are told

// Work that ends after one renewal; notes all that was ever published.
class ShortWork final : public Work {
 public:
  ShortWork(Loop& loop, int tenures) : loop_(loop), left_(tenures) {}
  std::function<void()> on_last_end = [] {};
  std::vector<std::pair<Epoch, Instant>> published;

  void start(Epoch epoch, Instant valid_until, Instant, Finished finished) override {
    published.emplace_back(epoch, valid_until);
    finished_ = std::move(finished);
  }
  void renewed(Instant valid_until, Instant) override {
    published.emplace_back(published.back().first, valid_until);
    end();
  }
  void stop(StopReason) override { end(); }
  void kill() override {}

 private:
  void end() {
    loop_.post([this] {
      if (!finished_) return;
      std::exchange(finished_, nullptr)(false);
      if (--left_ == 0) on_last_end();
    });
  }

  Loop& loop_;
  int left_;
  Finished finished_;
};

TEST(Driver, OtherThreadsSeeEpochAndValidityOfOneMoment) {
  const auto loop = Loop::create().value();
  FaultyStore store(*loop, Fault::none, 0);
  ShortWork work(*loop, 4);
  SplitMix random(1);
  DriverObserver observer;
  Driver driver({*loop, store, work, random, observer}, "job", quick_options());
  work.on_last_end = [&] { loop->stop(); };

  std::atomic<bool> over = false;
  std::vector<LeaseSnapshot> seen;
  bool led = false;
  std::thread reader([&] {
    while (!over) {
      const LeaseSnapshot now = driver.lease();
      led = led || driver.is_leader();
      if (seen.empty() || seen.back().epoch != now.epoch ||
          seen.back().valid_until != now.valid_until)
        seen.push_back(now);
    }
  });
  loop->post([&] { driver.start(); });
  run_until_stopped(*loop, "four short tenures");
  over = true;
  reader.join();

  ASSERT_GE(work.published.size(), 4U);
  EXPECT_TRUE(led) << "the reader saw no tenure at all";
  for (const LeaseSnapshot& s : seen) {
    if (s.epoch == 0) {
      EXPECT_EQ(s.valid_until, Instant());
      continue;
    }
    EXPECT_NE(
        std::find(work.published.begin(), work.published.end(), std::pair(s.epoch, s.valid_until)),
        work.published.end())
        << "epoch " << s.epoch << " was never valid until " << s.valid_until.ns();
  }
}

TEST(Driver, LeadershipEndsAtItsDeadlineWithTheLoopStuck) {
  const auto loop = Loop::create().value();
  Life life(*loop, Fault::none, 0, [] {});
  std::promise<LeaseSnapshot> stuck;
  std::promise<void> let_go;
  std::function<void()> get_stuck_once_leading = [&] {
    const LeaseSnapshot lease = life.driver->lease();
    if (lease.epoch == 0) return loop->post(get_stuck_once_leading);
    stuck.set_value(lease);
    let_go.get_future().wait();
    loop->stop();
  };
  loop->post([&] {
    life.driver->start();
    get_stuck_once_leading();
  });
  std::thread loop_thread([&] { run_until_stopped(*loop, "the stuck callback to end"); });

  auto held = stuck.get_future();
  ASSERT_EQ(held.wait_for(seconds(20)), std::future_status::ready) << "waited 20 s for a tenure";
  const LeaseSnapshot lease = held.get();
  const Instant limit = boot_now() + seconds(20);
  bool leads = true;
  while (leads && boot_now() < limit) {
    const Instant before = boot_now();
    leads = life.driver->is_leader();
    if (leads) {
      EXPECT_LT(before, lease.valid_until) << "led past its deadline";
    }
  }
  EXPECT_FALSE(leads) << "waited 20 s for the leadership to run out";
  EXPECT_GE(boot_now(), lease.valid_until) << "ended too early";
  let_go.set_value();
  loop_thread.join();
}

// ------------------------------------------------------------------------------------------------
// calls from inside callbacks

// Work that needs no time, and an observer that asks for the end from inside every kind of
// callback.
class Impatient final : public Work, public DriverObserver {
 public:
  enum class When { leader_changed, role_changed, start, renewed };
  explicit Impatient(Loop& loop, When when) : loop_(loop), when_(when) {}
  Driver* driver = nullptr;
  int done_calls = 0;
  bool running = false;

  void start(Epoch, Instant, Instant, Finished finished) override {
    running = true;
    finished_ = std::move(finished);
    stop_if(When::start);
  }
  void renewed(Instant, Instant) override { stop_if(When::renewed); }
  void stop(StopReason reason) override {
    EXPECT_TRUE(running);
    EXPECT_EQ(reason, StopReason::stop_requested);
    loop_.post([this] {
      running = false;
      finished_(false);
    });
  }
  void kill() override {}
  void leader_changed(const LeaseView&) override { stop_if(When::leader_changed); }
  void role_changed(const LeaseView& view, StopReason) override {
    if (view.role == Role::leading) stop_if(When::role_changed);
  }
  void done(StopReason) override {
    EXPECT_FALSE(running);
    done_calls++;
    loop_.stop();
  }

 private:
  void stop_if(When now) {
    if (now == when_) driver->stop();
  }

  Loop& loop_;
  const When when_;
  Finished finished_;
};

TEST(Driver, MayBeStoppedFromInsideItsCallbacks) {
  using When = Impatient::When;
  for (const When when : {When::leader_changed, When::role_changed, When::start, When::renewed}) {
    const auto loop = Loop::create().value();
    FaultyStore store(*loop, Fault::none, 0);
    Impatient impatient(*loop, when);
    SplitMix random(1);
    Driver driver({*loop, store, impatient, random, impatient}, "job", quick_options());
    impatient.driver = &driver;
    loop->post([&] { driver.start(); });
    run_until_stopped(*loop,
                      "the end asked for from callback " + std::to_string(static_cast<int>(when)));
    EXPECT_EQ(impatient.done_calls, 1);
    EXPECT_EQ(store.record().leader_transitions, 1);
    EXPECT_TRUE(store.record().is_free());
  }
}

// The new leader is announced before its work starts.
TEST(Driver, TellsWhoLeadsBeforeTheWorkStarts) {
  struct Teller final : DriverObserver, Work {
    explicit Teller(Loop& l) : loop(l) {}
    Loop& loop;
    std::vector<std::string> told;
    void leader_changed(const LeaseView& view) override { told.push_back("leader " + view.holder); }
    void start(Epoch, Instant, Instant, Finished) override {
      told.emplace_back("start");
      loop.stop();
    }
    void renewed(Instant, Instant) override {}
    void stop(StopReason) override {}
    void kill() override {}
  };
  const auto loop = Loop::create().value();
  FaultyStore store(*loop, Fault::none, 0);
  Teller teller(*loop);
  SplitMix random(1);
  Driver driver({*loop, store, teller, random, teller}, "job", quick_options());
  loop->post([&] { driver.start(); });
  run_until_stopped(*loop, "the work to start");
  EXPECT_EQ(teller.told, (std::vector<std::string>{"leader me", "start"}));
}

}  // namespace
}  // namespace tenure
