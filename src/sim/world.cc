#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "sim/trace.h"

namespace tenure::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Triple {
  int lease, renew, retry_ms;
};
// What people run: client-go, the fast setting, the multi-cluster sample, OpenShift, and a tight
// one.
constexpr std::array<Triple, 6> kPopular{{{15, 10, 2000},
                                          {10, 3, 1000},
                                          {60, 30, 10000},
                                          {137, 107, 26000},
                                          {30, 20, 5000},
                                          {6, 4, 1000}}};

Settings popular(std::uint64_t which) {
  const Triple& t = kPopular[which % kPopular.size()];
  Settings s;
  s.lease_duration = seconds(t.lease);
  s.renew_deadline = seconds(t.renew);
  s.retry_period = milliseconds(t.retry_ms);
  return s;
}

}  // namespace

World::World(const RunOptions& options)
    : options_(options),
      plan_(options.seed, options.story == Story::faults ? options.faults : FaultSet::none()),
      random_(options.seed ^ 0x5851f42d4c957f2dULL) {
  result_.seed = options.seed;
  set_up();
}

void World::set_up() {
  const bool story_of_faults = options_.story == Story::faults;
  store_.watch = options_.watch.value_or(random_.below(2) == 0);
  store_.server_time = random_.below(2) == 0;
  const bool limited = story_of_faults && random_.below(4) == 0;
  static constexpr std::array<Duration, 4> kLegs{std::chrono::microseconds(200), milliseconds(2),
                                                 milliseconds(10), milliseconds(60)};
  leg_ = kLegs[random_.below(kLegs.size())];
  if (options_.round_trip > Duration(0)) leg_ = options_.round_trip / 2;
  wrapper_ = random_.below(2) == 0;
  works_ask_ = random_.below(2) == 0;

  const std::uint64_t common = random_.below(kPopular.size());
  int candidates = 3 + static_cast<int>(random_.below(5));
  if (plan_.on(Fault::many_candidates)) {
    candidates = 40;
    plan_.fired(Fault::many_candidates);
  }
  if (options_.candidates > 0) candidates = options_.candidates;
  result_.candidates = candidates;
  shortest_period_ = Duration::max();
  for (int i = 0; i < candidates; i++) {
    Node& n = nodes_.emplace_back();
    n.id = i;
    n.identity = fmt::format("candidate-{}", i);
    if (i == 1 && plan_.on(Fault::same_identity_twice)) {
      n.identity = nodes_[0].identity;
      plan_.fired(Fault::same_identity_twice);
    }
    Settings settings = options_.settings.value_or(popular(common));
    if (plan_.on(Fault::different_lease_durations) &&
        plan_.random(Fault::different_lease_durations).below(2) == 0) {
      settings = popular(plan_.random(Fault::different_lease_durations).next());
      plan_.fired(Fault::different_lease_durations);
    }
    if (plan_.on(Fault::different_periods) &&
        plan_.random(Fault::different_periods).below(2) == 0) {
      settings.retry_period = settings.retry_period * 3 / 4;
      plan_.fired(Fault::different_periods);
    }
    StoreTraits traits = store_;
    if (limited && settings.retry_period >= seconds(1)) traits.min_write_interval = seconds(1);
    const Result<Timing> timing = check(settings, traits);
    if (!timing) {
      violate("settings", timing.error().to_string());
      return;
    }
    n.options = {.identity = n.identity,
                 .cluster = "cluster",
                 .timing = *timing,
                 .retry_period = settings.retry_period,
                 .store = traits,
                 .clock_rate_tolerance_percent = settings.clock_rate_tolerance_percent};
    longest_lease_ = std::max(longest_lease_, timing->lease_duration);
    longest_failover_ = std::max(longest_failover_, timing->worst_failover);
    longest_hard_deadline_ = std::max(longest_hard_deadline_, timing->hard_deadline);
    shortest_period_ = std::min(shortest_period_, settings.retry_period);

    n.clock = NodeClock(
        Instant::from_ns(static_cast<std::int64_t>(random_.below(1'000'000'000'000'000))));
    std::int64_t ppm = 50 - static_cast<std::int64_t>(random_.below(100));
    const std::int64_t limit = 10'000 * settings.clock_rate_tolerance_percent;
    if (plan_.on(Fault::clock_fast) && plan_.random(Fault::clock_fast).below(2) == 0) {
      ppm = limit - static_cast<std::int64_t>(plan_.random(Fault::clock_fast).below(2)) * limit / 3;
      plan_.fired(Fault::clock_fast);
    } else if (plan_.on(Fault::clock_slow) && plan_.random(Fault::clock_slow).below(2) == 0) {
      ppm =
          -limit + static_cast<std::int64_t>(plan_.random(Fault::clock_slow).below(2)) * limit / 3;
      plan_.fired(Fault::clock_slow);
    }
    if (options_.break_clocks_by_percent != 0)
      ppm = (i % 2 == 0 ? -10'000 : 10'000) * options_.break_clocks_by_percent;
    n.clock.set_rate(0, ppm);
    n.wall_offset = static_cast<std::int64_t>(random_.below(2'000'000'000)) - 1'000'000'000;
    const bool herd = plan_.on(Fault::herd_start);
    if (herd && i == 0) plan_.fired(Fault::herd_start);
    schedule(herd ? 0 : static_cast<TrueTime>(random_.below(3'000'000'000)), Kind::restart, i);
  }
  end_ = options_.safety_phase.count();
  if (story_of_faults) {
    schedule_faults();
    schedule(end_, Kind::heal);
  } else {
    schedule(random_.between(longest_lease_, 2 * longest_lease_).count(), Kind::provoke);
  }
}

RunResult World::run() {
  while (!done_ && !events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    if (event.at != now_) events_at_this_instant_ = 0;
    now_ = event.at;
    result_.events++;
    if (++events_at_this_instant_ > 100'000)
      violate("time-goes-on", "100,000 events at one instant");
    mix(static_cast<std::uint64_t>(event.at) ^ (static_cast<std::uint64_t>(event.kind) << 56U) ^
        (std::uint64_t{event.node} << 48U));
    handle(event);
  }
  finish();
  return std::move(result_);
}

void World::schedule(TrueTime at, Kind kind, int node, std::uint64_t payload) {
  const auto incarnation =
      nodes_.empty()
          ? 0U
          : static_cast<std::uint32_t>(nodes_[static_cast<std::size_t>(node)].incarnation);
  events_.push({at, sequence_++, kind, static_cast<std::uint8_t>(node), incarnation, payload});
}

void World::handle(const Event& event) {
  Node& n = nodes_[event.node];
  // A stopped process sees what came meanwhile when it goes on, in the order in which it came.
  const bool in_process = event.kind == Kind::timer || event.kind == Kind::answer ||
                          event.kind == Kind::news || event.kind == Kind::work_ended;
  if (in_process && n.paused(now_)) {
    Event later = event;
    later.at = n.paused_until;
    later.sequence = sequence_++;
    events_.push(later);
    return;
  }
  const bool same_process =
      n.up() && event.incarnation == static_cast<std::uint32_t>(n.incarnation);
  switch (event.kind) {
    case Kind::timer:
      if (!same_process || event.at < n.timer_at) return;
      n.timer_at = INT64_MAX;
      if (n.clock.local(now_) >= n.elector->next_deadline()) return step(n, event::Tick{});
      return arm(n);
    case Kind::request: return arrive(event);
    case Kind::late_apply: return apply_late(event);
    case Kind::answer: return deliver(event);
    case Kind::news:
      n.news++;
      if (same_process) step(n, event::Changed{});
      return;
    case Kind::work_write:
      if (same_process && n.work_running && event.payload == n.work_generation) work_writes(n);
      return;
    case Kind::resource: {
      const ResourceWrite write = resource_writes_[event.payload];
      return resource_receives(write);
    }
    case Kind::work_ended:
      if (same_process && n.work_running && event.payload / 2 == n.work_generation)
        end_work(n, event.payload % 2 != 0);
      return;
    case Kind::orphan_ended: return leadership_changed();
    case Kind::restart:
      if (!n.up()) start_process(n);
      return;
    case Kind::resume: return resume(n);
    case Kind::fault: return come(static_cast<Fault>(event.payload));
    case Kind::foreign: return foreign_acts();
    case Kind::heal: return heal();
    case Kind::leader_due:
      if (!anybody_leads_)
        violate("a-leader-after-healing",
                fmt::format("nobody leads {:.1f} s after everything was healed",
                            static_cast<double>(event.payload) / 1e9));
      return;
    case Kind::provoke: return provoke();
  }
}

// -----------------------------------------------------------------------------------------------------------
// nodes

void World::start_process(Node& n) {
  n.incarnation++;
  n.random = SplitMix(random_.next());
  n.elector.emplace(n.options, n.random);
  n.timer_at = INT64_MAX;
  n.paused_until = 0;
  n.work_paused = false;
  n.work_running = false;
  n.proven_until = Instant();
  n.highest_applied = 0;
  n.wrote_before = false;
  n.open_op = 0;
  n.up_since = n.clock.local(now_);
  n.requests = 0;
  n.news = 0;
  note(&n, "starts (incarnation {})", n.incarnation);
  step(n, event::Start{});
}

void World::step(Node& n, tenure::Event event) {
  actions_.clear();
  const LeaseView& view = n.elector->view();
  const Role role = view.role;
  const Instant valid_until = view.valid_until;
  n.elector->step(n.now(now_), std::move(event), actions_);
  mix(static_cast<std::uint64_t>(view.role) << 8U | actions_.size());
  if (plan_.on(Fault::pause_at_action) && actions_.size() > 0 &&
      plan_.strikes(Fault::pause_at_action))
    pause(n, plan_.random(Fault::pause_at_action).between(milliseconds(1), longest_lease_ * 3),
          true);
  const int incarnation = n.incarnation;
  for (const Action& action : actions_) {  // none of them steps an elector again
    if (plan_.on(Fault::crash_at_action) && plan_.strikes(Fault::crash_at_action))
      return crash(n, "crashes in the middle of a step");
    perform(n, action);
    if (!n.up() || n.incarnation != incarnation || done_) return;
  }
  if (view.role != role || view.valid_until != valid_until) {
    check_beliefs(n);
    leadership_changed();
  }
  if (n.elector->unsettled_writes() > 64) violate("nothing-leaks", "more than 64 unsettled writes");
  if (n.up()) arm(n);
}

void World::arm(Node& n) {
  const Instant deadline = n.elector->next_deadline();
  if (deadline.is_never()) return;
  TrueTime at = std::max(now_, n.clock.true_at(deadline));
  if (plan_.on(Fault::starvation) && plan_.strikes(Fault::starvation))
    at += plan_.random(Fault::starvation).between(Duration(0), n.options.retry_period).count();
  if (at >= n.timer_at) return;  // the one under way comes earlier and arms again
  n.timer_at = at;
  schedule(at, Kind::timer, n.id);
}

void World::perform(Node& n, const Action& action) {
  switch (action.kind) {
    case Action::Kind::read:
    case Action::Kind::write: return send(n, action);
    case Action::Kind::start_work: return start_work(n, action);
    case Action::Kind::stop_work: return stop_work(n, action.reason);
    case Action::Kind::kill_work: return kill_work(n);
    case Action::Kind::leader_changed:
      if (options_.trace)
        note(&n, "sees the leader '{}', epoch {}", n.elector->view().holder, action.epoch);
      return;
    case Action::Kind::report:
      mix(static_cast<std::uint64_t>(action.note));
      if (options_.trace) note(&n, "reports {}", to_string(action.note));
      return;
    case Action::Kind::done:
      note(&n, "is done");
      check_budget(n);
      n.elector.reset();
      schedule(now_ + random_.between(milliseconds(10), seconds(30)).count(), Kind::restart, n.id);
      return;
  }
}

// A process is gone from one instant to the next. Under a wrapper its guardian ends the work.
void World::crash(Node& n, const char* how) {
  if (!n.up()) return;
  note(&n, "{}", how);
  check_budget(n);
  if (n.work_running && wrapper_ && n.clock_stood_during != n.work_epoch) {
    const TrueTime hard = n.clock.true_at(n.elector->view().hard_deadline);
    n.orphan_until =
        std::max(now_, std::min(hard, now_ + random_.between(Duration(0), seconds(1)).count()));
    schedule(n.orphan_until, Kind::orphan_ended, n.id);
  }
  n.elector.reset();
  n.work_running = false;
  n.work_generation++;
  n.paused_until = 0;
  if (n.clock.frozen()) n.clock.thaw(now_);
  leadership_changed();
}

void World::pause(Node& n, Duration how_long, bool work_too) {
  if (!n.up() || n.paused(now_)) return;
  n.paused_until = now_ + how_long.count();
  n.work_paused = work_too;
  if (options_.trace)
    note(&n, "is stopped for {:.3f} s{}", static_cast<double>(how_long.count()) / 1e9,
         work_too ? "" : " (its work goes on)");
  schedule(n.paused_until, Kind::resume, n.id);
}

void World::resume(Node& n) {
  if (!n.up() || n.paused(now_)) return;
  if (n.clock.frozen()) n.clock.thaw(now_);
  n.timer_at = INT64_MAX;
  arm(n);
  n.work_paused = false;
  note(&n, "goes on");
  // The first thing that thawed work does may be a write with its old epoch: only the resource can
  // refuse that.
  if (n.work_running && random_.below(2) == 0) work_writes(n);
  if (n.work_running && wrapper_ && n.clock.local(now_) >= n.elector->view().hard_deadline)
    schedule(now_, Kind::work_ended, n.id,
             std::uint64_t{n.work_generation} * 2 + 1);  // the guardian was there first
  check_beliefs(n);
}

// ------------------------------------------------------------------------------------------------------------
// work

void World::start_work(Node& n, const Action& action) {
  result_.tenures++;
  check_tenure_begins(n, action.epoch);
  n.work_running = true;
  n.work_epoch = action.epoch;
  n.work_generation++;
  note(&n, "LEADS with epoch {}", action.epoch);
  schedule(now_ + random_.between(Duration(0), n.options.retry_period).count(), Kind::work_write,
           n.id, n.work_generation);
  if (plan_.strikes(Fault::work_fails))
    schedule(now_ + plan_.random(Fault::work_fails).between(Duration(0), seconds(20)).count(),
             Kind::work_ended, n.id, std::uint64_t{n.work_generation} * 2 + 1);
}

void World::work_writes(Node& n) {
  schedule(now_ + random_.between(n.options.retry_period / 2, 2 * n.options.retry_period).count(),
           Kind::work_write, n.id, n.work_generation);
  if (n.paused(now_) && n.work_paused) return;
  if (works_ask_ && !n.elector->view().is_leader(n.clock.local(now_))) return;
  resource_writes_.push_back({n.work_epoch, n.id, n.incarnation});
  schedule(now_ + leg().count(), Kind::resource, n.id, resource_writes_.size() - 1);
}

void World::stop_work(Node& n, StopReason reason) {
  note(&n, "stops: {}", to_string(reason));
  check_loss(n, reason);
  if (plan_.strikes(Fault::work_ignores_stop)) return;
  Duration takes = random_.between(Duration(0), milliseconds(400));
  if (plan_.strikes(Fault::work_stops_slowly))
    takes = plan_.random(Fault::work_stops_slowly)
                .between(Duration(0), n.options.timing.lease_duration);
  if (options_.story == Story::failover) takes = milliseconds(1);
  schedule(now_ + takes.count(), Kind::work_ended, n.id, std::uint64_t{n.work_generation} * 2);
}

// A wrapped command is killed; a callback can only be reported.
void World::kill_work(Node& n) {
  note(&n, "is at the hard deadline of epoch {}", n.work_epoch);
  result_.overruns++;
  const Duration takes = wrapper_ ? Duration(0) : random_.between(milliseconds(1), seconds(20));
  schedule(now_ + takes.count(), Kind::work_ended, n.id, std::uint64_t{n.work_generation} * 2);
}

void World::end_work(Node& n, bool failed) {
  n.work_running = false;
  n.work_generation++;
  note(&n, "its work has ended{}", failed ? " (failed)" : "");
  step(n, event::WorkFinished{n.work_epoch, failed});
}

// The resource keeps the highest epoch that it has seen and refuses lower ones.
void World::resource_receives(const ResourceWrite& write) {
  if (write.epoch < resource_epoch_) {
    result_.refused_writes++;
    return;
  }
  if (write.epoch == resource_epoch_ && !epochs_may_repeat_ &&
      (resource_party_ != write.party || resource_incarnation_ != write.incarnation))
    violate("one-epoch-one-holder",
            fmt::format("the resource sees epoch {} of candidate-{} and of candidate-{}",
                        write.epoch, resource_party_, write.party));
  resource_epoch_ = write.epoch;
  resource_party_ = write.party;
  resource_incarnation_ = write.incarnation;
}

// --------------------------------------------------------------------------------------------------------
// measures

void World::provoke() {
  if (now_ >= end_) {
    done_ = true;
    return;
  }
  for (Node& n : nodes_) {
    if (!n.believes(now_)) continue;
    provoked_at_ = now_;
    provoked_kill_ = random_.below(2) == 0;
    if (provoked_kill_) {
      crash(n, "is killed");
      schedule(now_ + (3 * longest_lease_).count(), Kind::restart, n.id);
    } else {
      step(n, event::Resign{});
    }
    break;
  }
  schedule(now_ + random_.between(4 * longest_lease_, 6 * longest_lease_).count(), Kind::provoke);
}

void World::leadership_changed() {
  bool anybody = false;
  for (const Node& n : nodes_) anybody = anybody || n.believes(now_);
  if (anybody == anybody_leads_) return;
  anybody_leads_ = anybody;
  if (!anybody) {
    leaderless_since_ = now_;
    return;
  }
  result_.without_leader += now_ - leaderless_since_;
  result_.leaderless.push_back(now_ - leaderless_since_);
  if (provoked_at_ >= 0)
    (provoked_kill_ ? result_.failover : result_.handover).push_back(now_ - provoked_at_);
  provoked_at_ = -1;
}

void World::finish() {
  for (Node& n : nodes_)
    if (n.up() && !done_) check_budget(n);
  if (!anybody_leads_) result_.without_leader += now_ - leaderless_since_;
  result_.virtual_time = now_;
  result_.hash = hash_;
  result_.active = plan_.active();
  for (std::size_t i = 0; i < kFaultCount; i++)
    result_.fired[i] = plan_.count(static_cast<Fault>(i));
}

RunResult run(const RunOptions& options) {
  return World(options).run();
}

}  // namespace tenure::sim
