// Waits for what nothing tells us, by asking again and again, for 20 s at the most. Any thread.
#pragma once

#include <poll.h>

#include "runtime/clock.h"

namespace tenure::test {

constexpr Duration kPatience = std::chrono::seconds(20);

/// False when the condition did not come.
template <class Condition>
bool eventually(Condition condition) {
  const Instant end = boot_now() + kPatience;
  while (!condition()) {
    if (boot_now() >= end) return false;
    poll(nullptr, 0, 20);
  }
  return true;
}

}  // namespace tenure::test
