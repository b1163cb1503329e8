// The kernel's timers on CLOCK_BOOTTIME, as descriptors. Async-signal-safe, from any thread.
#pragma once

#include "runtime/unique_fd.h"
#include "tenure/time.h"

namespace tenure {

/// Non-blocking, close-on-exec, not set. Empty on failure, with errno.
UniqueFd make_timer();

/// To be readable from `when` on: at once if that is past, not at all if it is never.
void set_timer(int timer, Instant when);

}  // namespace tenure
