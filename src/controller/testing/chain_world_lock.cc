// Applications of tenure: the lock that ships, with the API server's faults between it and the
// object. The work ends a while after it was told to, or not before it is killed.
#include <algorithm>
#include <utility>

#include "controller/testing/chain_world_parts.h"

namespace tenure::controller {

using mcl::MultiClusterLeaseLock;
using namespace std::chrono_literals;  // NOLINT: tests only

Now ChainWorld::clock(const Application& app) const {
  return {Instant::from_ns(1) + now_ / 1000 * app.rate_per_mille,
          WallTime::from_ns(1'800'000'000'000'000'000) + now_ + app.calendar_error};
}

void ChainWorld::start_lock(Application& app) {
  app.random = std::make_unique<SplitMix>(random_.next());
  const auto rules = mcl::candidate_rules({.lease_duration = timing_.lease_duration,
                                           .renew_deadline = timing_.renew_deadline,
                                           .retry_period = timing_.retry_period});
  if (!rules) return problem(rules.error().to_string());
  app.lock = std::make_unique<MultiClusterLeaseLock>(
      MultiClusterLeaseLock::Options{.identity = app.base, .rules = *rules}, *app.random);
  app.identity = app.lock->identity();
  step(app, event::Start{});
  after(latency(), [this, &app, life = app.life] {
    if (app.life == life) show(app);
  });
}

/// What the watch has to say.
void ChainWorld::show(Application& app) {
  if (!app.lock || app.cluster->api_is_down) return;
  const Object& object = app.cluster->object;
  if (!object.exists) return step(app, MultiClusterLeaseLock::Gone{});
  mcl::LeaseObject shown;
  shown.uid = std::to_string(object.lives);
  shown.candidate = object.candidate;
  shown.status = object.status;
  step(app, MultiClusterLeaseLock::Seen{std::move(shown)});
}

void ChainWorld::step(Application& app, MultiClusterLeaseLock::Event event) {
  Actions actions;
  app.lock->step(clock(app), std::move(event), actions);
  app.identity = app.lock->identity();
  for (const tenure::Action& action : actions) perform(app, action);
  if (!app.lock || app.lock->next_deadline().is_never()) return;
  const Duration local = app.lock->next_deadline() - Instant::from_ns(1);
  at((local / app.rate_per_mille + 1ns) * 1000, [this, &app, life = app.life] {
    if (app.life == life && app.lock && app.lock->next_deadline() <= clock(app).mono)
      step(app, event::Tick{});
  });
}

void ChainWorld::perform(Application& app, const tenure::Action& action) {
  using Kind = tenure::Action::Kind;
  switch (action.kind) {
    case Kind::write: return patch(app, action);
    case Kind::start_work:
      say(app.identity + " starts its work");
      ++counts_.acknowledged;
      return lead_with(app, action.epoch);
    case Kind::stop_work:
      say(app.identity + " is told to stop");
      if (action.reason != StopReason::resigned) lost(app);
      if (happens(30)) return;  // and does not
      return after(between(0s, 300ms), [this, &app, epoch = action.epoch, life = app.life] {
        if (app.life == life) work_ends(app, epoch);
      });
    case Kind::kill_work:
      return after(0s, [this, &app, epoch = action.epoch, life = app.life] {
        if (app.life == life) work_ends(app, epoch);
      });
    case Kind::read:
    case Kind::leader_changed:
    case Kind::report:
    case Kind::done: return;
  }
}

void ChainWorld::work_ends(Application& app, Epoch epoch) {
  if (!app.leads || app.epoch != epoch) return;
  say(app.identity + " has stopped");
  app.leads = false;
  step(app, event::WorkFinished{epoch, false});
}

void ChainWorld::patch(Application& app, const tenure::Action& action) {
  const mcl::Candidacy candidacy = app.lock->outgoing();
  const auto written = std::make_shared<MultiClusterLeaseLock::Written>();
  written->op = action.op;
  const bool answer_is_lost = happens(lost_percent_);
  after(latency(), [this, &app, candidacy, written] {
    Cluster& cluster = *app.cluster;
    const Object& object = cluster.object;
    if (cluster.api_is_down) return;
    written->outcome = WriteOutcome::conflict;
    const bool fits =
        object.exists ? candidacy.version == object.candidate.version : candidacy.version.empty();
    say(app.identity + (fits ? " writes \"" : " is refused \"") + candidacy.identity + "\"");
    if (!fits) return;
    write_spec(cluster, candidacy.identity, candidacy.renew_time, candidacy.timing);
    written->outcome = WriteOutcome::applied;
    written->generation = object.candidate.generation;
  });
  after(latency() + 300ms, [this, &app, written, answer_is_lost, life = app.life] {
    if (app.life != life || !app.lock || answer_is_lost) return;
    step(app, *written);
  });
}

}  // namespace tenure::controller
