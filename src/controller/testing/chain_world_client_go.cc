// Applications of client-go: its elector, over the lock that asks once a second whether it has been
// acknowledged. And how applications of either kind begin, crash and release.
#include <algorithm>
#include <utility>

#include "controller/testing/chain_world_parts.h"

namespace tenure::controller {

using namespace std::chrono_literals;  // NOLINT: tests only

namespace {

constexpr Duration kPoll = 1s;

}  // namespace

Duration ChainWorld::on_clock_of(const Application& app, Duration local) const {
  return local / app.rate_per_mille * 1000;
}

void ChainWorld::start(Application& app) {
  if (app.runs) return;
  app.runs = true;
  ++app.life;
  app.identity = app.keeps_identity ? app.base : app.base + "-" + std::to_string(app.life);
  app.seen.clear();
  if (app.is_tenures) return start_lock(app);
  contend(app);
}

void ChainWorld::crash(Application& app) {
  if (app.runs) say(app.identity + " crashes");
  app.runs = app.leads = false;
  app.lock.reset();
  ++app.life;
}

// client-go: every retry period, and up to 1.2 of it longer.
void ChainWorld::contend(Application& app) {
  const Duration p = timing_.retry_period;
  attempt(app, Duration::max(), [this, &app, p](bool won) {
    if (won) return;
    after(on_clock_of(app, between(p, p * 22 / 10)), [this, &app, life = app.life] {
      if (app.life == life) contend(app);
    });
  });
}

void ChainWorld::attempt(Application& app, Duration give_up, std::function<void(bool)> done) {
  Cluster& cluster = *app.cluster;
  if (cluster.api_is_down)
    return after(latency(), [&app, life = app.life, done = std::move(done)] {
      if (app.life == life) done(false);
    });
  const Object& object = cluster.object;
  if (!app.leads && object.exists) {
    const LeaseStatus& status = object.status;
    const std::string record = status.holder + "/" + std::to_string(status.renewed_seconds) + "/" +
                               std::to_string(status.epoch);
    if (record != app.seen) {
      app.seen = record;
      app.seen_at = now_;
    }
    if (!status.holder.empty() && status.holder != app.identity &&
        now_ < app.seen_at + on_clock_of(app, timing_.lease_duration))
      return after(latency(), [&app, life = app.life, done = std::move(done)] {
        if (app.life == life) done(false);
      });
  }
  ++app.heartbeats;
  const Duration sent = now_;
  patch_spec(cluster, app, app.identity,
             [this, &app, &cluster, sent, give_up, life = app.life, done = std::move(done)] {
               if (app.life != life) return;
               const Duration limit = std::min(give_up, sent + timing_.lease_duration);
               confirm(app, cluster.object.candidate.generation, sent, limit, done);
             });
}

void ChainWorld::confirm(Application& app, std::int64_t generation, Duration sent, Duration give_up,
                         std::function<void(bool)> done) {
  const Cluster& cluster = *app.cluster;
  const LeaseStatus& status = cluster.object.status;
  if (now_ >= give_up) return done(false);
  if (!cluster.api_is_down && cluster.object.exists && status.observed_generation >= generation &&
      status.holder == app.identity) {
    say(app.identity + " is acknowledged, sent " +
        std::to_string(std::chrono::duration<double>(now_ - sent).count()) + " s ago");
    ++counts_.acknowledged;
    lead(app);
    return done(true);
  }
  after(on_clock_of(app, kPoll), [this, &app, generation, sent, give_up, life = app.life, done] {
    if (app.life == life) confirm(app, generation, sent, give_up, done);
  });
}

void ChainWorld::lead_with(Application& app, Epoch epoch) {
  if (!app.leads || app.epoch != epoch) {
    // Two controllers of one cluster may disagree about the epoch of the same candidate (K2).
    if (epoch < highest_ && epochs_[highest_] != app.identity)
      problem(app.identity + " leads with an epoch that has passed");
    highest_ = std::max(highest_, epoch);
  }
  app.leads = true;
  app.epoch = epoch;
}

void ChainWorld::lead(Application& app) {
  lead_with(app, app.cluster->object.status.epoch);
  const Duration sleeps = on_clock_of(app, timing_.retry_period);
  const Duration ends = now_ + sleeps + on_clock_of(app, timing_.renew_deadline);
  after(sleeps, [this, &app, ends, life = app.life] {
    if (app.life == life && app.leads) renew(app, ends);
  });
}

void ChainWorld::renew(Application& app, Duration give_up) {
  const auto renewed = std::make_shared<bool>(false);
  at(give_up, [this, &app, life = app.life, renewed] {
    if (app.life == life && app.leads && !*renewed) stop_leading(app);
  });
  try_to_renew(app, give_up, renewed);
}

void ChainWorld::try_to_renew(Application& app, Duration give_up,
                              const std::shared_ptr<bool>& renewed) {
  if (!app.leads || now_ >= give_up) return;
  attempt(app, give_up, [this, &app, give_up, renewed, life = app.life](bool ok) {
    *renewed = ok;
    if (ok) return;
    after(on_clock_of(app, timing_.retry_period), [this, &app, give_up, renewed, life] {
      if (app.life == life) try_to_renew(app, give_up, renewed);
    });
  });
}

void ChainWorld::stop_leading(Application& app) {
  say(app.identity + " stops leading");
  lost(app);
  app.leads = false;
  ++app.life;  // what was under way is over; client-go's process would exit and be started again
  after(between(100ms, 5s), [this, &app, life = app.life] {
    if (app.life == life) contend(app);
  });
}

void ChainWorld::release(Application& app) {
  if (!app.leads || app.cluster->api_is_down) return;
  say(app.identity + " releases");
  ++counts_.hand_overs;
  if (app.lock) return step(app, event::Resign{});
  app.leads = false;
  ++app.life;
  patch_spec(*app.cluster, app, "", [this, &app, life = app.life] {
    after(between(1s, 20s), [this, &app, life] {
      if (app.life == life) contend(app);
    });
  });
}

}  // namespace tenure::controller
