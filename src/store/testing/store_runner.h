// StoreRunner: a loop for tests, and stores asked one thing after the other.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/clock.h"
#include "runtime/loop.h"
#include "store/store.h"

namespace tenure {

class StoreRunner {
 public:
  StoreRunner();

  [[nodiscard]] Loop& loop() { return *loop_; }

  /// Runs the loop until `done()`, and fails the test instead of hanging.
  void run_until(const std::function<bool()>& done, const std::string& waiting_for);
  /// Runs the loop for a while: for showing that something does not happen.
  void run_for(Duration duration);

  /// A deadline that a healthy store keeps.
  [[nodiscard]] static Instant soon() { return boot_now() + std::chrono::seconds(20); }

  ReadResult read(Store& store, const std::string& lock, Instant deadline = soon());
  WriteResult write(Store& store, const std::string& lock, const LeaderElectionRecord& record,
                    const Version& expected, bool durable = true, Instant deadline = soon());
  Result<std::vector<ListedLock>> list(Store& store);

  /// A record as a holder would write it, with a fresh write id.
  LeaderElectionRecord record_of(const std::string& holder, Epoch epoch);

 private:
  template <class Answer>
  Answer await(const std::string& what,
               const std::function<void(std::function<void(Answer)>)>& ask);

  const std::unique_ptr<Loop> loop_;
  SystemRandom random_;
};

}  // namespace tenure
