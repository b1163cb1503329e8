// Stage: one elector, virtual time and a scripted store, for tests.
//
//   Stage stage;
//   stage.lead();                                 // starts, and is given the lock at once
//   stage.run_until_asked(Action::Kind::write);   // time passes until the renewal is sent
//   stage.answer(WriteOutcome::unknown);          // the renewal's answer was lost
//   EXPECT_EQ(stage.view().valid_until, Stage::at(10s));   // still that of the acquisition
//
// The store is a register with one record that answers only when a test says so. Times are counted
// from the beginning of the test. Chance is scripted too: without `jitter` every draw takes the
// lowest value of its range, so instants can be written down. A mistake of the test, such as an
// answer that nobody waits for, throws. Not thread-safe.
#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/elector.h"

namespace tenure {

using namespace std::chrono_literals;  // NOLINT: tests only

/// Distinct numbers whose upper bits, which decide every draw from a range, are chosen.
class ScriptedRandom final : public Random {
 public:
  std::uint64_t jitter = 0;  ///< 0: the low end of a range; kHighest: its high end
  static constexpr std::uint64_t kHighest = ~std::uint64_t{0} << 8U;
  std::uint64_t next() override { return jitter | (count_ += 2); }

 private:
  std::uint64_t count_ = 0;
};

// For the messages of failed expectations.
inline std::ostream& operator<<(std::ostream& out, Instant instant) {
  return out << instant.ns() << " ns";
}
inline std::ostream& operator<<(std::ostream& out, Role role) {
  return out << to_string(role);
}
inline std::ostream& operator<<(std::ostream& out, StopReason reason) {
  return out << to_string(reason);
}

/// A candidate under client-go's default settings.
inline ElectorOptions candidate(std::string identity, const StoreTraits& store = {},
                                const Settings& settings = {}) {
  ElectorOptions options;
  options.identity = std::move(identity);
  options.cluster = "east";
  options.timing = check(settings, store).value();
  options.retry_period = settings.retry_period;
  options.store = store;
  return options;
}

/// A record of another tenure candidate, which holds the lock.
inline LeaderElectionRecord held_by(std::string holder, Epoch epoch, std::int64_t seconds = 15) {
  LeaderElectionRecord record;
  record.holder_identity = std::move(holder);
  record.leader_transitions = epoch;
  record.lease_duration_seconds = seconds;
  record.write_id = {0xffff, static_cast<std::uint64_t>(epoch)};
  return record;
}

class Stage {
 public:
  struct Happened {
    Duration at;
    Action action;
    LeaderElectionRecord record;  ///< of a write
    Version expected;             ///< of a write
  };

  explicit Stage(ElectorOptions options = candidate("a"))
      : elector_(std::make_unique<Elector>(std::move(options), random)) {}
  /// Another elector goes on where this one is.
  void succeed(ElectorOptions options) {
    elector_ = std::make_unique<Elector>(std::move(options), random, *elector_);
    asked_ = {};
  }

  void remember(Epoch epoch, Duration lease) { elector_->remember(at(now_), epoch, lease); }

  // Time.
  static constexpr Instant at(Duration since_begin) {
    return Instant::from_ns(1'000'000'000'000) + since_begin;
  }
  static constexpr WallTime wall_at(Duration since_begin) {
    return WallTime::from_ns(1'800'000'000'000'000'000) + since_begin;
  }
  [[nodiscard]] Duration now() const { return now_; }

  /// Time passes; the elector is woken whenever it asked to be, and nobody answers it.
  void run_until(Duration when) {
    while (elector_->next_deadline() <= at(when)) {
      now_ = std::max(now_, elector_->next_deadline() - at(0s));
      send(event::Tick{});
    }
    now_ = when;
    send(event::Tick{});
  }
  /// As serve_until without a delay, but every write is answered with this and is not written.
  void fail_writes_until(Duration when, WriteOutcome outcome) {
    for (std::size_t most = log.size() + 10000; now_ < when && log.size() < most;) {
      if (asks(Action::Kind::write)) {
        answer(outcome);
      } else if (asks()) {
        answer();
      } else {
        now_ = std::clamp(elector_->next_deadline() - at(0s), now_, when);
        send(event::Tick{});
      }
    }
  }
  /// Time passes until the elector asks for this; whatever else it asks for is not answered.
  void run_until_asked(Action::Kind kind) {
    for (const Duration give_up = now_ + 1h; !asks(kind);) {
      if (elector_->next_deadline() > at(give_up)) throw std::logic_error("it never asks for that");
      now_ = std::max(now_, elector_->next_deadline() - at(0s));
      send(event::Tick{});
    }
  }
  /// Time passes and the elector gets no processor, as when its machine is frozen.
  void freeze_until(Duration when) { now_ = when; }
  /// As run_until, but the store answers every request after `latency`.
  void serve_until(Duration when, Duration latency = 10ms) {
    while (true) {
      const Duration answered = asked_at_ + latency;
      const Duration wake = elector_->next_deadline() - at(0s);
      if (asks() && answered <= when && answered < wake) {
        now_ = std::max(now_, answered);
        answer();
      } else if (wake <= when) {
        now_ = std::max(now_, wake);
        send(event::Tick{});
      } else {
        break;
      }
    }
    now_ = when;
  }

  // What happens to the elector.
  void send(Event event) {
    Actions actions;
    elector_->step({at(now_), wall_at(calendar_stands ? 0s : now_ + wall_error)}, std::move(event),
                   actions);
    for (const Action& action : actions) {
      Happened happened{now_, action, {}, {}};
      if (action.kind == Action::Kind::write) {
        happened.record = elector_->outgoing();
        happened.expected = elector_->expected();
      }
      if (action.kind == Action::Kind::write || action.kind == Action::Kind::read) {
        asked_ = action;
        asked_at_ = now_;
      }
      log.push_back(std::move(happened));
    }
    if (elector_->next_deadline() <= at(now_))
      throw std::logic_error("the elector wants to be woken at once, again and again");
  }
  void start() { send(event::Start{}); }
  void work_finished() { send(event::WorkFinished{view().epoch, false}); }

  // The store. What it holds:
  Observation held;
  std::optional<WallTime> server_time;
  Duration age{0};  ///< that answers give what it holds

  void put(LeaderElectionRecord record) {
    held = {Observation::Kind::record, next_version(), std::move(record), {}};
  }
  void put(Observation::Kind kind) {
    held = {kind, kind == Observation::Kind::absent ? Version() : next_version(), {}, {}};
  }

  /// True while a request has not been answered.
  [[nodiscard]] bool asks() const { return asked_.op != 0; }
  [[nodiscard]] bool asks(Action::Kind kind) const { return asks() && asked_.kind == kind; }

  /// Answers the request that is waiting, truthfully.
  void answer() {
    if (!asks()) throw std::logic_error("no request is waiting");
    if (asked_.kind == Action::Kind::read) return answer_read(ReadOutcome::ok);
    answer(land(asked_.op) ? WriteOutcome::applied : WriteOutcome::conflict);
  }
  /// Answers the read that is waiting.
  void answer_read(ReadOutcome outcome, Duration retry_after = {}) {
    if (!asks(Action::Kind::read)) throw std::logic_error("no read is waiting");
    const OpId op = std::exchange(asked_, {}).op;
    ReadResult result{outcome, held, server_time, retry_after, {}};
    result.age = age;
    send(event::ReadDone{op, std::move(result)});
  }
  /// Answers the write that is waiting; what the store holds does not change.
  void answer(WriteOutcome outcome, Duration retry_after = {}) {
    if (!asks(Action::Kind::write)) throw std::logic_error("no write is waiting");
    const OpId op = std::exchange(asked_, {}).op;
    send(event::WriteDone{op, {outcome, held.version, server_time, retry_after, {}}});
  }
  /// A write reaches the store, whether its answer was lost or is yet to come. False: its version
  /// does not fit.
  bool land(OpId op) {
    for (const Happened& h : log) {
      if (h.action.kind != Action::Kind::write || h.action.op != op || h.expected != held.version)
        continue;
      put(h.record);
      return true;
    }
    return false;
  }

  /// Starts and is given the lock without any delay.
  void lead() {
    start();
    answer();
    answer();
    if (view().role != Role::leading) throw std::logic_error("it does not lead");
  }

  // What the elector did.
  std::vector<Happened> log;
  [[nodiscard]] const LeaseView& view() const { return elector_->view(); }
  [[nodiscard]] const Elector& elector() const { return *elector_; }
  [[nodiscard]] std::size_t count(Action::Kind kind) const {
    std::size_t n = 0;
    for (const Happened& h : log) n += h.action.kind == kind ? 1 : 0;
    return n;
  }
  /// The latest action of this kind.
  [[nodiscard]] Happened last(Action::Kind kind) const {
    for (auto h = log.rbegin(); h != log.rend(); ++h)
      if (h->action.kind == kind) return *h;
    throw std::logic_error("no such action happened");
  }
  [[nodiscard]] bool reported(Action::Note note) const {
    for (const Happened& h : log)
      if (h.action.kind == Action::Kind::report && h.action.note == note) return true;
    return false;
  }

  ScriptedRandom random;
  Duration wall_error{0};  ///< of this machine's calendar clock
  bool calendar_stands = false;

 private:
  Version next_version() { return "v" + std::to_string(++versions_); }

  std::unique_ptr<Elector> elector_;
  Duration now_{0};
  Duration asked_at_{0};
  Action asked_;
  int versions_ = 0;
};

}  // namespace tenure
