// Watchdog: ends the process when its loop hangs while it holds a lease.
//
// `tenure run` does not need it: GuardedProcess kills the command from outside. It is for programs
// that lead inside their own process, whose "you no longer lead" is a callback on the loop. When
// the loop cannot run that callback (a callback that blocks, a deadlock), the handler runs shortly
// before the lease's validity ends, on the watchdog's own thread. It is a last resort, and its
// default is to write a line to standard error and to _exit(70).
//
// Each lease that comes within `margin` of its end (which none does that is renewed in time) costs
// the watchdog and the loop one wake-up: the loop is asked for a sign of life, and has half of the
// margin to give it. Otherwise the watchdog sleeps. A process that was itself stopped, and so finds
// the lease expired, gets half of the margin too.
//
// Thread safety: hold() and release() from any thread. The loop must outlive the watchdog.
//
//   auto watchdog = Watchdog::create(*loop, std::chrono::milliseconds(500));
//   (*watchdog)->hold(valid_until);  // at each renewal
//   (*watchdog)->release();          // work has stopped
#pragma once

#include <functional>
#include <memory>

#include "runtime/loop.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

class Watchdog {
 public:
  using Handler = std::function<void()>;

  static Result<std::unique_ptr<Watchdog>> create(Loop& loop, Duration margin,
                                                  Handler hung = exit_now);
  virtual ~Watchdog() = default;

  /// A lease is held and valid until then. Wakes nobody.
  virtual void hold(Instant valid_until) = 0;
  virtual void release() = 0;

  [[noreturn]] static void exit_now();
};

}  // namespace tenure
