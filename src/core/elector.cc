#include "core/elector.h"

#include <algorithm>
#include <utility>

namespace tenure {
namespace {

// Bounds what a lost store can make an elector remember. Forgetting the oldest is safe: an unknown
// own write counts as somebody else's (H6).
constexpr std::size_t kMostUnsettled = 64;

// A record's duration is honoured, but a damaged one must not overflow a clock.
constexpr std::int64_t kLongestHonouredSeconds = 10LL * 365 * 24 * 3600;

// Resolution of an HTTP Date header, twice: both ends of an interval are rounded.
constexpr Duration kServerTimeSlack = std::chrono::seconds(2);

// How long the store's clock and the own one are compared before a new start, so that a store whose
// clock is set right does not stay suspicious for ever.
constexpr Duration kClockBase = std::chrono::minutes(2);

Duration stated_duration(const LeaderElectionRecord& record, Duration own) {
  if (record.lease_duration_seconds <= 0) return own;
  return std::chrono::seconds(std::min(record.lease_duration_seconds, kLongestHonouredSeconds));
}

}  // namespace

Elector::Elector(ElectorOptions options, Random& random)
    : options_(std::move(options)), random_(random) {
  unsettled_.reserve(4);
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
    case ReadOutcome::ok: observe(std::move(done.result.observation)); return;
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

void Elector::observe(Observation&& observation) {
  const bool first = !view_.observed;
  view_.observed = true;
  const bool changed =
      first || observation.kind != seen_.kind || observation.version != seen_.version;
  next_look_ = now_.mono + poll_interval(changed, now_.mono - looked_at_);
  looked_at_ = now_.mono;
  // A write that failed and changed nothing is not repeated at once: no storm of retries.
  if (std::exchange(in_doubt_, false) && !changed)
    not_before_ = std::max(not_before_, last_write_sent_ + retry_wait());
  if (!changed) return;  // C1: the countdown goes on
  if (seen_.kind == Observation::Kind::record)
    last_held_duration_ = seen_.record.is_free()
                              ? Duration(0)
                              : stated_duration(seen_.record, options_.timing.lease_duration);
  seen_ = std::move(observation);
  seen_at_ = now_.mono;
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
  if (write.kind == OpKind::acquire) adopt(write);
  if (write.kind == OpKind::renew && view_.role == Role::leading) {
    view_.valid_until =
        std::max(view_.valid_until, write.sent_at + options_.timing.renew_deadline);  // H1
    view_.hard_deadline =
        std::max(view_.hard_deadline, write.sent_at + options_.timing.hard_deadline);
    next_renewal_ = write.sent_at + renewal_wait();
  }
  publish_holder();
}

// An acquisition landed. If its validity is over already, the record is merely an own one that may
// be taken again at once.
void Elector::adopt(const SentWrite& write) {
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

Duration Elector::retry_wait() {
  const Duration base = view_.role == Role::contending
                            ? options_.retry_period
                            : std::min(options_.retry_period, options_.timing.renew_deadline / 6);
  return random_.between(base - base / 5, base + base / 5);
}

void Elector::backed_off(Duration at_least) {
  // From the sending: the time that the store took to fail is not added to every attempt.
  not_before_ = std::max(now_.mono + at_least, op_.sent_at + retry_wait());
}

// A little more than the retry period, and never in step with other holders. Failed renewals are
// repeated sooner than that.
Duration Elector::renewal_wait() {
  const Duration p = options_.timing.renew_interval;
  return random_.between(p * 11 / 10, p * 14 / 10);
}

// How long to wait before looking again. Without a watch a candidate looks when the next renewal is
// due and then often, so that its countdown starts close after the holder's last renewal; a holder
// that is late is looked at calmly.
Duration Elector::poll_interval(bool changed, Duration since_last_look) {
  const Duration p = options_.retry_period;
  if (options_.store.watch)
    return std::max(p, options_.timing.lease_duration / 2);  // only against missed news
  if (changed) return std::max(p * 11 / 10 - since_last_look, p / 6);
  if (now_.mono < seen_at_ + p * 7 / 5) return p / 6;
  return random_.between(p / 2, p);
}

// -------------------------------------------------------------------------------------------------
// what to do next

void Elector::pursue() {
  wake_at_ = op_.kind == OpKind::none ? Instant::never() : op_.deadline;
  switch (view_.role) {
    case Role::contending: pursue_contending(); break;
    case Role::leading: pursue_leading(); break;
    case Role::releasing: pursue_releasing(); break;
    case Role::stopping:
      if (!killed_) wake_by(view_.hard_deadline);
      break;
    case Role::idle:
    case Role::done: break;
  }
}

// C1. never(): not before something changes.
Instant Elector::free_at() const {
  switch (seen_.kind) {
    case Observation::Kind::absent: return seen_at_ + last_held_duration_;
    // Its epoch is lost, and a remembered one may be old: an operator decides.
    case Observation::Kind::unreadable:
    case Observation::Kind::too_new: return Instant::never();
    case Observation::Kind::record: break;
  }
  if (seen_.record.is_free() || own_record_stands()) return seen_at_;
  return seen_at_ + stated_duration(seen_.record, options_.timing.lease_duration);
}

// W4: the earliest instant at which a write keeps its distance from the one that others made last.
Instant Elector::clear_of_other_writes() const {
  const bool somebody_wrote = seen_.kind == Observation::Kind::record;
  return somebody_wrote ? seen_at_ + options_.store.min_write_interval : seen_at_;
}

void Elector::pursue_contending() {
  if (op_.kind != OpKind::none) return;
  const bool look = !view_.observed || must_read_ || now_.mono >= next_look_;
  if (look) {
    if (now_.mono >= not_before_) return read();
    return wake_by(not_before_);
  }
  wake_by(next_look_);

  Instant when = std::max({free_at(), contend_after_, not_before_});
  // W4: spread a herd, and look before writing.
  const bool limited = options_.store.min_write_interval > Duration(0);
  if (limited) {
    if (take_over_at_.is_never() && !when.is_never())
      take_over_at_ = std::max(when, clear_of_other_writes()) +
                      random_.between(Duration(0), options_.store.min_write_interval);
    when = std::max(when, take_over_at_);
    if (written_once_) when = std::max(when, last_write_sent_ + options_.store.min_write_interval);
  }
  if (now_.mono < when) return wake_by(when);
  if (limited && looked_at_ < when) return read();

  const bool foreign = seen_.kind == Observation::Kind::record && !seen_.record.is_free() &&
                       !seen_.record.write_id.present();
  if (foreign) {  // C2: its own claim, on the wall clock, counts as well
    const WallTime claim =
        seen_.record.renew_time + stated_duration(seen_.record, options_.timing.lease_duration);
    if (now_.wall <= claim)
      return wake_by(now_.mono + std::min(claim - now_.wall, options_.retry_period) + Duration(1));
  }
  if (highest_epoch_ >= kMaxEpoch) {
    report(Action::Note::epoch_exhausted);
    not_before_ = now_.mono + options_.timing.lease_duration;
    return wake_by(not_before_);
  }
  write(OpKind::acquire);
}

void Elector::pursue_leading() {
  wake_by(view_.valid_until);
  if (op_.kind != OpKind::none) return;
  if (now_.mono < not_before_) return wake_by(not_before_);
  // News alone does not hold up a renewal that is due: its own conflict would tell the same.
  if (must_read_ && (!unsettled_.empty() || now_.mono < next_renewal_)) return read();
  Instant when = next_renewal_;
  if (written_once_) when = std::max(when, last_write_sent_ + options_.store.min_write_interval);
  if (now_.mono < when) return wake_by(when);
  write(OpKind::renew);
}

void Elector::pursue_releasing() {
  if (now_.mono >= give_up_release_) {
    if (own_record_stands() || !unsettled_.empty()) report(Action::Note::release_failed);
    return finish_release();
  }
  if (unsettled_.empty() && !own_record_stands()) return finish_release();
  wake_by(give_up_release_);
  if (op_.kind != OpKind::none) return;
  const bool unclear = must_read_;
  if (!unclear && !own_record_stands()) {  // an unclear acquisition may land yet
    must_read_ = true;
    not_before_ = now_.mono + retry_wait();
    return wake_by(not_before_);
  }
  Instant when = not_before_;
  if (!unclear && written_once_)
    when = std::max(when, last_write_sent_ + options_.store.min_write_interval);
  if (now_.mono < when) return wake_by(when);
  if (unclear) return read();
  write(OpKind::release);
}

void Elector::read() {
  must_read_ = false;
  op_ = {.kind = OpKind::read,
         .id = ++last_op_,
         .sent_at = now_.mono,
         .deadline = now_.mono + options_.timing.request_timeout};
  wake_by(op_.deadline);
  emit({.kind = Action::Kind::read, .op = op_.id, .deadline = op_.deadline});
}

void Elector::write(OpKind kind) {
  if (seen_.kind == Observation::Kind::record) {
    outgoing_ = seen_.record;  // keeps what others put there
  } else {
    outgoing_ = {};
  }
  outgoing_.format = kRecordFormat;
  outgoing_.write_id = random_.write_id();  // W1, W5
  outgoing_.renew_time = now_.wall;
  outgoing_.resign_epoch = 0;
  switch (kind) {
    case OpKind::acquire:
      outgoing_.holder_identity = options_.identity;
      outgoing_.cluster = options_.cluster;
      outgoing_.lease_duration_seconds =
          std::chrono::duration_cast<std::chrono::seconds>(options_.timing.lease_duration).count();
      outgoing_.acquire_time = now_.wall;
      outgoing_.leader_transitions = highest_epoch_ + 1;
      outgoing_.preferred_holder.clear();
      break;
    case OpKind::release:  // H5: blanked, never deleted, the epoch kept
      outgoing_.holder_identity.clear();
      outgoing_.lease_duration_seconds = 1;
      outgoing_.acquire_time = now_.wall;
      break;
    case OpKind::renew:
    case OpKind::read:
    case OpKind::none: break;
  }
  op_ = {.kind = kind,
         .id = ++last_op_,
         .sent_at = now_.mono,
         .deadline = now_.mono + options_.timing.request_timeout,
         .write_id = outgoing_.write_id,
         .epoch = outgoing_.leader_transitions};
  if (unsettled_.size() >= kMostUnsettled) unsettled_.erase(unsettled_.begin());
  unsettled_.push_back({kind, op_.write_id, op_.sent_at, op_.epoch});
  last_write_sent_ = now_.mono;
  written_once_ = true;
  wake_by(op_.deadline);
  emit({.kind = Action::Kind::write,
        .durable = kind == OpKind::acquire,
        .op = op_.id,
        .epoch = op_.epoch,
        .deadline = op_.deadline});
}

// ---------------------------------------------------------------------------------------------------------
// tenures

void Elector::begin_tenure(const SentWrite& write) {
  view_.role = Role::leading;
  view_.epoch = write.epoch;
  view_.valid_until = write.sent_at + options_.timing.renew_deadline;  // H1
  view_.hard_deadline = write.sent_at + options_.timing.hard_deadline;
  next_renewal_ = write.sent_at + renewal_wait();
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

// -----------------------------------------------------------------------------------------------------------
// names

const char* to_string(Role role) {
  switch (role) {
    case Role::idle: return "idle";
    case Role::contending: return "contending";
    case Role::leading: return "leading";
    case Role::stopping: return "stopping";
    case Role::releasing: return "releasing";
    case Role::done: return "done";
  }
  return "?";
}

const char* to_string(StopReason reason) {
  switch (reason) {
    case StopReason::none: return "none";
    case StopReason::stop_requested: return "stop_requested";
    case StopReason::resigned: return "resigned";
    case StopReason::renew_deadline: return "renew_deadline";
    case StopReason::superseded: return "superseded";
    case StopReason::record_lost: return "record_lost";
    case StopReason::clock_anomaly: return "clock_anomaly";
    case StopReason::work_ended: return "work_ended";
    case StopReason::work_failed: return "work_failed";
  }
  return "?";
}

const char* to_string(WriteOutcome outcome) {
  switch (outcome) {
    case WriteOutcome::applied: return "applied";
    case WriteOutcome::conflict: return "conflict";
    case WriteOutcome::rejected: return "rejected";
    case WriteOutcome::throttled: return "throttled";
    case WriteOutcome::unknown: return "unknown";
  }
  return "?";
}

const char* to_string(ReadOutcome outcome) {
  switch (outcome) {
    case ReadOutcome::ok: return "ok";
    case ReadOutcome::rejected: return "rejected";
    case ReadOutcome::throttled: return "throttled";
    case ReadOutcome::unknown: return "unknown";
  }
  return "?";
}

const char* to_string(Action::Note note) {
  switch (note) {
    case Action::Note::none: return "none";
    case Action::Note::store_rejected: return "store_rejected";
    case Action::Note::store_unreachable: return "store_unreachable";
    case Action::Note::store_throttled: return "store_throttled";
    case Action::Note::clock_anomaly: return "clock_anomaly";
    case Action::Note::record_unreadable: return "record_unreadable";
    case Action::Note::record_too_new: return "record_too_new";
    case Action::Note::epoch_exhausted: return "epoch_exhausted";
    case Action::Note::release_failed: return "release_failed";
  }
  return "?";
}

}  // namespace tenure
