#include "runtime/timer_fd.h"

#include <sys/timerfd.h>

#include <algorithm>

namespace tenure {

UniqueFd make_timer() {
  return UniqueFd(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
}

void set_timer(int timer, Instant when) {
  itimerspec spec{};
  if (!when.is_never()) {
    const std::int64_t ns = std::max<std::int64_t>(when.ns(), 1);  // 0 would disarm
    spec.it_value = {ns / 1'000'000'000, ns % 1'000'000'000};
  }
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, nullptr);
}

}  // namespace tenure
