// LeaseEvents: who leads, told as Kubernetes Events about MultiClusterLeases, in client-go's words:
//
//   kubectl describe mcl NAME
//
// News, not records: some may be lost. At most 256 wait, the oldest goes first; each is tried
// twice. Needs the verb create on events.
//
// Thread safety: the loop's thread only. Loop and client outlive it; destroying it drops all
// callbacks.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "kube/background_writer.h"
#include "kube/events.h"

namespace tenure::controller {

class LeaseEvents {
 public:
  /// `instance`: who says it: the cluster. `problem` hears of trouble, one line.
  LeaseEvents(Loop& loop, kube::Client& client, std::string instance,
              std::function<void(std::string)> problem);

  /// Returns at once; the Event has the time of this call.
  void record(const kube::EventSubject& about, const std::string& message);

 private:
  struct Waiting {
    kube::EventSubject subject;
    kube::LeaderElectionEvent event;
    bool tried = false;
  };
  bool begin();
  void on_answer(const kube::ApiAnswer& answer);

  Loop& loop_;
  const std::string instance_;
  SystemRandom random_;
  std::deque<Waiting> waiting_;  // the first is on its way while the writer is busy
  kube::BackgroundWriter writer_;
};

}  // namespace tenure::controller
