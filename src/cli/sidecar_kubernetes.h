// SidecarKubernetes: what a sidecar tells the cluster: Events about the Lease, if the lock is one,
// and a label on its own Pod, if it is asked for.
//
// The Pod is in the cluster that runs us, which need not be the one that has the Lease. Neither
// Events nor label ever holds an election up; their troubles are log lines.
//
// Thread safety: the loop's thread only. Loop and log outlive it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/run_log.h"
#include "kube/events.h"
#include "kube/pod_label.h"
#include "runtime/loop.h"
#include "store/store_url.h"
#include "tenure/result.h"

namespace tenure::cli {

class SidecarKubernetes {
 public:
  struct Options {
    StoreUrl lock_url;
    std::string lock;
    std::string identity;
    std::string pod_label;  ///< "key=value", or "" for none
    std::string pod;        ///< needed for the label
  };
  /// Errors: invalid_argument (the label, or no Pod), those of finding a cluster.
  static Result<std::unique_ptr<SidecarKubernetes>> create(Loop& loop, const RunLog& log,
                                                           const Options& options);

  void leads(bool leads);
  /// Waits for what is on its way, no longer than until `deadline`; then calls `done`, later.
  void settle(Instant deadline, const std::function<void()>& done);

 private:
  explicit SidecarKubernetes(Loop& loop) : loop_(loop) {}

  Loop& loop_;
  std::unique_ptr<kube::Client> lease_client_;  // before those that use it
  std::unique_ptr<kube::Client> pod_client_;    // null: the same as lease_client_
  std::optional<kube::EventRecorder> events_;
  std::optional<kube::PodLabel> label_;
};

}  // namespace tenure::cli
