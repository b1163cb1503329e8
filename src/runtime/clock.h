// The only place that reads the machine's clocks and its entropy.
#pragma once

#include "base/random.h"
#include "tenure/time.h"

namespace tenure {

/// CLOCK_BOOTTIME; async-signal-safe, any thread.
Instant boot_now();
/// CLOCK_REALTIME; any thread.
WallTime wall_now();
Now read_clocks();

/// The kernel's random numbers, getrandom(2), buffered. Not thread-safe.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;

 private:
  static constexpr unsigned kBuffered = 32;
  std::uint64_t buffer_[kBuffered] = {};
  unsigned used_ = kBuffered;
};

}  // namespace tenure
