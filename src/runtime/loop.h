// Loop: one thread that waits for timers, file descriptors and messages, and runs callbacks one
// after the other.
//
// Thread safety: post(), wake-safe stop() and now() from any thread; everything else on the loop's
// own thread (or before run()). Callbacks must not block and must not throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

/// What can be done with a descriptor without waiting.
struct Readiness {
  bool readable = false;
  bool writable = false;
};

class Loop {
 public:
  using Callback = std::function<void()>;
  using ReadyCallback = std::function<void(Readiness)>;
  /// Names a timer; 0 is never one. Cancelling an old or fired one does nothing.
  using TimerId = std::uint64_t;

  static Result<std::unique_ptr<Loop>> create();
  virtual ~Loop() = default;

  /// A fresh reading of both clocks.
  [[nodiscard]] virtual Now now() const = 0;

  /// Runs `callback` once at `when` (CLOCK_BOOTTIME, so a sleep of the machine counts) or as soon
  /// as possible after.
  virtual TimerId at(Instant when, Callback callback) = 0;
  virtual void cancel(TimerId timer) = 0;

  /// Runs `callback` on the loop's thread, after what was posted before. From any thread.
  virtual void post(Callback callback) = 0;

  /// The same, but does nothing once `owner`, whose thread is the loop's, has gone.
  template <class Function>
  void post_for(std::weak_ptr<void> owner, Function callback) {
    post([owner = std::move(owner), callback = std::move(callback)]() mutable {
      if (!owner.expired()) callback();
    });
  }

  /// Calls `ready` whenever `fd` has what is `wanted`, until unwatch; an error or a hang-up counts
  /// as whatever is wanted. A second watch of the same fd replaces the first. The fd stays the
  /// caller's, who unwatches it before closing it.
  virtual Status watch(int fd, Readiness wanted, ReadyCallback ready) = 0;
  virtual void unwatch(int fd) = 0;

  Status watch_readable(int fd, Callback readable) {
    return watch(fd, {.readable = true},
                 [callback = std::move(readable)](Readiness) { callback(); });
  }

  /// Runs until stop(). Posted callbacks that were not run yet when it returns are run by the next
  /// run() or dropped with the loop.
  virtual void run() = 0;
  virtual void stop() = 0;

  /// When the loop last came round to waiting; for the watchdog. From any thread.
  [[nodiscard]] virtual Instant last_turn() const = 0;

  /// How often the loop has woken since it was created; for measuring idleness. From any thread.
  [[nodiscard]] virtual std::uint64_t wakeups() const = 0;
};

}  // namespace tenure
