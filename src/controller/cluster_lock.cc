#include "controller/cluster_lock.h"

#include <algorithm>
#include <utility>

namespace tenure::controller {
namespace {

using mcl::chain_of;
using mcl::Condition;

/// One failure alone may be a connection that the server had closed.
constexpr int kFailuresThatCount = 2;
/// Between two statuses of an object that neither acknowledge a heartbeat nor end or begin a
/// tenure.
constexpr Duration kBetweenRemarks = std::chrono::seconds(1);

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time - WallTime::from_ns(0)).count();
}

const char* explain(StopReason reason) {
  switch (reason) {
    case StopReason::renew_deadline: return "the store could not be reached in time";
    case StopReason::superseded: return "somebody else has the lock";
    case StopReason::record_lost: return "the record in the store is gone or damaged";
    case StopReason::clock_anomaly: return "this machine stood still";
    case StopReason::resigned: return "it was asked to resign";
    case StopReason::none:
    case StopReason::stop_requested:
    case StopReason::work_ended:
    case StopReason::work_failed: return to_string(reason);
  }
  return "?";
}

bool same_heartbeat(const Candidate& a, const Candidate& b) {
  return a.identity == b.identity && a.renew_time == b.renew_time && a.generation == b.generation;
}

}  // namespace

ClusterLock::ClusterLock(Options options, Random& random)
    : options_(std::move(options)), random_(random), chain_(chain_of({})) {
  elector_ = std::make_unique<Elector>(elector_options(), random_);
}

void ClusterLock::step(Now now, Event event, std::vector<Action>& out) {
  now_.mono = std::max(now_.mono, now.mono);
  now_.wall = now.wall;
  out_ = &out;
  std::visit([this](auto& e) { on(e); }, event);
  if (now_.mono >= elector_->next_deadline()) tell(event::Tick{});
  choose();
  finish_work();
  choose();  // somebody else may stand now
  renew_for_heartbeat();
  write_statuses();
  plan_wake_up();
}

// -------------------------------------------------------------------------------------------------
// events

void ClusterLock::on(Seen& seen) {
  auto [found, is_new] = members_.try_emplace(seen.candidate.name);
  Member& member = found->second;
  member.left = false;
  // One that leads waits for the answer to its last heartbeat, and does not move before: that it
  // has moved since the last answer must do.
  const bool waits_for_us = seen.status.holder == seen.candidate.identity &&
                            seen.candidate.generation > seen.status.observed_generation;
  if (is_new ? seen.created || waits_for_us : !same_heartbeat(member.candidate, seen.candidate)) {
    member.moved = true;
    member.moved_at = now_.mono;
    member.moved_seconds = seconds_of(now_.wall);
  }
  // A controller that ran before, or beside this one, may have known more than the store does now.
  const std::chrono::seconds lease(seen.status.lease_duration_seconds);
  const bool is_news = elector_->view().observed && seen.status.epoch > elector_->highest_epoch();
  elector_->remember(now_.mono, seen.status.epoch,
                     seen.status.holder.empty() ? Duration(0) : lease + chain_.grace);
  // K2: what another controller of this cluster has acknowledged is waited for as well.
  const std::int64_t known = std::max(member.written.observed_generation, member.said_generation);
  if (&member == standing() && seen.status.holder == identity_ &&
      seen.status.observed_generation > known)
    acknowledged_at_ = now_.mono;
  member.seen_since_sent = true;
  member.candidate = std::move(seen.candidate);
  member.written = std::move(seen.status);
  if (is_news) tell(event::Changed{});
}

// An object that is only none of ours any more can still take what is on its way to it.
void ClusterLock::on(const Gone& gone) {
  const auto found = members_.find(gone.name);
  if (found == members_.end()) return;
  found->second.left = true;
  if (!found->second.sending) members_.erase(found);
}

void ClusterLock::on(const StatusWritten& written) {
  const auto found = members_.find(written.name);
  if (found == members_.end() || !found->second.sending) return;
  Member& member = found->second;
  const std::unique_ptr<LeaseStatus> sent = std::move(member.sending);
  // Even of one that failed: it may have been written, and read just now.
  if (member.said_leader) acknowledged_at_ = now_.mono;
  if (member.left) {
    members_.erase(found);
    return;
  }
  // The watch may have been faster, and know more than this answer.
  if (member.seen_since_sent) return;
  if (!written.ok) {
    member.write_after = now_.mono + written.retry_after;
    return;
  }
  member.written = std::move(*sent);
  member.candidate.version = written.version;
}

void ClusterLock::on(event::ReadDone& done) {
  heard(done.result.outcome == ReadOutcome::ok, done.result.detail);
  tell(std::move(done));
}

void ClusterLock::on(event::WriteDone& done) {
  const WriteOutcome outcome = done.result.outcome;
  heard(outcome == WriteOutcome::applied || outcome == WriteOutcome::conflict, done.result.detail);
  tell(std::move(done));
}

void ClusterLock::heard(bool well, const std::string& detail) {
  failures_ = well ? 0 : failures_ + 1;
  if (!well) trouble_ = detail;
}

// -------------------------------------------------------------------------------------------------
// the elector

ElectorOptions ClusterLock::elector_options() const {
  ElectorOptions options;
  options.identity = identity_;
  options.cluster = options_.cluster;
  options.timing = chain_.timing;
  options.retry_period = chain_.retry_period;
  options.store = options_.store;
  options.grace = chain_.grace;
  options.renew_on_request = true;
  options.adopt = true;
  return options;
}

void ClusterLock::tell(tenure::Event event) {
  Actions actions;
  elector_->step(now_, std::move(event), actions);
  bool is_done = false;
  for (const tenure::Action& action : actions) {
    obey(action);
    is_done = is_done || action.kind == tenure::Action::Kind::done;
  }
  if (is_done) look_on();
}

// Whatever was held is held no more, or left alone.
void ClusterLock::look_on() {
  identity_.clear();
  withdrawn_ = false;
  work_ends_ = Instant::never();
  elector_ = std::make_unique<Elector>(elector_options(), random_, *elector_);
  tell(event::Start{});
}

void ClusterLock::obey(const tenure::Action& action) {
  using Asked = tenure::Action::Kind;
  switch (action.kind) {
    case Asked::read:
    case Asked::write:
      return emit({.kind = action.kind == Asked::read ? Action::Kind::read : Action::Kind::write,
                   .op = action.op,
                   .durable = action.durable,
                   .deadline = action.deadline});
    case Asked::start_work:
      acknowledged_at_ = now_.mono;
      accepted_seconds_ = seconds_of(now_.wall);
      return emit({.kind = Action::Kind::became_leader,
                   .name = standing_,
                   .identity = identity_,
                   .epoch = action.epoch});
    case Asked::stop_work: return work_is_to_stop(action);
    case Asked::kill_work: work_ends_ = now_.mono; return;
    case Asked::report:
      return emit({.kind = Action::Kind::report, .name = standing_, .note = action.note});
    case Asked::leader_changed:
    case Asked::done: return;
  }
}

// The candidate is told by not being acknowledged any more.
void ClusterLock::work_is_to_stop(const tenure::Action& action) {
  emit({.kind = Action::Kind::stopped_leading,
        .name = standing_,
        .identity = identity_,
        .epoch = action.epoch,
        .why = action.reason == StopReason::stop_requested ? why_ : explain(action.reason)});
  const LeaderElectionRecord& record = elector_->observation().record;
  const bool lost =
      action.reason == StopReason::superseded || action.reason == StopReason::record_lost;
  if (lost) work_ends_ = now_.mono;  // there is nothing left to give back
  if (work_ends_.is_never()) work_ends_ = candidate_has_stopped();
  if (action.reason == StopReason::superseded && record.holder_identity == identity_ &&
      record.cluster == options_.cluster) {  // K2
    const Duration lease = chain_.timing.lease_duration;
    set_aside_until_ = now_.mono + random_.between(lease, 2 * lease);
    emit({.kind = Action::Kind::rival, .name = standing_, .epoch = action.epoch});
  }
}

void ClusterLock::finish_work() {
  if (elector_->view().role != Role::stopping || now_.mono < work_ends_) return;
  work_ends_ = Instant::never();
  tell(event::WorkFinished{elector_->view().epoch, false});
}

// -------------------------------------------------------------------------------------------------
// candidates

const ClusterLock::Member* ClusterLock::standing() const {
  const auto found = members_.find(standing_);
  if (found == members_.end() || found->second.left || identity_.empty()) return nullptr;
  return found->second.candidate.identity == identity_ ? &found->second : nullptr;
}

// K1: one that has not moved since the controller began is waited for. One that leads has stopped
// some time after the last acknowledgement; others are candidates as long as their lease.
Instant ClusterLock::dies_at(const Member& member) const {
  if (member.left || !member.moved || member.candidate.identity.empty())
    return Instant::from_ns(INT64_MIN);
  if (&member == standing() && elector_->view().role == Role::leading)
    return std::max(member.moved_at, acknowledged_at_) + chain_.silent_for;
  return member.moved_at + chain_of(member.candidate.timing).timing.lease_duration;
}

bool ClusterLock::lives(const Member& member) const {
  return now_.mono < dies_at(member);
}

// One that waits may live and have no reason to move before.
Instant ClusterLock::falls_silent_at(const Member& member) const {
  const bool waits = member.moved && !member.candidate.identity.empty() && !leads(member);
  return waits ? member.moved_at + chain_of(member.candidate.timing).asks_within : dies_at(member);
}

const ClusterLock::Member* ClusterLock::best() const {
  const Member* best = nullptr;
  for (const auto& [_, member] : members_)
    if (lives(member) && (best == nullptr || member.candidate.priority > best->candidate.priority))
      best = &member;
  return best;
}

// By its protocol, whatever became of it.
Instant ClusterLock::candidate_has_stopped() const {
  const auto found = members_.find(standing_);
  const bool may_be_read_yet = found != members_.end() && found->second.sending != nullptr;
  return (may_be_read_yet ? now_.mono : acknowledged_at_) + chain_.stops_within;
}

void ClusterLock::choose() {
  if (withdrawn_) return;
  if (identity_.empty()) {
    const Member* chosen = now_.mono < set_aside_until_ ? nullptr : best();
    if (chosen != nullptr) stand(*chosen);
    return;
  }
  const Member* candidate = standing();
  const auto found = members_.find(standing_);
  const bool said_so = found != members_.end() && found->second.candidate.identity.empty();
  if (said_so) return withdraw(now_.mono, "it gave the lock back");
  // What another controller of this cluster may have acknowledged is not given back.
  if (now_.mono < set_aside_until_) return look_on();
  if (elector_->view().role == Role::contending) {
    if (candidate == nullptr || best() != candidate) look_on();
  } else if (found != members_.end() && found->second.left) {
    return;  // until it is known when the candidate may have been acknowledged last
  } else if (candidate == nullptr) {
    withdraw(candidate_has_stopped(),
             "its object is gone, not selected any more, or names another candidate");
  } else if (!lives(*candidate)) {
    members_.at(standing_).moved = false;  // until the next heartbeat
    withdraw(now_.mono, "its heartbeat has stopped");
  }
}

void ClusterLock::stand(const Member& member) {
  standing_ = member.candidate.name;
  identity_ = member.candidate.identity;
  chain_ = chain_of(member.candidate.timing);
  elector_ = std::make_unique<Elector>(elector_options(), random_, *elector_);
  tell(event::Start{});
}

void ClusterLock::withdraw(Instant work_ends, const char* why) {
  withdrawn_ = true;
  why_ = why;
  const Role role = elector_->view().role;
  if (role == Role::leading || role == Role::stopping) work_ends_ = std::min(work_ends_, work_ends);
  tell(event::Stop{});
}

// -------------------------------------------------------------------------------------------------
// statuses

bool ClusterLock::leads(const Member& member) const {
  return &member == standing() && elector_->view().is_leader(now_.mono);
}

bool ClusterLock::is_fresh() const {
  const Instant renewed_at = elector_->view().valid_until - chain_.timing.renew_deadline;
  return now_.mono < renewed_at + chain_.fresh;
}

void ClusterLock::renew_for_heartbeat() {
  const Member* member = standing();
  if (member == nullptr || withdrawn_ || !leads(*member) || is_fresh()) return;
  // That nobody leads may have been the answer to the same heartbeat, before.
  const bool is_answered = member->candidate.generation <= member->written.observed_generation &&
                           member->candidate.identity == member->written.holder;
  if (!is_answered) tell(event::Renew{});
}

// A holder elsewhere whose lease has run out is named no more, though nobody may take the lock
// before its grace is over: a Go client asks for the lock when nobody is named, or a lease after
// the last renewal that it has heard of, whatever is sooner.
Instant ClusterLock::holder_is_silent_at() const {
  const bool looks_on = elector_->view().role == Role::contending && failures_ == 0;
  return looks_on ? elector_->lease_ends() : Instant::never();
}

bool ClusterLock::names_holder() const {
  return !elector_->view().holder.empty() && now_.mono < holder_is_silent_at();
}

// A renewal elsewhere is not worth a write by itself. And a Go candidate asks for the lock when its
// status has stood still for its lease duration, and then once a second whether it has got it: so
// it is known to live, and learns within that second of a lock that has been released.
std::int64_t ClusterLock::renewed_elsewhere(const Member& member) const {
  const std::int64_t renewed = seconds_of(elector_->observation().record.renew_time);
  const LeaseStatus& told = member.written;
  const bool same_tenure =
      told.holder == elector_->view().holder && told.epoch == elector_->highest_epoch();
  const bool stands_still = same_tenure && !options_.mirror_renewals &&
                            std::abs(renewed - told.renewed_seconds) < mcl::kMirrorEvery.count();
  return stands_still ? told.renewed_seconds : renewed;
}

LeaseStatus ClusterLock::wanted(const Member& member) const {
  const LeaseView& view = elector_->view();
  const LeaderElectionRecord& record = elector_->observation().record;
  LeaseStatus status = member.written;
  status.is_leader = leads(member) && !withdrawn_;
  describe(member, status);
  // K3: to name the candidate as the holder is to acknowledge its heartbeat. Where that cannot be
  // done now, what stands there stays.
  const bool is_holder = !view.holder.empty() && view.holder == member.candidate.identity;
  if (is_holder && !(status.is_leader && is_fresh())) return status;
  if (!view.observed) return status;  // a store that cannot be asked unnames nobody
  const bool held = names_holder();
  status.holder = held ? view.holder : std::string();
  status.epoch = elector_->highest_epoch();
  status.lease_duration_seconds = held ? record.lease_duration_seconds : 0;
  if (!is_holder) {
    status.renewed_seconds = held ? renewed_elsewhere(member) : 0;
    if (now_.mono >= member.answer_after) status.observed_generation = member.candidate.generation;
  } else if (member.candidate.generation > member.written.observed_generation ||
             member.written.holder != status.holder || !member.written.is_leader) {
    status.observed_generation = member.candidate.generation;
    status.renewed_seconds = std::max(seconds_of(now_.wall), accepted_seconds_);
  }
  return status;
}

// Sentences without times, so that nothing is written because time passes.
void ClusterLock::describe(const Member& member, LeaseStatus& status) const {
  const auto say = [this](Condition& condition, bool holds, std::string message) {
    if (condition.holds != holds || condition.since_seconds == 0)
      condition.since_seconds = seconds_of(now_.wall);
    condition.holds = holds;
    condition.message = std::move(message);
  };
  const LeaseView& view = elector_->view();
  const Observation& seen = elector_->observation();
  const bool usable =
      seen.kind == Observation::Kind::absent || seen.kind == Observation::Kind::record;
  const bool held = names_holder();
  const bool healthy = failures_ < kFailuresThatCount;
  say(status.backend_healthy, healthy, healthy ? "the store answers" : trouble_);
  say(status.lock_acquired, held,
      !usable               ? "the record in the store cannot be used: " + seen.problem
      : held                ? "held by " + view.holder
      : view.holder.empty() ? "nobody holds the lock"
                            : "the lease of " + view.holder + " has run out");
  const bool alive = now_.mono < falls_silent_at(member);
  say(status.candidate_live, alive,
      alive                               ? "its heartbeat moves"
      : member.candidate.identity.empty() ? "spec.holderIdentity is blank: no candidate"
                                          : "spec.renewTime stands still: the candidate is silent");
  say(status.leader, status.is_leader,
      status.is_leader ? "this candidate leads" : "this candidate does not lead");
}

void ClusterLock::write_statuses() {
  if (!elector_->view().observed && failures_ < kFailuresThatCount) return;  // nothing to say yet
  for (auto& [name, member] : members_) {
    if (member.sending || now_.mono < member.write_after) continue;
    LeaseStatus status = wanted(member);
    if (status == member.written) continue;
    // Two controllers by mistake would correct each other as fast as the API server can write (K2).
    const bool is_news = status.is_leader != member.said_leader ||
                         (status.is_leader && status.observed_generation > member.said_generation);
    if (!is_news && now_.mono < member.remark_after) continue;
    if (!is_news) member.remark_after = now_.mono + kBetweenRemarks;
    // What alone is not worth a write travels with it.
    const bool is_holder = status.holder == member.candidate.identity;
    if (!is_holder) status.observed_generation = member.candidate.generation;
    status.heartbeat_seconds = member.moved_seconds;
    member.answer_after = now_.mono + chain_of(member.candidate.timing).timing.lease_duration;
    accepted_seconds_ = status.is_leader ? status.renewed_seconds : accepted_seconds_;
    member.said_leader = status.is_leader;
    member.said_generation = status.observed_generation;
    member.seen_since_sent = false;
    member.sending = std::make_unique<LeaseStatus>(std::move(status));
    emit({.kind = Action::Kind::write_status, .name = name});
  }
}

void ClusterLock::plan_wake_up() {
  wake_at_ = elector_->next_deadline();
  const auto wake_by = [this](Instant when) {
    if (when > now_.mono) wake_at_ = std::min(wake_at_, when);
  };
  wake_by(set_aside_until_);
  wake_by(holder_is_silent_at());
  if (elector_->view().role == Role::stopping) wake_by(work_ends_);
  for (const auto& [_, member] : members_) {
    wake_by(dies_at(member));
    wake_by(falls_silent_at(member));
    wake_by(member.write_after);
    wake_by(member.remark_after);
  }
}

}  // namespace tenure::controller
