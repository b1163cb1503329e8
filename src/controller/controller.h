// Controller: the MultiClusterLeases of one cluster, each lock held in a store on behalf of its
// candidates. ClusterLock decides; this carries requests.
//
//   Controller controller({.loop = loop, .client = client, .store = *store, .observer = observer},
//                         {.cluster = "east"});
//   loop.run();
//
// Ending it gives nothing back: the next one goes on within the lease, and no candidate notices.
//
// Thread safety: the loop's thread only. Ownership: all parts outlive it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "controller/cluster_lock.h"
#include "kube/client.h"
#include "kube/events.h"
#include "kube/object_watch.h"
#include "mcl/lease_object.h"
#include "runtime/clock.h"
#include "runtime/loop.h"
#include "store/store.h"

namespace tenure::controller {

/// Hears what happens; `lock` is "namespace/name", and a subject without uid is gone. The default
/// does nothing.
class ControllerObserver {
 public:
  virtual ~ControllerObserver() = default;
  virtual void became_leader(const std::string& /*lock*/, const kube::EventSubject&,
                             const std::string& /*identity*/, Epoch) {}
  /// The object may name another candidate by now, or be gone.
  virtual void stopped_leading(const std::string& /*lock*/, const kube::EventSubject&,
                               const std::string& /*identity*/, Epoch, const std::string& /*why*/) {
  }
  /// Something a person should hear; `detail` is the store's own words.
  virtual void reported(const std::string& /*lock*/, tenure::Action::Note,
                        const std::string& /*detail*/) {}
  /// A request to the store, and what became of it.
  virtual void request_done(const char* /*op*/, const char* /*outcome*/) {}
  virtual void status_written(bool /*ok*/) {}
  virtual void forgotten(const std::string& /*lock*/) {}
  /// K2: another controller of this cluster writes to the store.
  virtual void has_rival(const std::string& /*lock*/) {}
  /// The API server, one line.
  virtual void trouble(const std::string&) {}
  virtual void synced(std::size_t /*objects*/) {}
};

class Controller {
 public:
  struct Parts {
    Loop& loop;
    kube::Client& client;
    Store& store;
    ControllerObserver& observer;
  };
  struct Options {
    std::string cluster;  ///< not empty
    /// Only objects of namespaces with such labels; kube::check_label_selector() has said yes.
    /// Empty for all.
    std::string namespace_selector{};
    bool mirror_renewals = false;  ///< as of ClusterLock
  };
  Controller(Parts parts, Options options);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  [[nodiscard]] bool is_synced() const;
  [[nodiscard]] std::size_t locks() const { return locks_.size(); }

 private:
  struct Lock;
  struct Taken {
    std::string lock;
    std::string foreign_conditions;  // in its status; what else it says ClusterLock remembers
    std::string own_version;         // that the last own status made
  };

  void watch_namespaces();
  void on_synced();
  void take_up(const std::string& name_space);
  void give_up(const std::string& name_space);
  [[nodiscard]] bool is_selected(const std::string& object_key) const;
  void on_told(const kube::Object& object);
  void on_changed(const kube::Object& object, bool created);
  void on_deleted(const std::string& key);
  void leave(const std::string& object_key);
  Lock& lock_at(const std::string& name);
  void step(Lock& lock, ClusterLock::Event event);
  void perform(Lock& lock, const ClusterLock::Action& action);
  void read(Lock& lock, const ClusterLock::Action& action);
  void write(Lock& lock, const ClusterLock::Action& action);
  void write_status(Lock& lock, const std::string& name);
  void on_status_written(Lock& lock, const std::string& name, const Result<HttpResponse>& answer);
  [[nodiscard]] kube::EventSubject object_of(const Lock& lock, const std::string& name) const;
  void drop_if_idle(Lock& lock);

  const Parts parts_;
  const Options options_;
  SystemRandom random_;
  std::map<std::string, std::unique_ptr<Lock>> locks_;  // by "namespace/name"
  std::map<std::string, Taken> objects_;                // by the object's key
  const std::shared_ptr<char> alive_;
  std::optional<kube::ObjectWatch> namespaces_;  // none: all are ours
  std::map<std::string, kube::Object> told_;     // all, for the day when their namespace is ours
  kube::ObjectWatch watch_;                      // last: it calls the rest
};

}  // namespace tenure::controller
