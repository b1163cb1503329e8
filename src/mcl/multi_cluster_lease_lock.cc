#include "mcl/multi_cluster_lease_lock.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "mcl/chain.h"

namespace tenure::mcl {
namespace {

using std::chrono::seconds;

/// More can only be under way when nothing was confirmed for as many retry periods.
constexpr std::size_t kMostHeartbeats = 32;
/// How much slower this clock may be than the controller's is faster, each against true time.
constexpr int kSparePercent = 10;
/// The store between the clusters may allow a write a second, and be looked at, not watched.
constexpr Duration kSlowStore = seconds(2);

Duration without_spare(Duration duration) {
  return duration / 100 * (100 - kSparePercent);
}

bool same_candidacy(const Candidate& a, const Candidate& b) {
  return a.identity == b.identity && a.renew_time == b.renew_time;
}

}  // namespace

// The controller counts on it that the candidate has stopped some time after an acknowledgement;
// the renew deadline that it is told is as long as it takes for the work to end before that.
Result<CandidateRules> candidate_rules(const Settings& settings) {
  auto timing = check(settings, {.watch = true});
  if (!timing) return tl::unexpected(timing.error());
  CandidateRules rules{.timing = *timing, .stated = {}, .retry_period = settings.retry_period};
  rules.stated.lease_duration = settings.lease_duration;
  rules.stated.retry_period =
      std::max<Duration>(std::chrono::floor<seconds>(settings.retry_period), seconds(1));
  rules.stated.renew_deadline = std::chrono::ceil<seconds>(settings.renew_deadline);
  const Duration needed = settings.renew_deadline + settings.stop_margin;
  while (without_spare(chain_of(rules.stated).stops_within) < needed &&
         rules.stated.renew_deadline + seconds(1) < settings.lease_duration)
    rules.stated.renew_deadline += seconds(1);
  const Chain chain = chain_of(rules.stated);
  const Duration hard = std::min(timing->hard_deadline, without_spare(chain.stops_within));
  if (hard < needed)
    return failure(ErrorCode::invalid_argument,
                   fmt::format("with a lease duration of {}, a renew deadline of {} leaves no time "
                               "for the controller to see that the work has stopped",
                               format_duration(settings.lease_duration),
                               format_duration(settings.renew_deadline)),
                   "shorten the renew deadline, or lengthen the lease: 15s, 10s and 2s");
  rules.timing.hard_deadline = hard;
  rules.timing.worst_failover = chain.timing.worst_failover + kSlowStore;
  rules.timing.planned_handover = chain.timing.planned_handover + kSlowStore;
  return rules;
}

MultiClusterLeaseLock::MultiClusterLeaseLock(Options options, Random& random)
    : options_(std::move(options)), random_(random) {
  nonce_ = fmt::format("{:08x}", random_.next() & 0xffffffffU);
  new_candidacy();
}

void MultiClusterLeaseLock::step(Now now, Event event, Actions& out) {
  now_.mono = std::max(now_.mono, now.mono);
  now_.wall = now.wall;
  out_ = &out;
  if (view_.role == Role::done) return;
  // H3: before the event, so that a late answer does not hide that the deadline passed.
  check_deadlines();
  std::visit([this](auto& e) { on(e); }, event);
  check_deadlines();
  pursue();
}

// -------------------------------------------------------------------------------------------------
// events

void MultiClusterLeaseLock::on(const event::Start&) {
  if (view_.role == Role::idle) view_.role = Role::contending;
}

void MultiClusterLeaseLock::on(Seen& seen) {
  known_ = view_.observed = true;
  if (object_ && object_->uid != seen.object.uid) {
    heartbeats_.clear();  // generations begin anew
    object_.reset();
  }
  if (!object_ || !same_candidacy(object_->candidate, seen.object.candidate))
    object_moved_at_ = now_.mono;
  if (std::exchange(waits_for_news_, false)) not_before_ = next_heartbeat_ = now_.mono;
  object_ = std::move(seen.object);
  const Candidate& candidate = object_->candidate;
  if (candidate.identity == identity_) landed(candidate.renew_time, candidate.generation);
  publish_holder();
  listen_to_conditions();
  judge();
}

void MultiClusterLeaseLock::on(const Gone&) {
  known_ = view_.observed = true;
  object_.reset();
  heartbeats_.clear();
  publish_holder();
  if (view_.role == Role::leading) end_tenure(StopReason::record_lost);
}

void MultiClusterLeaseLock::on(const Written& written) {
  if (op_.id == 0 || written.op != op_.id) return;
  const Op op = std::exchange(op_, {});
  switch (written.outcome) {
    case WriteOutcome::applied:
      if (!op.withdraws) return landed(last_renew_time_, written.generation);
      if (view_.role == Role::releasing) finish_release();
      return;
    case WriteOutcome::conflict: waits_for_news_ = true; return backed_off(Duration(0));
    case WriteOutcome::rejected: report(Action::Note::store_rejected); break;
    case WriteOutcome::throttled: report(Action::Note::store_throttled); break;
    case WriteOutcome::unknown:
      is_unclear(op);
      report(Action::Note::store_unreachable);
      break;
  }
  backed_off(written.retry_after);
}

void MultiClusterLeaseLock::on(const event::WorkFinished& finished) {
  if (finished.epoch != view_.epoch) return;
  if (view_.role == Role::leading) {
    stop_reason_ = finished.failed ? StopReason::work_failed : StopReason::work_ended;
    view_.role = Role::stopping;
  }
  if (view_.role == Role::stopping) after_work();
}

void MultiClusterLeaseLock::on(const event::Resign&) {
  if (view_.role == Role::leading) end_tenure(StopReason::resigned);
}

void MultiClusterLeaseLock::on(const event::Stop&) {
  stop_requested_ = true;
  if (view_.role == Role::idle) return finish_release();
  if (view_.role == Role::leading) return end_tenure(StopReason::stop_requested);
  if (view_.role != Role::contending) return;
  stop_reason_ = StopReason::stop_requested;
  after_work();
}

// -------------------------------------------------------------------------------------------------
// what was learnt

void MultiClusterLeaseLock::landed(const std::string& renew_time, std::int64_t generation) {
  for (Heartbeat& heartbeat : heartbeats_)
    if (heartbeat.renew_time == renew_time && heartbeat.generation == 0)
      heartbeat.generation = generation;
}

/// The newest heartbeat that the status answers, with our name in it.
const MultiClusterLeaseLock::Heartbeat* MultiClusterLeaseLock::confirmed() const {
  if (!object_ || object_->status.holder != identity_ || object_->status.epoch <= 0) return nullptr;
  const Heartbeat* newest = nullptr;
  for (const Heartbeat& heartbeat : heartbeats_)
    if (heartbeat.generation > 0 && heartbeat.generation <= object_->status.observed_generation)
      newest = &heartbeat;
  return newest;
}

void MultiClusterLeaseLock::judge() {
  const Heartbeat* heartbeat = confirmed();
  if (view_.role == Role::contending && heartbeat != nullptr) {
    if (now_.mono < heartbeat->sent_at + options_.rules.timing.renew_deadline / 4 * 3)
      begin_tenure(*heartbeat);
    else if (heartbeat == &heartbeats_.back())
      next_heartbeat_ = now_.mono;  // true, but too old: the tenure would end as it begins
  }
  if (view_.role != Role::leading) return;
  // H4. A status that says "not leader" and still names us is a controller that has begun anew.
  const bool superseded = !object_is_ours() || object_->status.holder != identity_ ||
                          object_->status.epoch != view_.epoch;
  if (superseded) return end_tenure(StopReason::superseded);
  if (heartbeat != nullptr) extend(*heartbeat);
}

void MultiClusterLeaseLock::publish_holder() {
  static const LeaseStatus unknown;
  const LeaseStatus& status = object_ ? object_->status : unknown;
  const Epoch epoch = status.holder.empty() ? 0 : status.epoch;
  if (epoch == view_.holder_epoch && status.holder == view_.holder) return;
  view_.holder = status.holder;
  view_.holder_epoch = epoch;
  emit({.kind = Action::Kind::leader_changed, .epoch = epoch});
}

void MultiClusterLeaseLock::listen_to_conditions() {
  const LeaseStatus& status = object_->status;
  const bool answers = status.observed_generation > 0;
  if (answers) unanswered_since_ = Instant::never();
  const Condition& backend = status.backend_healthy;
  const bool is_bad = backend.since_seconds != 0 && !backend.holds;
  if (!is_bad) return trouble_.clear();
  if (trouble_ == backend.message) return;
  trouble_ = backend.message;
  report(Action::Note::store_unreachable);
}

/// A heartbeat may land yet; one that comes later than this is somebody's who is gone.
void MultiClusterLeaseLock::is_unclear(const Op& op) {
  if (!op.withdraws) unclear_until_ = now_.mono + options_.rules.timing.request_timeout;
}

void MultiClusterLeaseLock::backed_off(Duration at_least) {
  const Duration pause =
      std::min(options_.rules.retry_period, options_.rules.timing.renew_deadline / 6);
  not_before_ = next_heartbeat_ = now_.mono + std::max(at_least, spread(pause));
}

// -------------------------------------------------------------------------------------------------
// tenures

void MultiClusterLeaseLock::check_deadlines() {
  if (view_.role == Role::leading && now_.mono >= view_.valid_until)
    end_tenure(StopReason::renew_deadline);
  if (view_.role == Role::stopping && !killed_ && now_.mono >= view_.hard_deadline) {
    killed_ = true;
    emit({.kind = Action::Kind::kill_work, .reason = stop_reason_, .epoch = view_.epoch});
  }
  if (op_.id != 0 && now_.mono >= op_.deadline) {
    is_unclear(std::exchange(op_, {}));
    report(Action::Note::store_unreachable);
    backed_off(Duration(0));
  }
}

void MultiClusterLeaseLock::begin_tenure(const Heartbeat& heartbeat) {
  view_.role = Role::leading;
  view_.epoch = object_->status.epoch;
  view_.valid_until = view_.hard_deadline = heartbeat.sent_at;
  extend(heartbeat);
  // While it waited, it moved less often than it has to now.
  next_heartbeat_ =
      std::min(next_heartbeat_, heartbeat.sent_at + options_.rules.timing.renew_interval * 14 / 10);
  stop_reason_ = StopReason::none;
  killed_ = false;
  emit({.kind = Action::Kind::start_work, .epoch = view_.epoch, .deadline = view_.hard_deadline});
}

void MultiClusterLeaseLock::extend(const Heartbeat& heartbeat) {
  const Timing& timing = options_.rules.timing;
  view_.valid_until = std::max(view_.valid_until, heartbeat.sent_at + timing.renew_deadline);
  view_.hard_deadline = std::max(view_.hard_deadline, heartbeat.sent_at + timing.hard_deadline);
}

void MultiClusterLeaseLock::end_tenure(StopReason reason) {
  view_.role = Role::stopping;
  stop_reason_ = reason;
  emit({.kind = Action::Kind::stop_work, .reason = reason, .epoch = view_.epoch});
}

void MultiClusterLeaseLock::after_work() {
  view_.role = Role::releasing;  // H5: only now that the work has ended
  give_up_release_ = now_.mono + 2 * options_.rules.timing.request_timeout;
  not_before_ = std::min(not_before_, now_.mono);
}

void MultiClusterLeaseLock::finish_release() {
  view_.epoch = 0;
  if (stop_requested_ || !options_.contend_again) {
    view_.role = Role::done;
    wake_at_ = Instant::never();
    return emit({.kind = Action::Kind::done, .reason = stop_reason_});
  }
  const bool may_retake = stop_reason_ == StopReason::renew_deadline ||
                          stop_reason_ == StopReason::superseded ||
                          stop_reason_ == StopReason::record_lost;
  // Otherwise long enough for another candidate to notice and win.
  contend_after_ = may_retake ? now_.mono : now_.mono + options_.rules.timing.planned_handover;
  view_.role = Role::contending;
  new_candidacy();
}

void MultiClusterLeaseLock::new_candidacy() {
  ++candidacies_;
  identity_ = fmt::format("{}_{}", options_.identity, nonce_);
  if (candidacies_ > 1) identity_ += fmt::format("-{}", candidacies_);
  heartbeats_.clear();
  next_heartbeat_ = now_.mono;
}

// -------------------------------------------------------------------------------------------------
// what to do next

void MultiClusterLeaseLock::pursue() {
  wake_at_ = op_.id == 0 ? Instant::never() : op_.deadline;
  switch (view_.role) {
    case Role::contending: return pursue_contending();
    case Role::leading: return pursue_leading();
    case Role::releasing: return pursue_releasing();
    case Role::stopping:
      if (!killed_) wake_by(view_.hard_deadline);
      return;
    case Role::idle:
    case Role::done: return;
  }
}

bool MultiClusterLeaseLock::object_is_ours() const {
  return object_ && object_->candidate.identity == identity_;
}

/// Our last heartbeat has landed, and the watch has yet to show it.
bool MultiClusterLeaseLock::watch_is_behind() const {
  if (heartbeats_.empty() || heartbeats_.back().generation == 0) return false;
  return !object_ || object_->candidate.generation < heartbeats_.back().generation;
}

/// For another candidate's wish is honoured while it moves.
Instant MultiClusterLeaseLock::object_is_free_at() const {
  if (!object_ || object_->candidate.identity.empty() || object_is_ours()) return now_.mono;
  return object_moved_at_ + object_->candidate.timing.lease_duration;
}

void MultiClusterLeaseLock::pursue_contending() {
  if (op_.id != 0 || !known_) return;
  if (!unanswered_since_.is_never()) {
    const Instant patience = unanswered_since_ + options_.rules.timing.lease_duration;
    if (now_.mono >= patience) {
      report(Action::Note::no_controller);
      unanswered_since_ = now_.mono;
    }
    wake_by(unanswered_since_ + options_.rules.timing.lease_duration);
  }
  Instant when = std::max({contend_after_, not_before_, object_is_free_at()});
  if (object_is_ours() || watch_is_behind()) when = std::max(when, next_heartbeat_);
  if (now_.mono < when) return wake_by(when);
  next_heartbeat_ = now_.mono + spread(options_.rules.timing.lease_duration / 3);
  if (unanswered_since_.is_never() && (!object_ || object_->status.observed_generation == 0))
    unanswered_since_ = now_.mono;
  write(identity_);
}

void MultiClusterLeaseLock::pursue_leading() {
  wake_by(view_.valid_until);
  if (op_.id != 0) return;
  const Instant when = std::max(next_heartbeat_, not_before_);
  if (now_.mono < when) return wake_by(when);
  const Duration p = options_.rules.timing.renew_interval;
  next_heartbeat_ = now_.mono + random_.between(p * 11 / 10, p * 14 / 10);
  write(identity_);
}

void MultiClusterLeaseLock::pursue_releasing() {
  const bool is_over =
      op_.id == 0 && now_.mono >= unclear_until_ && !object_is_ours() && !watch_is_behind();
  // Who contends again can do nothing better than to give back what it had.
  const bool gives_up = !options_.contend_again || stop_requested_;
  if (is_over || (gives_up && now_.mono >= give_up_release_)) {
    if (!is_over) report(Action::Note::release_failed);
    finish_release();
    if (view_.role == Role::contending) pursue_contending();
    return;
  }
  if (gives_up) wake_by(give_up_release_);
  if (op_.id != 0) return;
  if (!object_is_ours()) return wake_by(unclear_until_);
  if (now_.mono < not_before_) return wake_by(not_before_);
  write({});
}

void MultiClusterLeaseLock::write(std::string identity) {
  const bool withdraws = identity.empty();
  std::string text = format_rfc3339(now_.wall);
  // A calendar that was set back or stands still must not hide that we live.
  if (text == last_renew_time_)
    text = format_rfc3339(now_.wall + std::chrono::microseconds(1 + random_.below(999'999)));
  last_renew_time_ = text;
  outgoing_ = {.version = object_ ? object_->candidate.version : std::string(),
               .identity = std::move(identity),
               .renew_time = text,
               .timing = options_.rules.stated};
  op_ = {.id = ++last_op_,
         .sent_at = now_.mono,
         .deadline = now_.mono + options_.rules.timing.request_timeout,
         .withdraws = withdraws};
  if (!withdraws) {
    if (heartbeats_.size() >= kMostHeartbeats) heartbeats_.pop_front();
    heartbeats_.push_back({.renew_time = std::move(text), .sent_at = now_.mono});
  }
  wake_by(op_.deadline);
  emit({.kind = Action::Kind::write, .op = op_.id, .deadline = op_.deadline});
}

Duration MultiClusterLeaseLock::spread(Duration duration) {
  return random_.between(duration - duration / 10, duration + duration / 10);
}

void MultiClusterLeaseLock::wake_by(Instant when) {
  wake_at_ = std::min(wake_at_, when);
}

void MultiClusterLeaseLock::report(Action::Note note) {
  emit({.kind = Action::Kind::report, .note = note});
}

}  // namespace tenure::mcl
