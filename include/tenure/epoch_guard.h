// EpochGuard: the check that a resource makes so that no former leader can corrupt it.
//
//   tenure::EpochGuard guard;
//   if (!guard.admit(request.epoch)) return refuse("a later leader has been here");
//
// A lease alone cannot protect a resource from a leader that was frozen in the middle of a write;
// refusing an epoch lower than the highest one seen can (M. Kleppmann, "How to do distributed
// locking", 2016). The guard forgets with its process: a resource that outlives it stores the epoch
// with its data and compares in the same transaction.
//
// Thread safety: all functions, from any thread.
#pragma once

#include <atomic>

#include "tenure/record.h"

namespace tenure {

class EpochGuard {
 public:
  explicit EpochGuard(Epoch highest_seen = 0) : highest_(highest_seen) {}

  /// True when no higher epoch was admitted before; remembers the epoch. Epochs below 1 are never
  /// admitted.
  bool admit(Epoch epoch) {
    Epoch seen = highest_.load();
    while (epoch > seen && !highest_.compare_exchange_weak(seen, epoch)) {
    }
    return epoch > 0 && epoch >= seen;
  }

  [[nodiscard]] Epoch highest() const { return highest_.load(); }

 private:
  std::atomic<Epoch> highest_;
};

}  // namespace tenure
