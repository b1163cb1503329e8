// A ResourceLock of the user's as a Store with one record. Blocking calls run on a worker thread.
//
// Thread safety: as Store. Ownership: shares the lock with the user.
#pragma once

#include <memory>
#include <string>

#include "runtime/loop.h"
#include "store/store.h"
#include "tenure/resource_lock.h"

namespace tenure {

class ResourceLockStore : public Store {
 public:
  /// Tells the lock, in turn with the requests. An exception is of no consequence.
  virtual void record_event(std::string message) = 0;
};

Result<std::unique_ptr<ResourceLockStore>> make_resource_lock_store(
    Loop& loop, std::shared_ptr<ResourceLock> lock);

}  // namespace tenure
