#include "core/elector.h"

#include <algorithm>
#include <utility>

namespace tenure {
namespace {

// A record's duration is honoured, but a damaged one must not overflow a clock.
constexpr std::int64_t kLongestHonouredSeconds = 10LL * 365 * 24 * 3600;

// Resolution of an HTTP Date header, twice: both ends of an interval are rounded.
constexpr Duration kServerTimeSlack = std::chrono::seconds(2);

// How long the store's clock and the own one are compared before a new start, so that a store whose
// clock is set right does not stay suspicious for ever.
constexpr Duration kClockBase = std::chrono::minutes(2);

}  // namespace

Elector::Elector(ElectorOptions options, Random& random)
    : options_(std::move(options)), random_(random) {
  unsettled_.reserve(4);
}

Elector::Elector(ElectorOptions options, Random& random, const Elector& before)
    : Elector(std::move(options), random) {
  last_op_ = before.last_op_;  // so that no answer to it is taken for ours
  last_write_sent_ = before.last_write_sent_;
  written_once_ = before.written_once_;
  seen_ = before.seen_;
  seen_at_ = before.seen_at_;
  seen_age_ = before.seen_age_;
  looked_at_ = before.looked_at_;
  next_look_ = before.next_look_;
  last_held_duration_ = before.last_held_duration_;
  told_at_ = before.told_at_;
  highest_epoch_ = before.highest_epoch_;
  settled_id_ = before.settled_id_;
  must_read_ = before.must_read_ || before.op_.kind != OpKind::none || !before.unsettled_.empty();
  not_before_ = before.not_before_;
  view_.observed = before.view_.observed;
  view_.holder = before.view_.holder;
  view_.holder_epoch = before.view_.holder_epoch;
}

void Elector::remember(Instant now, Epoch epoch, Duration held) {
  if (!view_.observed || epoch > highest_epoch_) {
    told_at_ = now;
    last_held_duration_ = std::max(last_held_duration_, held);
  }
  highest_epoch_ = std::max(highest_epoch_, epoch);
}

void Elector::step(Now now, Event event, Actions& out) {
  now_.mono = std::max(now_.mono, now.mono);
  now_.wall = now.wall;
  out_ = &out;
  if (view_.role == Role::done) return;

  // H3: before the event, so that a late success does not hide that the deadline passed.
  check_deadlines();
  std::visit([this](auto& e) { on(e); }, event);
  check_deadlines();
  pursue();
}

// ----------------------------------------------------------------------------------------------------------
// events

void Elector::on(const event::Start&) {
  if (view_.role != Role::idle) return;
  view_.role = Role::contending;
}

void Elector::on(event::ReadDone& done) {
  if (done.op != op_.id || op_.kind != OpKind::read) return;
  check_store_clock(done.result.server_time);
  op_.kind = OpKind::none;
  switch (done.result.outcome) {
    case ReadOutcome::ok: observe(std::move(done.result)); return;
    case ReadOutcome::rejected: report(Action::Note::store_rejected); break;
    case ReadOutcome::throttled: report(Action::Note::store_throttled); break;
    case ReadOutcome::unknown: report(Action::Note::store_unreachable); break;
  }
  must_read_ = true;
  backed_off(done.result.retry_after);
}

void Elector::on(event::WriteDone& done) {
  if (done.op != op_.id || op_.kind == OpKind::read || op_.kind == OpKind::none) return;
  check_store_clock(done.result.server_time);
  const SentWrite write{op_.kind, op_.write_id, op_.sent_at, op_.epoch};
  op_.kind = OpKind::none;
  switch (done.result.outcome) {
    case WriteOutcome::applied:
      seen_.kind = Observation::Kind::record;
      seen_.record = outgoing_;
      seen_at_ = looked_at_ = now_.mono;
      seen_age_ = Duration(0);
      seen_.version = std::move(done.result.version);
      settle(write);
      return;
    case WriteOutcome::conflict:  // W3: perhaps of an own earlier write; only reading tells
      must_read_ = in_doubt_ = true;
      return;
    case WriteOutcome::unknown:  // W2
      report(Action::Note::store_unreachable);
      must_read_ = in_doubt_ = true;
      return;
    case WriteOutcome::rejected: report(Action::Note::store_rejected); break;
    case WriteOutcome::throttled: report(Action::Note::store_throttled); break;
  }
  // The id is remembered all the same: a proxy may have sent the request twice, with two fates.
  backed_off(done.result.retry_after);
}

void Elector::on(const event::Changed&) {
  must_read_ = true;
}

void Elector::on(const event::WorkFinished& finished) {
  if (finished.epoch != view_.epoch) return;
  if (view_.role == Role::leading) {
    stop_reason_ = finished.failed ? StopReason::work_failed : StopReason::work_ended;
    view_.role = Role::stopping;
  }
  if (view_.role == Role::stopping) after_work();
}

void Elector::on(const event::Resign&) {
  if (view_.role == Role::leading) end_tenure(StopReason::resigned);
}

void Elector::on(const event::Renew&) {
  if (view_.role == Role::leading) next_renewal_ = std::min(next_renewal_, now_.mono);
}

void Elector::on(const event::Stop&) {
  stop_requested_ = true;
  switch (view_.role) {
    case Role::idle: finish_release(); break;
    case Role::leading: end_tenure(StopReason::stop_requested); break;
    case Role::contending:
      stop_reason_ = StopReason::stop_requested;
      // A write of ours may stand, or land yet: it must not be left behind.
      view_.role = Role::releasing;
      give_up_release_ = now_.mono + 2 * options_.timing.request_timeout;
      break;
    case Role::stopping:
    case Role::releasing:
    case Role::done: break;
  }
}

// -------------------------------------------------------------------------------------------------
// what was learnt

bool Elector::own(const LeaderElectionRecord& record) const {
  return record.write_id.present() && record.write_id == settled_id_ &&
         (record.is_free() || record.holder_identity == options_.identity);
}

bool Elector::own_record_stands() const {
  return seen_.kind == Observation::Kind::record && !seen_.record.is_free() && own(seen_.record);
}

// K1, and K4: a record with a lower epoch than one that was seen is an old copy. One that states no
// cluster was written by a controller that states none.
bool Elector::may_adopt() const {
  const LeaderElectionRecord& record = seen_.record;
  return options_.adopt && seen_.kind == Observation::Kind::record && !own(record) &&
         record.holder_identity == options_.identity && record.leader_transitions > 0 &&
         record.leader_transitions == highest_epoch_ &&
         (record.cluster == options_.cluster ||
          (record.cluster.empty() && !record.write_id.present()));
}

Duration Elector::stated_duration(const LeaderElectionRecord& record) const {
  if (record.lease_duration_seconds <= 0) return options_.timing.lease_duration;
  return std::chrono::seconds(std::min(record.lease_duration_seconds, kLongestHonouredSeconds)) +
         record.grace;
}

void Elector::observe(ReadResult&& result) {
  Observation& observation = result.observation;
  const bool first = !view_.observed;
  view_.observed = true;
  const bool changed =
      first || observation.kind != seen_.kind || observation.version != seen_.version;
  const Duration since_last_look = now_.mono - std::exchange(looked_at_, now_.mono);
  const auto plan_next_look = [&] {
    next_look_ = now_.mono + poll_interval(changed, since_last_look);
  };
  // A write that failed and changed nothing is not repeated at once: no storm of retries.
  if (std::exchange(in_doubt_, false) && !changed)
    not_before_ = std::max(not_before_, last_write_sent_ + retry_wait());
  if (!changed) return plan_next_look();  // C1: the countdown goes on
  const bool was_current =
      seen_.kind == Observation::Kind::record && seen_.record.leader_transitions >= highest_epoch_;
  if (was_current)
    last_held_duration_ = seen_.record.is_free() ? Duration(0) : stated_duration(seen_.record);
  seen_ = std::move(observation);
  seen_at_ = now_.mono;
  seen_age_ = result.age;
  plan_next_look();
  take_over_at_ = Instant::never();

  if (seen_.kind == Observation::Kind::record) {
    highest_epoch_ = std::max(highest_epoch_, seen_.record.leader_transitions);
    // W2: the newest write may not be the one that landed.
    const auto landed = std::find_if(unsettled_.begin(), unsettled_.end(), [&](const SentWrite& w) {
      return w.id == seen_.record.write_id;
    });
    if (landed != unsettled_.end()) {
      const SentWrite write = *landed;
      settle(write);
    } else if (own(seen_.record)) {
      unsettled_.clear();  // their expected version is gone
    } else {
      unsettled_.clear();
      settled_id_ = {};
    }
  } else {
    unsettled_.clear();
    settled_id_ = {};
    if (seen_.kind == Observation::Kind::unreadable) report(Action::Note::record_unreadable);
    if (seen_.kind == Observation::Kind::too_new) report(Action::Note::record_too_new);
  }
  publish_holder();

  if (view_.role != Role::leading) return;
  if (seen_.kind != Observation::Kind::record) {
    end_tenure(StopReason::record_lost);  // H4
  } else if (!own(seen_.record) || seen_.record.leader_transitions != view_.epoch) {
    end_tenure(StopReason::superseded);  // H4, H6
  } else if (seen_.record.resign_epoch == view_.epoch) {
    end_tenure(StopReason::resigned);
  }
}

// The store is known to hold this write: by its answer, or by reading it back.
void Elector::settle(const SentWrite& write) {
  view_.observed = true;
  settled_id_ = write.id;
  unsettled_.clear();
  highest_epoch_ = std::max(highest_epoch_, write.epoch);
  take_over_at_ = Instant::never();
  if (write.kind == OpKind::acquire || write.kind == OpKind::adopt) win(write);
  if (write.kind == OpKind::renew && view_.role == Role::leading) {
    view_.valid_until =
        std::max(view_.valid_until, write.sent_at + options_.timing.renew_deadline);  // H1
    view_.hard_deadline =
        std::max(view_.hard_deadline, write.sent_at + options_.timing.hard_deadline);
    next_renewal_ = options_.renew_on_request ? Instant::never() : write.sent_at + renewal_wait();
  }
  publish_holder();
}

// An acquisition landed. If its validity is over already, the record is merely an own one that may
// be taken again at once.
void Elector::win(const SentWrite& write) {
  if (view_.role != Role::contending) return;
  if (now_.mono < write.sent_at + options_.timing.renew_deadline) begin_tenure(write);
}

// T3: local time that ran slow against the store's means that this machine was frozen.
void Elector::check_store_clock(const std::optional<WallTime>& server_time) {
  if (!server_time) return;
  if (base_server_time_ && view_.role == Role::leading) {
    const Duration theirs = *server_time - *base_server_time_;
    const Duration ours = now_.mono - base_sent_at_;
    // As slow as the hard deadline allows for, and no slower.
    if (theirs > ours / (100 - options_.clock_rate_tolerance_percent) * 100 + kServerTimeSlack) {
      report(Action::Note::clock_anomaly);
      end_tenure(StopReason::clock_anomaly);  // the role is another now: the base starts anew below
    }
  }
  // The base stays for a while, so that a clock that is slow all the time adds up to something.
  if (base_server_time_ && view_.role == Role::leading && now_.mono < base_sent_at_ + kClockBase)
    return;
  base_server_time_ = server_time;
  base_sent_at_ = op_.sent_at;
}

void Elector::publish_holder() {
  const bool held = seen_.kind == Observation::Kind::record && !seen_.record.is_free();
  const Epoch epoch = held ? seen_.record.leader_transitions : 0;
  static const std::string nobody;
  const std::string& holder = held ? seen_.record.holder_identity : nobody;
  // Somebody took it: the pause after a resignation has served its purpose.
  if (held && view_.role == Role::contending && contend_after_ > now_.mono && !own(seen_.record))
    contend_after_ = now_.mono;
  if (epoch == view_.holder_epoch && holder == view_.holder) return;
  view_.holder = holder;
  view_.holder_epoch = epoch;
  emit({.kind = Action::Kind::leader_changed, .epoch = epoch});
}

// ------------------------------------------------------------------------------------------------------------
// time

void Elector::check_deadlines() {
  if (view_.role == Role::leading && now_.mono >= view_.valid_until)
    end_tenure(StopReason::renew_deadline);
  if (view_.role == Role::stopping && !killed_ && now_.mono >= view_.hard_deadline) {
    killed_ = true;
    emit({.kind = Action::Kind::kill_work, .reason = stop_reason_, .epoch = view_.epoch});
  }
  if (op_.kind != OpKind::none && now_.mono >= op_.deadline) {  // no answer: unclear
    const bool was_read = op_.kind == OpKind::read;
    op_.kind = OpKind::none;
    must_read_ = in_doubt_ = true;
    report(Action::Note::store_unreachable);
    if (was_read) backed_off(Duration(0));
  }
}

void Elector::wake_by(Instant when) {
  wake_at_ = std::min(wake_at_, when);
}

// ---------------------------------------------------------------------------------------------------------
// tenures

void Elector::begin_tenure(const SentWrite& write) {
  view_.role = Role::leading;
  view_.epoch = write.epoch;
  view_.valid_until = write.sent_at + options_.timing.renew_deadline;  // H1
  view_.hard_deadline = write.sent_at + options_.timing.hard_deadline;
  next_renewal_ = options_.renew_on_request ? Instant::never() : write.sent_at + renewal_wait();
  stop_reason_ = StopReason::none;
  killed_ = false;
  emit({.kind = Action::Kind::start_work, .epoch = view_.epoch, .deadline = view_.hard_deadline});
}

void Elector::end_tenure(StopReason reason) {
  view_.role = Role::stopping;
  stop_reason_ = reason;
  emit({.kind = Action::Kind::stop_work, .reason = reason, .epoch = view_.epoch});
}

void Elector::after_work() {
  const bool goes_on = options_.contend_again && !stop_requested_;
  const bool record_is_gone =
      stop_reason_ == StopReason::superseded || stop_reason_ == StopReason::record_lost;
  const bool may_retake =
      stop_reason_ == StopReason::renew_deadline || stop_reason_ == StopReason::clock_anomaly;
  if (goes_on && (record_is_gone || may_retake)) {
    view_.role = Role::contending;
    view_.epoch = 0;
    must_read_ = true;
    return;
  }
  view_.role = Role::releasing;  // H5: only now that the work has ended
  give_up_release_ = now_.mono + 2 * options_.timing.request_timeout;
}

void Elector::finish_release() {
  view_.epoch = 0;
  if (stop_requested_ || !options_.contend_again) {
    view_.role = Role::done;
    wake_at_ = Instant::never();
    emit({.kind = Action::Kind::done, .reason = stop_reason_});
    return;
  }
  view_.role = Role::contending;
  // Long enough for another candidate to notice and win.
  contend_after_ =
      now_.mono + std::max(2 * options_.retry_period, options_.timing.planned_handover);
  must_read_ = true;
  pursue_contending();
}

void Elector::report(Action::Note note) {
  emit({.kind = Action::Kind::report, .note = note});
}

}  // namespace tenure
