// LeaseObjects: the MultiClusterLeases of one namespace as a store that can be looked at. What it
// shows as the record of a lock is what the controller of the cluster says about it; only that
// controller writes, so every write is rejected.
//
// Needs the verbs get, list and watch on multiclusterleases.
#pragma once

#include <memory>
#include <string>

#include "kube/client.h"
#include "runtime/loop.h"
#include "store/store.h"

namespace tenure {

class LeaseObjects {
 public:
  /// `url` is what describe() says. `loop` outlives the store. Asks the server nothing yet.
  static std::unique_ptr<Store> create(Loop& loop, std::unique_ptr<kube::Client> client,
                                       std::string url);
};

}  // namespace tenure
