// A node's own clock: it runs at its own rate, may be stopped, and never goes back.
#pragma once

#include <cstdint>

#include "tenure/time.h"

namespace tenure::sim {

/// True time since the run began, in nanoseconds. Only the simulator knows it.
using TrueTime = std::int64_t;

class NodeClock {
 public:
  explicit NodeClock(Instant local_start = Instant::from_ns(1'000'000'000))
      : base_local_(local_start.ns()) {}

  [[nodiscard]] Instant local(TrueTime t) const {
    if (frozen_) return Instant::from_ns(base_local_);
    const std::int64_t d = t - base_true_;
    return Instant::from_ns(base_local_ + d + d / 1'000'000 * ppm_ +
                            d % 1'000'000 * ppm_ / 1'000'000);
  }
  /// The earliest true time at which local() has reached `when`, if the rate stays. A minute ahead
  /// when frozen: ask again.
  [[nodiscard]] TrueTime true_at(Instant when) const {
    const std::int64_t d = when.ns() - base_local_;
    if (frozen_) return base_true_ + 60'000'000'000;
    if (d <= 0) return base_true_;
    const std::int64_t rate = 1'000'000 + ppm_;
    TrueTime t = base_true_ + d / rate * 1'000'000 + d % rate * 1'000'000 / rate;
    while (local(t) < when) t++;
    return t;
  }
  void set_rate(TrueTime now, std::int64_t ppm) {
    rebase(now);
    ppm_ = ppm;
  }
  void freeze(TrueTime now) {
    rebase(now);
    frozen_ = true;
  }
  void thaw(TrueTime now) {
    base_true_ = now;
    frozen_ = false;
  }
  [[nodiscard]] bool frozen() const { return frozen_; }

 private:
  void rebase(TrueTime now) {
    base_local_ = local(now).ns();
    base_true_ = now;
  }
  std::int64_t base_local_;
  TrueTime base_true_ = 0;
  std::int64_t ppm_ = 0;
  bool frozen_ = false;
};

}  // namespace tenure::sim
