// Work: what runs while a candidate leads. A child process, a user's callback, or a test's
// recorder.
#pragma once

#include <functional>

#include "core/lease_view.h"
#include "tenure/record.h"

namespace tenure {

/// Thread safety: all functions are called on the loop's thread and must return at once.
/// Order: start, then renewed any number of times, then possibly stop, then possibly kill; then
/// `finished` exactly once for that epoch, on the loop's thread, never from inside start(). A next
/// start() comes only after `finished`.
class Work {
 public:
  using Finished = std::function<void(bool failed)>;
  virtual ~Work() = default;

  /// A tenure begins. The work must have ended by `hard_deadline`, which renewed() moves.
  virtual void start(Epoch epoch, Instant valid_until, Instant hard_deadline,
                     Finished finished) = 0;
  /// The lease was renewed.
  virtual void renewed(Instant valid_until, Instant hard_deadline) = 0;
  /// End soon; the hard deadline stays what it was.
  virtual void stop(StopReason reason) = 0;
  /// The hard deadline has come.
  virtual void kill() = 0;
};

}  // namespace tenure
