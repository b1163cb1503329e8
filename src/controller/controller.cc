#include "controller/controller.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "kube/object_reader.h"
#include "store/lease_list.h"

namespace tenure::controller {
namespace {

using mcl::decode_lease_object;

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The server gives up by itself, so that what it has not done by then is not done later.
constexpr std::chrono::seconds kStatusTimeout(2);
constexpr Duration kStatusPatience = milliseconds(2500);
/// After a status that was not written; a conflict is followed by news of the object sooner.
constexpr Duration kStatusPause = milliseconds(500);

}  // namespace

struct Controller::Lock {
  Lock(std::string full_name, ClusterLock::Options options, Random& random)
      : name(std::move(full_name)),
        name_space(name.substr(0, name.find('/'))),
        store_key("leases/" + name),
        steps(std::move(options), random) {}

  const std::string name;
  const std::string name_space;
  const std::string store_key;
  ClusterLock steps;
  std::unique_ptr<Store::Subscription> subscription{};
  Loop::TimerId timer = 0;
  std::string detail{};  // the store's words about the latest failure
};

Controller::Controller(Parts parts, Options options)
    : parts_(parts),
      options_(std::move(options)),
      alive_(std::make_shared<char>()),
      watch_(parts_.loop, parts_.client, leases_path({}),
             {.changed = [this](const kube::Object& object) { on_told(object); },
              .deleted = [this](const std::string& key) { on_deleted(key); },
              .synced = [this] { on_synced(); },
              .problem = [this](const std::string& what) { parts_.observer.trouble(what); }}) {
  if (!options_.namespace_selector.empty()) watch_namespaces();
}

Controller::~Controller() {
  for (auto& [_, lock] : locks_) parts_.loop.cancel(lock->timer);
}

// -------------------------------------------------------------------------------------------------
// namespaces

void Controller::watch_namespaces() {
  namespaces_.emplace(
      parts_.loop, parts_.client,
      "/api/v1/namespaces?labelSelector=" + percent_encoded(options_.namespace_selector),
      kube::ObjectWatch::Handler{
          .changed = [this](const kube::Object& object) { take_up(object.key.substr(1)); },
          .deleted = [this](const std::string& key) { give_up(key.substr(1)); },
          .synced = [this] { on_synced(); },
          .problem = [this](const std::string& what) { parts_.observer.trouble(what); }});
}

bool Controller::is_synced() const {
  return watch_.is_synced() && (!namespaces_ || namespaces_->is_synced());
}

void Controller::on_synced() {
  if (is_synced()) parts_.observer.synced(objects_.size());
}

bool Controller::is_selected(const std::string& object_key) const {
  return !namespaces_ ||
         namespaces_->find("/" + object_key.substr(0, object_key.find('/'))) != nullptr;
}

// Its objects have been there for some time; whether their candidates live, nobody can tell yet.
void Controller::take_up(const std::string& name_space) {
  const std::string prefix = name_space + "/";
  for (auto at = told_.lower_bound(prefix); at != told_.end() && at->first.starts_with(prefix);
       ++at)
    if (!objects_.contains(at->first)) on_changed(at->second, /*created=*/false);
}

// As if its objects were gone: their statuses stay as they are, so their candidates stop by
// themselves, and the locks are given back when they have.
void Controller::give_up(const std::string& name_space) {
  std::vector<std::string> keys;
  const std::string prefix = name_space + "/";
  for (auto at = objects_.lower_bound(prefix);
       at != objects_.end() && at->first.starts_with(prefix); ++at)
    keys.push_back(at->first);
  for (const std::string& key : keys) leave(key);
}

// -------------------------------------------------------------------------------------------------
// objects

void Controller::on_told(const kube::Object& object) {
  if (namespaces_) told_[object.key] = object;
  on_changed(object, is_synced());
}

// `created`: were it new to us, it would be new altogether.
void Controller::on_changed(const kube::Object& object, bool created) {
  if (!is_selected(object.key)) return;
  const auto known = objects_.find(object.key);
  const bool is_new = known == objects_.end();
  // What the answer to an own status has told. The watch may as well be slower.
  if (!is_new && !object.version.empty() && known->second.own_version == object.version) return;
  auto decoded = decode_lease_object(object.json);
  if (!decoded) return;
  const std::string name = decoded->name_space + "/" + decoded->lock;
  if (!is_new && known->second.lock != name) leave(object.key);  // it names another now
  objects_[object.key] = {name, std::move(decoded->foreign_conditions), {}};
  step(lock_at(name), ClusterLock::Seen{.candidate = std::move(decoded->candidate),
                                        .status = std::move(decoded->status),
                                        .created = is_new && created});
}

void Controller::on_deleted(const std::string& key) {
  told_.erase(key);
  leave(key);
}

void Controller::leave(const std::string& object_key) {
  const auto known = objects_.extract(object_key);
  if (!known) return;
  Lock& lock = *locks_.at(known.mapped().lock);
  step(lock, ClusterLock::Gone{object_key.substr(object_key.find('/') + 1)});
}

Controller::Lock& Controller::lock_at(const std::string& name) {
  std::unique_ptr<Lock>& lock = locks_[name];
  if (lock) return *lock;
  lock = std::make_unique<Lock>(name,
                                ClusterLock::Options{.cluster = options_.cluster,
                                                     .store = parts_.store.traits(),
                                                     .mirror_renewals = options_.mirror_renewals},
                                random_);
  lock->subscription = parts_.store.watch(
      lock->store_key, [this, found = lock.get()] { step(*found, event::Changed{}); });
  step(*lock, ClusterLock::Start{});
  return *lock;
}

kube::EventSubject Controller::object_of(const Lock& lock, const std::string& name) const {
  kube::EventSubject object{.api_version = "multicluster.core.cnrm.cloud.google.com/v1alpha1",
                            .kind = "MultiClusterLease",
                            .name_space = lock.name_space,
                            .name = name};
  if (const kube::ObjectVersion* told = watch_.find(lock.name_space + "/" + name)) {
    object.uid = told->uid;
    object.version = told->version;
  }
  return object;
}

// -------------------------------------------------------------------------------------------------
// steps

void Controller::step(Lock& lock, ClusterLock::Event event) {
  std::vector<ClusterLock::Action> actions;
  lock.steps.step(parts_.loop.now(), std::move(event), actions);
  for (const ClusterLock::Action& action : actions) perform(lock, action);
  parts_.loop.cancel(std::exchange(lock.timer, 0));
  const Instant next = lock.steps.next_deadline();
  if (!next.is_never())
    lock.timer = parts_.loop.at(next, [this, &lock] { step(lock, ClusterLock::Tick{}); });
  if (lock.steps.is_idle()) drop_if_idle(lock);
}

// Later, because whoever called may not be done with it.
void Controller::drop_if_idle(Lock& lock) {
  parts_.loop.post_for(alive_, [this, name = lock.name] {
    const auto found = locks_.find(name);
    if (found == locks_.end() || !found->second->steps.is_idle()) return;
    parts_.loop.cancel(found->second->timer);
    locks_.erase(found);
    parts_.observer.forgotten(name);
  });
}

void Controller::perform(Lock& lock, const ClusterLock::Action& action) {
  using Kind = ClusterLock::Action::Kind;
  ControllerObserver& observer = parts_.observer;
  switch (action.kind) {
    case Kind::read: return read(lock, action);
    case Kind::write: return write(lock, action);
    case Kind::write_status: return write_status(lock, action.name);
    case Kind::became_leader:
      return observer.became_leader(lock.name, object_of(lock, action.name), action.identity,
                                    action.epoch);
    case Kind::stopped_leading:
      return observer.stopped_leading(lock.name, object_of(lock, action.name), action.identity,
                                      action.epoch, action.why);
    case Kind::report: return observer.reported(lock.name, action.note, lock.detail);
    case Kind::rival: return observer.has_rival(lock.name);
  }
}

void Controller::read(Lock& lock, const ClusterLock::Action& action) {
  parts_.store.read(
      lock.store_key, action.deadline,
      [this, alive = std::weak_ptr(alive_), name = lock.name, op = action.op](ReadResult result) {
        if (alive.expired()) return;
        const auto found = locks_.find(name);
        if (found == locks_.end()) return;
        if (result.outcome != ReadOutcome::ok) found->second->detail = result.detail;
        step(*found->second, event::ReadDone{op, std::move(result)});
      });
}

void Controller::write(Lock& lock, const ClusterLock::Action& action) {
  const WriteRequest request{&lock.steps.outgoing(), lock.steps.expected(), action.durable};
  parts_.store.write(
      lock.store_key, request, action.deadline,
      [this, alive = std::weak_ptr(alive_), name = lock.name, op = action.op](WriteResult result) {
        if (alive.expired()) return;
        const auto found = locks_.find(name);
        if (found == locks_.end()) return;
        if (result.outcome != WriteOutcome::applied) found->second->detail = result.detail;
        step(*found->second, event::WriteDone{op, std::move(result)});
      });
}

void Controller::write_status(Lock& lock, const std::string& name) {
  const auto object = objects_.find(lock.name_space + "/" + name);
  const std::string path =
      fmt::format("{}/namespaces/{}/multiclusterleases/{}/status?fieldManager=tenure&timeout={}s",
                  mcl::kLeasesPath, percent_encoded(lock.name_space), percent_encoded(name),
                  kStatusTimeout.count());
  parts_.client.send(
      {.method = "PATCH",
       .path = path,
       .body = mcl::encode_status_patch(
           lock.steps.status_of(name), lock.steps.candidate(name),
           {.store = parts_.store.describe(), .key = lock.store_key},
           object == objects_.end() ? std::string() : object->second.foreign_conditions),
       .content_type = "application/merge-patch+json",
       .deadline = parts_.loop.now().mono + kStatusPatience},
      [this, alive = std::weak_ptr(alive_), lock_name = lock.name,
       name](const Result<HttpResponse>& answer) {
        if (alive.expired()) return;
        const auto found = locks_.find(lock_name);
        if (found != locks_.end()) on_status_written(*found->second, name, answer);
      });
}

void Controller::on_status_written(Lock& lock, const std::string& name,
                                   const Result<HttpResponse>& answer) {
  ClusterLock::StatusWritten written;
  written.name = name;
  written.retry_after = kStatusPause;
  if (answer && answer->status == 200) {
    written.version = kube::version_of_object(answer->body).version;
    written.ok = !written.version.empty();
    const auto object = objects_.find(lock.name_space + "/" + name);
    if (object != objects_.end()) object->second.own_version = written.version;
  } else if (!answer) {
    parts_.observer.trouble(answer.error().to_string());
  } else if (answer->status != 404 && answer->status != 409) {
    parts_.observer.trouble(kube::parse_failure(*answer).message);
  }
  parts_.observer.status_written(written.ok);
  step(lock, written);
}

}  // namespace tenure::controller
