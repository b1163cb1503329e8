// For the tests of this folder: runs a loop until it is stopped, and fails instead of hanging.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "runtime/clock.h"
#include "runtime/loop.h"

namespace tenure {

inline void run_until_stopped(Loop& loop, const std::string& waiting_for) {
  const auto limit = loop.at(boot_now() + std::chrono::seconds(30), [&] {
    ADD_FAILURE() << "waited 30 s for " << waiting_for;
    loop.stop();
  });
  loop.run();
  loop.cancel(limit);
}

}  // namespace tenure
