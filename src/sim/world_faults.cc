#include <algorithm>
#include <utility>

#include "sim/trace.h"
#include "sim/world.h"

namespace tenure::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// Kinds that come by themselves; the others strike messages, steps or works.
constexpr std::array kSelfMade{
    Fault::cut_requests,   Fault::cut_answers,        Fault::partition,
    Fault::clog,           Fault::rejected,           Fault::outage_silent,
    Fault::outage_refused, Fault::record_deleted,     Fault::record_rolled_back,
    Fault::record_damaged, Fault::record_from_future, Fault::server_time_wrong,
    Fault::pause_short,    Fault::pause_long,         Fault::pause_elector_only,
    Fault::machine_frozen, Fault::clock_rate_changes, Fault::wall_step_forward,
    Fault::wall_step_back, Fault::wall_strobe,        Fault::crash,
    Fault::crash_all,      Fault::stop_and_restart,   Fault::operator_resigns,
    Fault::foreign_holder, Fault::forged_holder,      Fault::forged_release,
    Fault::forged_epoch};

// Mostly what a bad time server does, sometimes what a dead battery does.
Duration wall_step(SplitMix& random) {
  if (random.below(8) == 0) return std::chrono::hours(24 * 365);
  return random.between(seconds(1), seconds(288));
}

}  // namespace

void World::schedule_faults() {
  for (const Fault f : kSelfMade)
    if (plan_.on(f))
      schedule(plan_.next_after(f).count(), Kind::fault, 0, static_cast<std::uint64_t>(f));
}

// Half of the time the leader is hit: there it hurts.
Node& World::some_node(Fault f) {
  SplitMix& random = plan_.random(f);
  if (random.below(2) == 0)
    for (Node& n : nodes_)
      if (n.believes(now_)) return n;
  return nodes_[random.below(nodes_.size())];
}

void World::come(Fault f) {
  if (!plan_.on(f)) return;
  plan_.fired(f);
  schedule(now_ + plan_.next_after(f).count() + 1, Kind::fault, 0, static_cast<std::uint64_t>(f));
  strike(f);
}

void World::strike(Fault f) {
  SplitMix& random = plan_.random(f);
  Node& n = some_node(f);
  const auto until = [&](Duration most) {
    return now_ + random.between(milliseconds(10), most).count();
  };
  switch (f) {
    case Fault::cut_requests:
      n.requests_cut_until = until(2 * longest_lease_);
      return note(&n, "its requests are lost from now on");
    case Fault::cut_answers:
      n.answers_cut_until = until(2 * longest_lease_);
      return note(&n, "its answers are lost from now on");
    case Fault::partition:
      n.requests_cut_until = n.answers_cut_until = until(3 * longest_lease_);
      return note(&n, "is cut off");
    case Fault::clog:
      clogged_until_ = until(seconds(8));
      return note(nullptr, "the network is clogged");
    case Fault::rejected:
      n.rejected_until = until(2 * longest_lease_);
      return note(&n, "has lost its permissions");
    case Fault::outage_silent:
    case Fault::outage_refused:
      outage_silent_ = f == Fault::outage_silent;
      outage_until_ = until(random.below(3) == 0 ? 5 * longest_lease_ : longest_lease_ / 2);
      return note(nullptr, "the store is out for {:.1f} s",
                  static_cast<double>(outage_until_ - now_) / 1e9);
    case Fault::server_time_wrong:
      server_wall_offset_ = (static_cast<std::int64_t>(random.below(600)) - 300) * 1'000'000'000;
      return;
    case Fault::record_deleted:
    case Fault::record_rolled_back:
    case Fault::record_damaged:
    case Fault::record_from_future:
    case Fault::forged_holder:
    case Fault::forged_release:
    case Fault::forged_epoch: return forge(f);
    case Fault::pause_short:
      return pause(n, random.between(milliseconds(1), longest_lease_ / 3), true);
    case Fault::pause_long:
      return pause(n, random.between(longest_lease_ / 2, 10 * longest_lease_), true);
    case Fault::pause_elector_only:
      return pause(n, random.between(milliseconds(1), 3 * longest_lease_), false);
    case Fault::machine_frozen:
      if (!n.up() || n.paused(now_)) return;
      n.clock.freeze(now_);
      n.clock_stood_during = n.elector->view().epoch;
      n.clock_stood_at = n.clock.local(now_);
      return pause(n, random.between(seconds(1), 5 * longest_lease_), true);
    case Fault::clock_rate_changes: {
      const std::int64_t limit = 10'000 * n.options.clock_rate_tolerance_percent;
      if (n.clock.frozen() || options_.break_clocks_by_percent != 0) return;
      n.clock.set_rate(
          now_, static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(2 * limit + 1))) -
                    limit);
      n.timer_at = INT64_MAX;
      if (n.up()) arm(n);
      return;
    }
    case Fault::wall_step_forward: n.wall_offset += wall_step(random).count(); return;
    case Fault::wall_step_back: n.wall_offset -= wall_step(random).count(); return;
    case Fault::wall_strobe:
      n.wall_offset = -n.wall_offset + random.between(milliseconds(4), seconds(262)).count();
      return;
    case Fault::crash: {
      if (!n.up()) return;
      crash(n, "crashes");
      schedule(until(seconds(random.below(2) == 0 ? 1 : 60)), Kind::restart, n.id);
      return;
    }
    case Fault::crash_all:
      for (Node& each : nodes_) {
        crash(each, "crashes with all others");
        schedule(until(seconds(20)), Kind::restart, each.id);
      }
      return;
    case Fault::stop_and_restart:
      if (n.up() && !n.paused(now_)) step(n, event::Stop{});
      return;
    case Fault::operator_resigns: {
      if (random.below(2) == 0) {
        if (n.up() && !n.paused(now_)) step(n, event::Resign{});
        return;
      }
      if (!register_.held() || !register_.current().record.write_id.present()) return;
      LeaderElectionRecord record = register_.current().record;  // as `tenure resign` does
      record.resign_epoch = record.leader_transitions;
      const Author author = register_.author();
      register_.put(now_, record, author);
      note(nullptr, "an operator asks epoch {} to resign", record.resign_epoch);
      return announce(-1);
    }
    case Fault::foreign_holder: return foreign_acts();
    default: return;
  }
}

// What no party of the protocol does. Exclusion by time ends here, for as long as a tenure from
// before can last; the order of epochs and the resource's check do not.
void World::forge(Fault f) {
  SplitMix& random = plan_.random(f);
  tainted_by_malice();
  switch (f) {
    case Fault::record_deleted:
      epochs_may_repeat_ = true;
      deleted_claim_ = claim_in_store();
      register_.put_kind(now_, Observation::Kind::absent);
      note(nullptr, "somebody deletes the record");
      break;
    case Fault::record_rolled_back:
      epochs_may_repeat_ = true;
      register_.roll_back(now_, random.below(8));
      note(nullptr, "somebody restores an old record");
      break;
    case Fault::record_damaged:
      register_.put_kind(now_, Observation::Kind::unreadable);
      note(nullptr, "the record is damaged");
      break;
    case Fault::record_from_future:
      register_.put_kind(now_, Observation::Kind::too_new);
      note(nullptr, "a later version writes the record");
      break;
    default: {
      LeaderElectionRecord record = last_good_;
      record.write_id = random.below(2) == 0 ? WriteId{} : random.write_id();
      record.renew_time = WallTime::from_ns(Node::kEpoch + now_);
      record.resign_epoch = 0;
      if (f == Fault::forged_release) {
        record.holder_identity.clear();
      } else {
        record.holder_identity = random.below(3) == 0 ? "candidate-0" : "mallory";
        record.lease_duration_seconds = 1 + static_cast<std::int64_t>(random.below(60));
      }
      if (f == Fault::forged_epoch) {
        epochs_may_repeat_ = true;
        record.leader_transitions = static_cast<Epoch>(
            random.below(static_cast<std::uint64_t>(2 * record.leader_transitions) + 2));
      }
      register_.put(now_, record, {});
      note(nullptr, "somebody writes the record by hand: holder '{}', epoch {}",
           record.holder_identity, record.leader_transitions);
      break;
    }
  }
  highest_in_store_ = std::max(highest_in_store_, register_.current().record.leader_transitions);
  changes_++;
  announce(-1);
}

// A program of another make that keeps client-go's rules: it takes a free or long silent record,
// renews a few times, and then releases or falls silent.
void World::foreign_acts() {
  SplitMix& random = plan_.random(Fault::foreign_holder);
  const bool mine = register_.current().kind == Observation::Kind::record &&
                    register_.current().record.holder_identity == "foreign";
  LeaderElectionRecord record = register_.current().record;
  if (!mine) {
    foreign_renewals_left_ = 0;
    const TrueTime silent = now_ - register_.changed_at();
    const bool free = register_.current().kind == Observation::Kind::record &&
                      (record.is_free() ||
                       silent > Duration(seconds(record.lease_duration_seconds)).count() * 13 / 10);
    if (!free || healed_) return;
    foreign_renewals_left_ = 1 + static_cast<int>(random.below(6));
    foreign_lease_seconds_ = 5 + static_cast<std::int64_t>(random.below(20));
    foreign_wall_offset_ = 0;
    if (plan_.strikes(Fault::foreign_wall_clock_wrong))
      foreign_wall_offset_ = (static_cast<std::int64_t>(random.below(576)) - 288) * 1'000'000'000;
    record.leader_transitions++;
    if (record.leader_transitions > kMaxEpoch) return;
    record.holder_identity = "foreign";
    record.acquire_time = WallTime::from_ns(Node::kEpoch + now_ + foreign_wall_offset_);
  } else if (healed_ || foreign_renewals_left_-- <= 0) {
    if (!healed_ && random.below(2) == 0) return;  // falls silent
    record.holder_identity.clear();
  }
  record.write_id = {};
  record.cluster.clear();
  record.resign_epoch = 0;
  record.lease_duration_seconds = record.is_free() ? 1 : foreign_lease_seconds_;
  record.renew_time = WallTime::from_ns(Node::kEpoch + now_ + foreign_wall_offset_);
  register_.put(now_, record, {});
  last_good_ = record;
  highest_in_store_ = std::max(highest_in_store_, record.leader_transitions);
  changes_++;
  note(nullptr, "a program of another make writes: holder '{}', epoch {}", record.holder_identity,
       record.leader_transitions);
  announce(-1);
  if (!record.is_free()) schedule(now_ + Duration(seconds(2)).count(), Kind::foreign);
}

Duration World::claim_in_store() const {
  if (!register_.held()) return Duration(0);
  return seconds(std::min<std::int64_t>(register_.current().record.lease_duration_seconds, 3600));
}

// The end of the bad weather. Clocks keep their rates, which are within what the settings tolerate.
void World::heal() {
  plan_.heal();
  healed_ = true;
  note(nullptr, "everything is healed");
  outage_until_ = clogged_until_ = server_wall_offset_ = 0;
  for (Node& n : nodes_) {
    n.requests_cut_until = n.answers_cut_until = n.rejected_until = 0;
    n.wall_offset = 0;
    if (n.paused(now_)) {
      n.paused_until = now_;
      resume(n);
    }
    if (!n.up())
      schedule(now_ + static_cast<TrueTime>(random_.below(1'000'000'000)), Kind::restart, n.id);
  }
  // An operator repairs what no candidate may touch.
  const Observation& record = register_.current();
  const bool broken =
      record.kind == Observation::Kind::unreadable || record.kind == Observation::Kind::too_new;
  const bool stranger = register_.held() && !record.record.write_id.present();
  if (broken || stranger) {
    LeaderElectionRecord repaired = last_good_;
    repaired.holder_identity.clear();
    repaired.write_id = random_.write_id();
    repaired.leader_transitions = std::max(highest_in_store_, repaired.leader_transitions);
    register_.put(now_, repaired, {});
    announce(-1);
  }
  // A hand-made claim may state a longer duration than any candidate's, and is waited for even
  // after it was deleted.
  const Duration claim = std::max({longest_lease_, claim_in_store(), deleted_claim_});
  const Duration bound = longest_failover_ * 2 + longest_hard_deadline_ +
                         (claim - longest_lease_) * 2 + 4 * longest_lease_ / 10 + seconds(21);
  schedule(now_ + bound.count(), Kind::leader_due, 0, static_cast<std::uint64_t>(bound.count()));
  schedule(now_ + bound.count() + 1, Kind::provoke);  // ends the run: end_ has passed
}

}  // namespace tenure::sim
