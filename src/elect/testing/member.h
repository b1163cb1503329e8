// Member: a LeaderElector that runs on a thread of its own and keeps a diary of its callbacks.
//
//   Member a({.lock = lock, .settings = ...});   // fills in the callbacks; those given run as well
//   ASSERT_TRUE(a.diary().await("started 1"));
//
// Its work, unless another is given, waits until it is told to stop. The destructor stops and
// joins.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenure/leader_elector.h"

namespace tenure {

/// What happened, in order. Thread-safe.
class Diary {
 public:
  void write(std::string entry) {
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
    written_.notify_all();
  }
  /// Waits for an entry that begins like this. False, and says so, when none comes within 20 s.
  bool await(const std::string& begin) {
    std::unique_lock lock(mutex_);
    const bool came = written_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::any_of(entries_.begin(), entries_.end(),
                         [&](const std::string& entry) { return entry.starts_with(begin); });
    });
    EXPECT_TRUE(came) << "waited 20 s for \"" << begin
                      << "\", and read: " << testing::PrintToString(entries_);
    return came;
  }
  std::vector<std::string> entries() {
    const std::lock_guard lock(mutex_);
    return entries_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable written_;
  std::vector<std::string> entries_;
};

/// Holds up whoever passes until it is opened; 20 s at most.
class Gate {
 public:
  void open() { promise_.set_value(); }
  void pass() const {
    EXPECT_EQ(future_.wait_for(std::chrono::seconds(20)), std::future_status::ready)
        << "waited 20 s at a gate";
  }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

inline void wait_for_stop(std::stop_token stop, Epoch) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait(lock, std::move(stop), [] { return false; });
}

class Member {
 public:
  explicit Member(LeaderElectorConfig config) {
    keep_diary(config.callbacks);
    auto elector = LeaderElector::create(std::move(config));
    if (!elector) {
      ADD_FAILURE() << elector.error().to_string();
      return;
    }
    elector_ = *std::move(elector);
    thread_ = std::jthread([this](std::stop_token stop) {
      EXPECT_TRUE(elector_->run(std::move(stop)));
      diary_.write("run returned");
    });
  }

  Diary& diary() { return diary_; }
  LeaderElector& elector() { return *elector_; }
  /// Requests the stop and waits for run() to return.
  void leave() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void keep_diary(Callbacks& c) {
    auto work = c.on_started_leading ? std::move(c.on_started_leading) : wait_for_stop;
    c.on_started_leading = [this, work](std::stop_token stop, Epoch epoch) {
      diary_.write("started " + std::to_string(epoch));
      work(std::move(stop), epoch);
    };
    c.on_stopped_leading = [this, then = std::move(c.on_stopped_leading)](StopReason reason) {
      diary_.write(std::string("stopped ") + to_string(reason));
      if (then) then(reason);
    };
    c.on_new_leader = [this, then = std::move(c.on_new_leader)](const Leader& leader) {
      diary_.write(leader.identity.empty()
                       ? "nobody leads"
                       : leader.identity + " leads " + std::to_string(leader.epoch));
      if (then) then(leader);
    };
    c.on_overrun = [this, then = std::move(c.on_overrun)](Epoch epoch) {
      diary_.write("overran " + std::to_string(epoch));
      if (then) then(epoch);
    };
    c.on_problem = [this, then = std::move(c.on_problem)](const std::string& text) {
      diary_.write("problem: " + text);
      if (then) then(text);
    };
  }

  Diary diary_;
  std::unique_ptr<LeaderElector> elector_;
  std::jthread thread_;
};

}  // namespace tenure
