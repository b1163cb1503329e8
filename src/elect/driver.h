// Driver: binds one Elector to a Store, a Loop and a Work, and performs what the elector decides.
//
// Thread safety: created, used and destroyed on the loop's thread; is_leader() and lease() from any
// thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "core/elector.h"
#include "elect/work.h"
#include "runtime/loop.h"
#include "store/store.h"

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

class Driver {
 public:
  struct Parts {
    Loop& loop;
    Store& store;
    Work& work;
    Random& random;
    DriverObserver& observer;
  };
  Driver(Parts parts, std::string lock, ElectorOptions options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void start();
  void resign();
  /// Stops the work, releases, then calls observer.done().
  void stop();

  [[nodiscard]] const LeaseView& view() const;  ///< loop thread only
  [[nodiscard]] const std::string& lock() const;

  /// Any thread. Computed from an atomic and a fresh clock read: no thread has to run for it to
  /// turn false (H2).
  [[nodiscard]] bool is_leader() const;
  /// Any thread; epoch and validity of one moment.
  [[nodiscard]] LeaseSnapshot lease() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenure
