// FaultyStore: one register behind a connection that misbehaves at one chosen call.
//
// Thread safety and ownership: as Store. Outlives the loop's last turn.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "runtime/clock.h"
#include "store/store.h"

namespace tenure {

class FaultyStore final : public Store {
 public:
  enum class Fault {
    none,
    unknown_not_applied,
    unknown_but_applied,
    conflict,
    rejected,
    throttled,
    no_answer,
    late_landing,  ///< answered as unknown, applied 150 ms later
    intercepted,   ///< the answer is left to the test: `intercept`
  };

  FaultyStore(Loop& loop, Fault fault, int at_call) : loop_(loop), fault_(fault), at_(at_call) {}

  std::function<void(const LeaderElectionRecord&)> before_write = [](const auto&) {};
  std::function<void(std::function<void()> answer)> intercept;

  [[nodiscard]] int calls() const { return calls_; }
  [[nodiscard]] bool reached_fault() const { return calls_ >= at_; }
  [[nodiscard]] const LeaderElectionRecord& record() const { return record_; }
  /// What a watch would say. A copy, so that it can be called after its subscriber has gone.
  [[nodiscard]] std::function<void()> changed() const { return changed_; }

  [[nodiscard]] std::string describe() const override { return "faulty:"; }
  [[nodiscard]] StoreTraits traits() const override { return {}; }

  void read(const std::string&, Instant, ReadCallback done) override {
    ReadResult result;
    result.outcome = ReadOutcome::ok;
    if (version_ > 0) {
      result.observation.kind = Observation::Kind::record;
      result.observation.version = std::to_string(version_);
      result.observation.record = record_;
    }
    switch (next_fault()) {
      case Fault::none: break;
      case Fault::no_answer: return;
      case Fault::intercepted: return intercept([done, result] { done(result); });
      case Fault::rejected: result = failed_read(ReadOutcome::rejected); break;
      case Fault::throttled: result = failed_read(ReadOutcome::throttled); break;
      case Fault::unknown_not_applied:
      case Fault::unknown_but_applied:
      case Fault::conflict:
      case Fault::late_landing: result = failed_read(ReadOutcome::unknown); break;
    }
    loop_.post([done = std::move(done), result] { done(result); });
  }

  void write(const std::string&, const WriteRequest& request, Instant,
             WriteCallback done) override {
    before_write(*request.record);
    const auto apply = [this, record = *request.record, expected = request.expected] {
      return applied(record, expected);
    };
    WriteResult result;
    result.detail = "broken on purpose";
    switch (next_fault()) {
      case Fault::none: result = apply(); break;
      case Fault::no_answer: return;
      case Fault::intercepted: return intercept([done, apply] { done(apply()); });
      case Fault::unknown_not_applied: break;
      case Fault::unknown_but_applied: apply(); break;
      case Fault::late_landing:
        loop_.at(boot_now() + std::chrono::milliseconds(150), [apply] { apply(); });
        break;
      case Fault::conflict: result.outcome = WriteOutcome::conflict; break;
      case Fault::rejected: result.outcome = WriteOutcome::rejected; break;
      case Fault::throttled: result.outcome = WriteOutcome::throttled; break;
    }
    loop_.post([done = std::move(done), result] { done(result); });
  }

  void list(Instant, ListCallback) override {}

  std::unique_ptr<Subscription> watch(const std::string&, std::function<void()> changed) override {
    changed_ = std::move(changed);
    return nullptr;
  }

 private:
  Fault next_fault() { return ++calls_ == at_ ? fault_ : Fault::none; }

  static ReadResult failed_read(ReadOutcome outcome) {
    ReadResult result;
    result.outcome = outcome;
    result.detail = "broken on purpose";
    return result;
  }

  WriteResult applied(const LeaderElectionRecord& record, const Version& expected) {
    WriteResult result;
    result.outcome = WriteOutcome::conflict;
    if (expected != (version_ == 0 ? "" : std::to_string(version_))) return result;
    record_ = record;
    result.outcome = WriteOutcome::applied;
    result.version = std::to_string(++version_);
    return result;
  }

  Loop& loop_;
  const Fault fault_;
  const int at_;
  int calls_ = 0;
  std::uint64_t version_ = 0;
  LeaderElectionRecord record_;
  std::function<void()> changed_;
};

}  // namespace tenure
