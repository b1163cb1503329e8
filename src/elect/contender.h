// Contender: one candidate for one lock, whatever the protocol: what programs that run work see.
//
// Thread safety: created, used and destroyed on the loop's thread; is_leader() and lease() from any
// thread.
#pragma once

#include <string>

#include "core/elector.h"

namespace tenure {

/// Hears what happens; every function is called on the loop's thread. The default does nothing.
class DriverObserver {
 public:
  virtual ~DriverObserver() = default;
  /// The record names another holder or epoch (the own one included).
  virtual void leader_changed(const LeaseView&) {}
  /// The role changed: contending, leading, stopping ...
  virtual void role_changed(const LeaseView&, StopReason) {}
  /// Something a person should hear; `detail` is the store's own words.
  virtual void reported(Action::Note, const std::string& /*detail*/) {}
  /// The work was still running at the hard deadline.
  virtual void overran(Epoch) {}
  /// The candidate will do nothing more.
  virtual void done(StopReason) {}
};

/// The published part of a lease: what other threads may ask.
struct LeaseSnapshot {
  Epoch epoch = 0;  ///< 0 when not leading
  Instant valid_until;
};

class Contender {
 public:
  virtual ~Contender() = default;

  virtual void start() = 0;
  virtual void resign() = 0;
  /// Stops the work, releases, then calls observer.done().
  virtual void stop() = 0;

  [[nodiscard]] virtual const LeaseView& view() const = 0;  ///< loop thread only
  [[nodiscard]] virtual const std::string& lock() const = 0;

  /// Any thread. Computed from an atomic and a fresh clock read: no thread has to run for it to
  /// turn false (H2).
  [[nodiscard]] virtual bool is_leader() const = 0;
  /// Any thread; epoch and validity of one moment.
  [[nodiscard]] virtual LeaseSnapshot lease() const = 0;
};

}  // namespace tenure
