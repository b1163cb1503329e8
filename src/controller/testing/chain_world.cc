#include "controller/testing/chain_world.h"

#include <algorithm>
#include <utility>

#include "controller/testing/chain_world_parts.h"

namespace tenure::controller {

using mcl::CandidateTiming;
using namespace std::chrono_literals;  // NOLINT: tests only

namespace {

constexpr Duration kFaultsEnd = 400s;
constexpr Duration kEnd = 700s;
/// From the end of all faults; nobody has a reason to stop any more.
constexpr Duration kSettled = 200s;

}  // namespace

ChainWorld::ChainWorld(std::uint64_t seed) : random_(seed) {
  draw_faults();
  for (const char* name : {"napoleon", "cleopatra", "stalin"}) {
    if (clusters_.size() == 2 && happens(50)) break;
    auto& cluster = *clusters_.emplace_back(std::make_unique<Cluster>());
    cluster.name = name;
    cluster.object.candidate.name = "lock";
    // Two of one cluster now and then, by mistake.
    for (int i = happens(10) ? 2 : 1; i > 0; --i) {
      auto& controller = *controllers_.emplace_back(std::make_unique<Controller>());
      controller.cluster = &cluster;
      controller.rate_per_mille = 995 + static_cast<int>(random_.below(11));
      controller.calendar_error = happens(30) ? between(-1h, 1h) : Duration(0);
    }
    auto& app = *applications_.emplace_back(std::make_unique<Application>());
    app.cluster = &cluster;
    app.base = std::string("app-") + name;
    app.is_tenures = api_servers_fail_ || happens(40);
    app.keeps_identity = happens(30);
    app.rate_per_mille = 995 + static_cast<int>(random_.below(11));
    app.calendar_error = happens(30) ? between(-1h, 1h) : Duration(0);
  }
}

ChainWorld::~ChainWorld() = default;

void ChainWorld::draw_faults() {
  const CandidateTiming kinds[] = {{15s, 10s, 2s}, {10s, 3s, 1s}, {60s, 30s, 10s}, {15s, 10s, 2s}};
  timing_ = kinds[random_.below(4)];
  lost_percent_ = happens(50) ? static_cast<unsigned>(random_.below(20)) : 0;
  loses_records_ = happens(50);
  api_servers_fail_ = happens(50);
  // A late creation fits whenever there is no record.
  late_percent_ = !loses_records_ && happens(50) ? static_cast<unsigned>(random_.below(10)) : 0;
}

void ChainWorld::at(Duration when, Work work) {
  agenda_.emplace(std::max(when, now_), std::move(work));
}

Duration ChainWorld::latency() {
  return happens(95) ? between(1ms, 20ms) : between(20ms, 300ms);
}

void ChainWorld::say(const std::string& text) const {
  if (trace) trace(std::to_string(std::chrono::duration<double>(now_).count()) + " s: " + text);
}

void ChainWorld::problem(const std::string& text) {
  problems_.push_back(std::to_string(std::chrono::duration<double>(now_).count()) + " s: " + text);
  say("PROBLEM: " + text);
}

void ChainWorld::run() {
  for (auto& controller : controllers_)
    at(between(0s, 2s), [this, c = controller.get()] { start(*c->cluster, *c); });
  for (auto& app : applications_) at(between(0s, 10s), [this, a = app.get()] { start(*a); });
  schedule_faults();
  at(kFaultsEnd, [this] { heal(); });
  while (!agenda_.empty() && problems_.empty()) {
    auto next = agenda_.extract(agenda_.begin());
    if (next.key() > kEnd) break;
    now_ = next.key();
    next.mapped()();
    check_leaders();
  }
}

void ChainWorld::schedule_faults() {
  for (Duration when = between(5s, 60s); when < kFaultsEnd; when += between(5s, 60s)) {
    Cluster& cluster = *clusters_[random_.below(clusters_.size())];
    Controller& controller = *controllers_[random_.below(controllers_.size())];
    Application& app = *applications_[random_.below(applications_.size())];
    const Duration lasts = between(100ms, 40s);
    switch (random_.below(9)) {
      case 0:
        at(when, [this] {
          say("the store is down");
          store_is_down_ = true;
        });
        at(when + lasts, [this] { store_is_down_ = false; });
        break;
      case 1:
        if (!api_servers_fail_) break;
        at(when, [this, &cluster] {
          say("the API server of " + cluster.name + " is down");
          cluster.api_is_down = true;
        });
        at(when + lasts, [this, &cluster] {
          cluster.api_is_down = false;
          changed(cluster, false);
        });
        break;
      case 2:
        if (loses_records_) break;
        at(when, [this, &controller] { crash(controller); });
        at(when + lasts, [this, &controller] { start(*controller.cluster, controller); });
        break;
      case 3:
      case 4:
        at(when, [this, &app] { crash(app); });
        at(when + lasts, [this, &app] { start(app); });
        break;
      case 5: at(when, [this, &app] { release(app); }); break;
      case 6:
        if (loses_records_) break;
        at(when, [this, &cluster] {
          say("the object in " + cluster.name + " is deleted");
          cluster.object.exists = false;
          changed(cluster, false);
        });
        break;
      case 7:
        if (loses_records_) break;
        at(when, [this, &cluster] { select(cluster, false); });
        at(when + lasts, [this, &cluster] { select(cluster, true); });
        break;
      default:
        if (!loses_records_) break;
        at(when, [this] {
          if (!all_know_the_record()) return;
          const bool put_back = happens(50) && !past_.empty();
          say(put_back ? "an old record is put back" : "the record is deleted");
          held_ = put_back ? past_[random_.below(past_.size())] : Observation{};
          if (put_back) held_.version = "v" + std::to_string(++versions_);
        });
    }
  }
}

bool ChainWorld::all_know_the_record() const {
  for (const auto& controller : controllers_) {
    const Object& object = controller->cluster->object;
    const Epoch told = object.exists ? object.status.epoch : 0;
    const Epoch known = controller->lock ? controller->lock->highest_epoch() : 0;
    if (std::max(told, known) < held_.record.leader_transitions) return false;
  }
  return true;
}

void ChainWorld::heal() {
  healed_ = true;
  store_is_down_ = false;
  lost_percent_ = late_percent_ = 0;
  for (auto& cluster : clusters_) {
    if (std::exchange(cluster->api_is_down, false)) changed(*cluster, false);  // watches go on
    select(*cluster, true);
  }
  for (auto& controller : controllers_) start(*controller->cluster, *controller);
  for (auto& app : applications_) start(*app);
  leaderless_since_ = now_;
}

/// A tenure, and not by resigning.
void ChainWorld::lost(const Application& app) {
  const bool rivals =
      std::count_if(controllers_.begin(), controllers_.end(),
                    [&](const auto& controller) { return controller->cluster == app.cluster; }) > 1;
  if (healed_ && now_ > kFaultsEnd + kSettled && !rivals)
    problem(app.identity + " lost its tenure though nothing was wrong");
}

void ChainWorld::check_leaders() {
  std::string leaders;
  int count = 0;
  for (const auto& app : applications_) {
    if (!app->leads) continue;
    ++count;
    leaders += " " + app->identity + " with epoch " + std::to_string(app->epoch);
  }
  if (count > 1) problem("two applications lead:" + leaders);
  if (!healed_) return;
  if (count > 0) leaderless_since_ = now_;
  const auto without =
      std::chrono::duration_cast<std::chrono::seconds>(now_ - leaderless_since_).count();
  counts_.calm_seconds_without_leader =
      std::max(counts_.calm_seconds_without_leader, static_cast<int>(without));
}

// -------------------------------------------------------------------------------------------------
// API servers

void ChainWorld::changed(Cluster& cluster, bool created) {
  Object& object = cluster.object;
  object.candidate.version = std::to_string(++cluster.versions);
  for (auto& app : applications_)
    if (app->cluster == &cluster && app->lock)
      after(latency(), [this, &app = *app, life = app->life] {
        if (app.life == life) show(app);
      });
  for (auto& owned : controllers_) {
    Controller& controller = *owned;
    if (controller.cluster != &cluster || !controller.lock) continue;
    after(latency(), [this, &controller, life = controller.life, created] {
      if (controller.life != life || !controller.lock || controller.cluster->api_is_down) return;
      const Object& now = controller.cluster->object;
      if (now.exists && controller.cluster->is_selected)
        step(controller, ClusterLock::Seen{now.candidate, now.status, created});
      else
        step(controller, ClusterLock::Gone{now.candidate.name});
    });
  }
}

void ChainWorld::select(Cluster& cluster, bool selected) {
  if (cluster.is_selected == selected) return;
  say("the namespace in " + cluster.name + " is selected" + (selected ? "" : " no more"));
  cluster.is_selected = selected;
  // Beside the object's version: what is on its way to it may still land.
  for (auto& controller : controllers_) {
    if (controller->cluster != &cluster || !controller->lock) continue;
    const Object& now = cluster.object;
    if (!selected)
      step(*controller, ClusterLock::Gone{now.candidate.name});
    else if (now.exists)
      step(*controller, ClusterLock::Seen{now.candidate, now.status, false});
  }
}

void ChainWorld::write_spec(Cluster& cluster, const std::string& identity,
                            const std::string& renew_time, const CandidateTiming& timing) {
  Object& object = cluster.object;
  const bool created = !object.exists;
  if (created) {
    object.status = {};
    ++object.lives;
  }
  object.exists = true;
  object.candidate.identity = identity;
  object.candidate.renew_time = renew_time;
  object.candidate.timing = timing;
  object.candidate.generation += 1;
  changed(cluster, created);
}

void ChainWorld::patch_spec(Cluster& cluster, const Application& app, const std::string& identity,
                            Work done) {
  write_spec(cluster, identity, app.identity + "/" + std::to_string(app.heartbeats), timing_);
  after(latency(), std::move(done));
}

// -------------------------------------------------------------------------------------------------
// controllers

Now ChainWorld::clock(const Controller& controller) const {
  return {Instant::from_ns(1) + now_ / 1000 * controller.rate_per_mille,
          WallTime::from_ns(1'800'000'000'000'000'000) + now_ + controller.calendar_error};
}

void ChainWorld::start(Cluster& cluster, Controller& controller) {
  if (controller.lock) return;
  say("the controller of " + cluster.name + " starts");
  ++controller.life;
  controller.knows = cluster.object.exists ? cluster.object.status.epoch : 0;
  controller.random = std::make_unique<SplitMix>(random_.next());
  controller.lock = std::make_unique<ClusterLock>(
      ClusterLock::Options{.cluster = cluster.name,
                           .store = {.min_write_interval = happens(50) ? 1s : 0s}},
      *controller.random);
  step(controller, ClusterLock::Start{});
  if (cluster.object.exists && cluster.is_selected)
    step(controller, ClusterLock::Seen{cluster.object.candidate, cluster.object.status, false});
}

void ChainWorld::crash(Controller& controller) {
  if (!controller.lock) return;
  say("the controller of " + controller.cluster->name + " crashes");
  ++counts_.crashes;
  ++controller.life;
  controller.lock.reset();
}

void ChainWorld::step(Controller& controller, ClusterLock::Event event) {
  std::vector<ClusterLock::Action> actions;
  controller.lock->step(clock(controller), std::move(event), actions);
  for (const auto& action : actions) perform(controller, action);
  const Instant next = controller.lock->next_deadline();
  if (next.is_never()) return;
  const Duration local = next - Instant::from_ns(1);
  const Duration when = (local / controller.rate_per_mille + 1ns) * 1000;
  at(when, [this, &controller, life = controller.life] {
    if (controller.life == life && controller.lock &&
        controller.lock->next_deadline() <= clock(controller).mono)
      step(controller, ClusterLock::Tick{});
  });
}

void ChainWorld::perform(Controller& controller, const ClusterLock::Action& action) {
  using Kind = ClusterLock::Action::Kind;
  switch (action.kind) {
    case Kind::read: return read(controller, action);
    case Kind::write: return write(controller, action);
    case Kind::write_status: return write_status(controller, action.name);
    case Kind::rival:
      say("rivals in " + controller.cluster->name);
      ++counts_.rivals;
      return;
    case Kind::became_leader: {
      say("the controller of " + controller.cluster->name + " holds the lock for " +
          controller.lock->view().holder + " with epoch " + std::to_string(action.epoch));
      ++counts_.tenures;
      const std::string& holder = controller.lock->view().holder;
      const auto [found, is_new] = epochs_.emplace(action.epoch, holder);
      if (!is_new) ++counts_.adoptions;
      if (!is_new && found->second != holder)
        problem("epoch " + std::to_string(action.epoch) + " was " + found->second + "'s, now " +
                holder + "'s");
      if (action.epoch < controller.knows) problem("a controller wrote an epoch that has passed");
      controller.knows = action.epoch;
      return;
    }
    case Kind::stopped_leading:
      return say("the controller of " + controller.cluster->name + " holds no more: " + action.why);
    case Kind::report:
      return say("the controller of " + controller.cluster->name + " reports " +
                 to_string(action.note));
  }
}

void ChainWorld::read(Controller& controller, const ClusterLock::Action& action) {
  const bool fails = store_is_down_ || happens(lost_percent_);
  const Duration patience = action.deadline - clock(controller).mono;
  const auto seen = std::make_shared<Observation>();
  after(latency(), [this, seen] { *seen = held_; });
  after(fails ? patience : latency() + 300ms,
        [this, &controller, seen, fails, op = action.op, life = controller.life] {
          if (controller.life != life) return;
          ReadResult result;
          result.outcome = fails ? ReadOutcome::unknown : ReadOutcome::ok;
          if (!fails) result.observation = *seen;
          if (!fails)
            controller.knows = std::max(controller.knows, seen->record.leader_transitions);
          step(controller, event::ReadDone{op, std::move(result)});
        });
}

void ChainWorld::land(const Version& expected, const LeaderElectionRecord& record, bool& applied,
                      Version& version) {
  if (expected != held_.version) return;
  ++counts_.store_writes;
  if (held_.kind == Observation::Kind::record) past_.push_back(held_);
  held_ = {Observation::Kind::record, "v" + std::to_string(++versions_), record, {}};
  say("written: " + held_.version + " holder \"" + record.holder_identity + "\" epoch " +
      std::to_string(record.leader_transitions));
  applied = true;
  version = held_.version;
}

void ChainWorld::write(Controller& controller, const ClusterLock::Action& action) {
  const LeaderElectionRecord record = controller.lock->outgoing();
  const Version expected = controller.lock->expected();
  const bool never_arrives = store_is_down_ || happens(lost_percent_);
  const bool answer_is_lost = happens(lost_percent_);
  const bool late = happens(late_percent_);
  const Duration patience = action.deadline - clock(controller).mono;
  const auto outcome = std::make_shared<std::pair<bool, Version>>(false, Version());
  if (!never_arrives)
    after(late ? between(1s, 30s) : latency(), [this, expected, record, outcome] {
      land(expected, record, outcome->first, outcome->second);
    });
  const bool unclear = never_arrives || answer_is_lost || late;
  after(unclear ? patience : latency() + 300ms,
        [this, &controller, outcome, unclear, op = action.op, life = controller.life] {
          if (controller.life != life) return;
          WriteResult result;
          result.outcome = unclear          ? WriteOutcome::unknown
                           : outcome->first ? WriteOutcome::applied
                                            : WriteOutcome::conflict;
          result.version = outcome->second;
          step(controller, event::WriteDone{op, std::move(result)});
        });
}

void ChainWorld::write_status(Controller& controller, const std::string& name) {
  ++counts_.status_writes;
  const LeaseStatus status = controller.lock->status_of(name);
  const std::string version = controller.lock->candidate(name).version;
  const auto answer = std::make_shared<ClusterLock::StatusWritten>();
  answer->name = name;
  answer->retry_after = 500ms;
  after(latency(), [this, &controller, status, version, answer] {
    Cluster& cluster = *controller.cluster;
    Object& object = cluster.object;
    if (cluster.api_is_down || !object.exists || object.candidate.version != version) return;
    object.status = status;
    say("status in " + cluster.name + ": holder \"" + status.holder + "\" answers " +
        std::to_string(status.observed_generation) + (status.is_leader ? " leader" : ""));
    changed(cluster, false);
    answer->ok = true;
    answer->version = object.candidate.version;
  });
  after(latency() + 300ms, [this, &controller, answer, life = controller.life] {
    if (controller.life == life && controller.lock) step(controller, *answer);
  });
}

}  // namespace tenure::controller
