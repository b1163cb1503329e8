// LeaseStore: locks as coordination.k8s.io/v1 Leases in one namespace, shared with Go programs that
// use client-go's LeaseLock.
//
// Writes are PUTs with resourceVersion and uid, or POSTs when there must be none; one request each.
// A watch follows one Lease (field selector metadata.name, so that RBAC may name it) and begins
// with the newest state at each connection: it needs no list and misses nothing. Where watching is
// forbidden or breaks, it says "changed" every few seconds instead.
//
// Needs the verbs get, create, update and watch on leases; list only for list().
#pragma once

#include <memory>
#include <string>

#include "kube/client.h"
#include "runtime/loop.h"
#include "store/store.h"

namespace tenure {

class LeaseStore {
 public:
  /// `url` is what describe() says. `loop` outlives the store. Asks the server nothing yet.
  static std::unique_ptr<Store> create(Loop& loop, std::unique_ptr<kube::Client> client,
                                       std::string url);
};

}  // namespace tenure
