// What an elector does next, after what happened has been taken in (elector.cc).
#include <algorithm>
#include <utility>

#include "core/elector.h"

namespace tenure {
namespace {

// Bounds what a lost store can make an elector remember. Forgetting the oldest is safe: an unknown
// own write counts as somebody else's (H6).
constexpr std::size_t kMostUnsettled = 64;

}  // namespace

// -------------------------------------------------------------------------------------------------
// waits

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
  if (options_.renew_on_request) return requested_renewal_poll_interval();
  if (changed) return std::max(p * 11 / 10 - since_last_look, p / 6);
  if (now_.mono < seen_at_ + p * 7 / 5) return p / 6;
  return random_.between(p / 2, p);
}

// The holder of a controller renews at a heartbeat of its candidate. These come a little more than
// a retry period apart, or half a period later, where the candidate has slept while it was
// answered. Looks a period apart find a renewal any time up to a period late; those just behind an
// instant at which one may come find it at once, or half a period late, and cost no more.
Duration Elector::requested_renewal_poll_interval() {
  const Duration p = options_.retry_period;
  const Duration age = now_.mono - seen_at_ + seen_age_;
  const Duration heartbeat = (age + p) / (p / 2) * (p / 2);
  return heartbeat + random_.between(p / 20, p / 10) - age;
}

// -------------------------------------------------------------------------------------------------
// by role

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
  // A record that is not there, or an old copy in its place: whoever held it may not know yet.
  const Instant others_stopped = std::max(seen_at_, told_at_) + last_held_duration_;
  switch (seen_.kind) {
    case Observation::Kind::absent: return others_stopped;
    // Its epoch is lost, and a remembered one may be old: an operator decides.
    case Observation::Kind::unreadable:
    case Observation::Kind::too_new: return Instant::never();
    case Observation::Kind::record: break;
  }
  const bool is_free = seen_.record.is_free() || own_record_stands();
  const Instant free_at = is_free ? seen_at_ : seen_at_ + stated_duration(seen_.record);
  const bool is_old = seen_.record.leader_transitions < highest_epoch_;
  return is_old ? std::max(free_at, others_stopped) : free_at;
}

Instant Elector::lease_ends() const {
  const LeaderElectionRecord& record = seen_.record;
  const bool held = seen_.kind == Observation::Kind::record && !record.is_free();
  if (!held || !record.write_id.present()) return Instant::never();
  return seen_at_ + stated_duration(record) - record.grace;
}

// W4: the earliest instant at which a write keeps its distance from the one that others made last.
Instant Elector::clear_of_other_writes() const {
  const bool somebody_wrote = seen_.kind == Observation::Kind::record;
  const Duration left = std::max(Duration(0), options_.store.min_write_interval - seen_age_);
  return somebody_wrote ? seen_at_ + left : seen_at_;
}

// Each sees a release at another moment; when a lease runs out, those who looked when a renewal was
// due have counted to the same instant.
Duration Elector::take_over_spread() const {
  const Duration interval = options_.store.min_write_interval;
  const bool is_given_back = seen_.kind == Observation::Kind::record && seen_.record.is_free();
  return is_given_back || options_.renew_on_request ? interval / 20 : interval;
}

void Elector::pursue_contending() {
  if (op_.kind != OpKind::none) return;
  const bool look = !view_.observed || must_read_ || now_.mono >= next_look_;
  if (look) {
    if (now_.mono >= not_before_) return read();
    return wake_by(not_before_);
  }
  wake_by(next_look_);
  if (options_.identity.empty()) return;

  const bool adopts = may_adopt();
  Instant when = std::max({adopts ? seen_at_ : free_at(), contend_after_, not_before_});
  // W4: spread a herd, and look before writing.
  const bool limited = options_.store.min_write_interval > Duration(0);
  if (limited) {
    if (take_over_at_.is_never() && !when.is_never())
      take_over_at_ = std::max(when, clear_of_other_writes()) +
                      random_.between(Duration(0), take_over_spread());
    when = std::max(when, take_over_at_);
    if (written_once_) when = std::max(when, last_write_sent_ + options_.store.min_write_interval);
  }
  if (now_.mono < when) return wake_by(when);
  if (limited && looked_at_ < when) return read();
  if (adopts || claim_is_over()) take();
}

// C2: a foreign holder's own claim, on the wall clock, counts as well.
bool Elector::claim_is_over() {
  const bool foreign = seen_.kind == Observation::Kind::record && !seen_.record.is_free() &&
                       !seen_.record.write_id.present();
  if (!foreign) return true;
  const WallTime claim = seen_.record.renew_time + stated_duration(seen_.record);
  if (now_.wall > claim) return true;
  wake_by(now_.mono + std::min(claim - now_.wall, options_.retry_period) + Duration(1));
  return false;
}

void Elector::take() {
  // After its lease the candidate has stopped: what it does then is another tenure. Calendar time
  // is good enough here, for either way nobody else is concerned.
  if (may_adopt() && now_.wall <= seen_.record.renew_time + stated_duration(seen_.record))
    return write(OpKind::adopt);
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
  if (kind == OpKind::acquire || kind == OpKind::adopt) {
    outgoing_.cluster = options_.cluster;
    outgoing_.lease_duration_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(options_.timing.lease_duration).count();
    outgoing_.grace = options_.grace;
  }
  switch (kind) {
    case OpKind::acquire:
      outgoing_.holder_identity = options_.identity;
      outgoing_.acquire_time = now_.wall;
      outgoing_.leader_transitions = highest_epoch_ + 1;
      outgoing_.preferred_holder.clear();
      break;
    case OpKind::release:  // H5: blanked, never deleted, the epoch kept
      outgoing_.holder_identity.clear();
      outgoing_.lease_duration_seconds = 1;
      outgoing_.grace = Duration(0);
      outgoing_.acquire_time = now_.wall;
      break;
    case OpKind::adopt:
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
        .durable = kind == OpKind::acquire || kind == OpKind::adopt,
        .op = op_.id,
        .epoch = op_.epoch,
        .deadline = op_.deadline});
}

}  // namespace tenure
