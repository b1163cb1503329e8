// LeaseDriver: a candidate for a MultiClusterLease, whose lock the controller of its cluster holds.
//
//   auto client = open_cluster(loop, *parse_store_url("mcl://production/default", folders));
//   LeaseDriver driver({.loop = loop, .work = work, .random = random, .observer = observer},
//                      *std::move(client), "backup", options);
//   driver.start();
//   loop.run();
//
// Requests: one watch of one object, and a conditional patch of its spec a heartbeat; the object is
// made where there is none, and never deleted.
#pragma once

#include <memory>
#include <string>

#include "elect/step_runner.h"
#include "kube/client.h"
#include "kube/object_watch.h"
#include "mcl/multi_cluster_lease_lock.h"

namespace tenure {

class LeaseDriver final : public StepRunner<mcl::MultiClusterLeaseLock> {
 public:
  struct Parts {
    Loop& loop;
    Work& work;
    Random& random;
    DriverObserver& observer;
  };
  /// The client's config names the namespace.
  LeaseDriver(Parts parts, std::unique_ptr<kube::Client> client, std::string lock,
              mcl::MultiClusterLeaseLock::Options options);

  void start() override;

 private:
  void request(const Action& action) override;
  [[nodiscard]] std::string path() const;

  const std::unique_ptr<kube::Client> client_;
  std::unique_ptr<kube::ObjectWatch> watch_;
};

}  // namespace tenure
