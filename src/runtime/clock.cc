#include "runtime/clock.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace tenure {
namespace {

std::int64_t read_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Instant boot_now() {
  return Instant::from_ns(read_ns(CLOCK_BOOTTIME));
}
WallTime wall_now() {
  return WallTime::from_ns(read_ns(CLOCK_REALTIME));
}
Now read_clocks() {
  return {boot_now(), wall_now()};
}

std::uint64_t SystemRandom::next() {
  if (used_ == kBuffered) {
    // Up to 256 bytes come whole or not at all (getrandom(2)).
    static_assert(sizeof buffer_ <= 256);
    while (getrandom(buffer_, sizeof buffer_, 0) != sizeof buffer_) {
      if (errno == EINTR) continue;
      // Guessable write ids would break the settling of unclear writes, so there is no fallback.
      std::perror("tenure: getrandom");
      std::abort();
    }
    used_ = 0;
  }
  return buffer_[used_++];
}

}  // namespace tenure
