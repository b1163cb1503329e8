// LockWorld: several electors and one store that serves them truthfully, in virtual time, for
// tests of what the settings promise.
//
//   LockWorld world({.store = {.watch = true}, .slowest_answer = 1s, .seed = 7});
//   const auto holder = world.add();              // the first is given the lock
//   world.run_until(30s);
//   world.crash(holder);
//
// Each request takes effect and is answered at instants drawn from the latency. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>

#include "core/testing/stage.h"

namespace tenure {

/// Chance that often takes the ends of a range, where promises break first.
class CornerRandom final : public Random {
 public:
  explicit CornerRandom(std::uint64_t seed) : random_(seed) {}
  std::uint64_t next() override {
    const std::uint64_t drawn = random_.next();
    const std::uint64_t low = drawn >> 32U;  // the upper half decides a draw from a range
    if (drawn % 4 == 0) return low;
    if (drawn % 4 == 1) return low | ~std::uint64_t{0} << 32U;
    return drawn;
  }

 private:
  SplitMix random_;
};

class LockWorld {
 public:
  enum class Outage : std::uint8_t {
    refuses,  ///< every request fails as quickly as it would be answered
    silent,   ///< no request is ever answered
    either,
  };
  struct Options {
    Settings settings{};
    StoreTraits store{};
    Duration slowest_answer{0};
    bool mostly_slowest = false;  ///< with reads that tell of the past, and writes that land late
    std::uint64_t seed = 1;
    // Requests that are sent within it fail and change nothing.
    Outage outage = Outage::refuses;
    Duration outage_begins = Duration::max();
    Duration outage_ends = Duration::max();
  };
  struct Request {
    Action action;
    LeaderElectionRecord record{};  ///< of a write
    Version expected{};             ///< of a write
    Duration lands{};
    Duration answered{};
    bool fails = false;
    bool landed = false;
    bool applied = false;  ///< of a write
    Version version{};     ///< that an applied write made
    Observation seen{};    ///< by a read
  };
  struct Member {
    Member(ElectorOptions options, std::uint64_t seed, int clock)
        : random(seed), elector(std::move(options), random), clock_percent(clock) {}
    CornerRandom random;
    Elector elector;
    int clock_percent;  ///< how fast its clock runs
    bool alive = true;
    std::optional<Request> request;
    Duration began = Duration::max();    ///< its first work
    Duration stopped = Duration::max();  ///< told to stop for the first time
  };

  explicit LockWorld(const Options& options) : options_(options), random_(options_.seed) {}

  Member& add(int clock_percent = 100) {
    const std::string name = "candidate-" + std::to_string(members_.size());
    members_.emplace_back(candidate(name, options_.store, options_.settings), random_.next(),
                          clock_percent);
    send(members_.back(), event::Start{});
    return members_.back();
  }

  void run_until(Duration end) {
    while (step(end)) {
    }
    now_ = end;
  }
  /// Runs until something is so; false when it is not so at the end.
  bool run_until(Duration end, const std::function<bool()>& so) {
    while (!so())
      if (!step(end)) return false;
    return true;
  }

  static void crash(Member& member) { member.alive = false; }

  void send(Member& member, Event event) {
    Actions actions;
    member.elector.step({local(member), Stage::wall_at(now_)}, std::move(event), actions);
    for (const Action& action : actions) {
      if (action.kind == Action::Kind::read || action.kind == Action::Kind::write)
        member.request = ask(member, action);
      if (action.kind == Action::Kind::start_work) member.began = std::min(member.began, now_);
      if (action.kind == Action::Kind::stop_work) member.stopped = std::min(member.stopped, now_);
    }
  }

  [[nodiscard]] Duration now() const { return now_; }
  /// A draw of the world's own chance.
  Duration draw(Duration low, Duration high) { return random_.between(low, high); }

 private:
  [[nodiscard]] Instant local(const Member& m) const {
    return Stage::at(now_ / 100 * m.clock_percent + now_ % 100ns * m.clock_percent / 100);
  }
  [[nodiscard]] static Duration wakes(const Member& m) {
    const Instant at = m.elector.next_deadline();
    if (at.is_never()) return Duration::max();
    return ((at - Stage::at(0s)) * 100 + Duration(m.clock_percent - 1)) / m.clock_percent;
  }

  Request ask(const Member& member, const Action& action) {
    Request request{.action = action};
    if (action.kind == Action::Kind::write) {
      request.record = member.elector.outgoing();
      request.expected = member.elector.expected();
    }
    const bool slowest = options_.mostly_slowest && random_.next() % 8 != 0;
    request.answered =
        now_ + (slowest ? options_.slowest_answer : draw(0s, options_.slowest_answer));
    request.lands = !slowest                            ? draw(now_, request.answered)
                    : action.kind == Action::Kind::read ? now_
                                                        : request.answered;
    request.fails = options_.outage_begins <= now_ && now_ < options_.outage_ends;
    const bool silent = options_.outage == Outage::silent ||
                        (options_.outage == Outage::either && random_.next() % 2 == 0);
    if (request.fails && silent) request.lands = request.answered = Duration::max();
    return request;
  }

  void land(Request& request) {
    request.landed = true;
    if (request.fails) return;
    if (request.action.kind == Action::Kind::read) {
      request.seen = held_;
      return;
    }
    request.applied = request.expected == held_.version;
    if (!request.applied) return;
    request.version = "v" + std::to_string(++versions_);
    held_ = {Observation::Kind::record, request.version, request.record, {}};
    if (!options_.store.watch) return;
    for (Member& other : members_)
      if (other.alive) send(other, event::Changed{});
  }

  void answer(Member& member) {
    const Request request = *std::exchange(member.request, std::nullopt);
    if (!member.alive) return;
    const OpId op = request.action.op;
    if (request.action.kind == Action::Kind::read) {
      const auto outcome = request.fails ? ReadOutcome::unknown : ReadOutcome::ok;
      return send(member, event::ReadDone{op, {outcome, request.seen, {}, {}, {}}});
    }
    const auto outcome = request.fails     ? WriteOutcome::unknown
                         : request.applied ? WriteOutcome::applied
                                           : WriteOutcome::conflict;
    send(member, event::WriteDone{op, {outcome, request.version, {}, {}, {}}});
  }

  // What happens next, at `end` at the latest.
  bool step(Duration end) {
    Duration next = Duration::max();
    Member* whose = nullptr;
    for (Member& m : members_) {
      Duration at = m.alive ? wakes(m) : Duration::max();
      if (m.request) at = std::min(at, m.request->landed ? m.request->answered : m.request->lands);
      if (at < next) {
        next = at;
        whose = &m;
      }
    }
    if (next > end) return false;
    now_ = std::max(now_, next);
    std::optional<Request>& request = whose->request;
    if (request && !request->landed && request->lands <= now_) {
      land(*request);
    } else if (request && request->landed && request->answered <= now_) {
      answer(*whose);
    } else {
      send(*whose, event::Tick{});
    }
    return true;
  }

  Options options_;
  CornerRandom random_;
  std::deque<Member> members_;
  Observation held_;
  Duration now_{0};
  int versions_ = 0;
};

}  // namespace tenure
