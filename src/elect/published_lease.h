// PublishedLease: what one thread knows of a lease and others may ask at any time.
//
// Thread safety: publish() from one thread; the rest from any.
#pragma once

#include <atomic>

#include "core/lease_view.h"
#include "elect/contender.h"

namespace tenure {

class PublishedLease {
 public:
  void publish(const LeaseView& view) {
    const bool leads = view.role == Role::leading;
    const Epoch epoch = leads ? view.epoch : 0;
    const std::int64_t until = leads ? view.valid_until.ns() : 0;
    if (epoch_.load(std::memory_order_relaxed) == epoch &&
        until_.load(std::memory_order_relaxed) == until)
      return;
    sequence_.fetch_add(1, std::memory_order_acq_rel);
    epoch_.store(epoch, std::memory_order_release);
    until_.store(until, std::memory_order_release);
    sequence_.fetch_add(1, std::memory_order_release);
  }

  [[nodiscard]] bool is_valid(Instant now) const {
    return now.ns() < until_.load(std::memory_order_acquire);
  }

  [[nodiscard]] LeaseSnapshot snapshot() const {
    for (;;) {
      const std::uint32_t before = sequence_.load(std::memory_order_acquire);
      const LeaseSnapshot snapshot{epoch_.load(std::memory_order_acquire),
                                   Instant::from_ns(until_.load(std::memory_order_acquire))};
      if (before % 2 == 0 && sequence_.load(std::memory_order_acquire) == before) return snapshot;
    }
  }

 private:
  // A sequence lock (H.-J. Boehm, "Can seqlocks get along with programming language memory
  // models?", 2012): odd while it is written, so that snapshot() sees both values of one moment.
  std::atomic<std::uint32_t> sequence_{0};
  std::atomic<Epoch> epoch_{0};
  std::atomic<std::int64_t> until_{0};
};

}  // namespace tenure
