// LeaderElector: runs your code while this process leads, and only then.
//
//   auto elector = tenure::LeaderElector::create({
//       .lock_url = "sqlite:///var/lib/app/locks.db",
//       .lock_name = "backup",
//       .callbacks = {.on_started_leading = lead}});   // void lead(std::stop_token, tenure::Epoch)
//   if (!elector) { std::cerr << elector.error().to_string() << '\n'; return 2; }
//   (*elector)->run(stop_token);   // until a stop is requested
//
// Guarantees (docs/guarantees.md): every tenure has a higher epoch than all before it; while clock
// rates differ by less than the settings tolerate and no process is stopped for longer than its
// margin, no two candidates lead at once; a process that was frozen may wake up believing for one
// instruction too long, so hand the epoch to whatever you write.
//
// Differences from client-go, on purpose: it contends again after a loss; callbacks come in order
// from one queue; the lock is released only after the work has ended; is_leader() is a function of
// time, not a flag that a thread must clear.
//
// Thread safety: run() once, from any one thread; everything else from any thread. Destroy it after
// run() has returned.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "tenure/record.h"
#include "tenure/resource_lock.h"
#include "tenure/result.h"
#include "tenure/settings.h"
#include "tenure/stop_reason.h"

namespace tenure {

/// Who leads, as last seen. An empty identity: nobody.
struct Leader {
  std::string identity;
  Epoch epoch = 0;
};

struct Callbacks {
  /// The work. Runs on a thread of its own; asked to stop through the token when leadership ends,
  /// and must then return within the stop margin. Returning earlier gives the lock up; so does an
  /// exception, which is reported. Required.
  std::function<void(std::stop_token, Epoch)> on_started_leading{};

  // The following come one after the other from one queue, in the order in which things happened,
  // and must not block for long. An exception in one of them makes this process step down and is
  // reported.

  /// After on_started_leading has returned, and before the lock is released. Only ever after a
  /// start.
  std::function<void(StopReason)> on_stopped_leading{};
  /// Another leader is seen (this process included), or that there is none.
  std::function<void(const Leader&)> on_new_leader{};
  /// The work of this epoch was still running when another candidate may lead. Think of ending the
  /// process.
  std::function<void(Epoch)> on_overrun{};
  /// Something that a person should hear: an unreachable store, a damaged record, an exception.
  std::function<void(const std::string&)> on_problem{};
};

struct LeaderElectorConfig {
  /// Where the lock lives: sqlite:///path, k8s://context/namespace, gs://bucket/prefix, or
  /// mcl://context/namespace for a MultiClusterLease: its controller holds the lock, and this is a
  /// candidate that signals its wish and waits to be confirmed. "": the SQLite file of this user.
  std::string lock_url{};
  std::string lock_name{};               ///< required with lock_url
  std::shared_ptr<ResourceLock> lock{};  ///< instead of lock_url and lock_name
  std::string identity{};  ///< unique among all candidates; "" draws one from host name and chance.
                           ///< In a MultiClusterLease it gets a random part, anew for each tenure
  std::string cluster{};   ///< where this candidate runs, for people; may be empty
  Settings settings{};     ///< durations in the lock URL win over these
  bool contend_again = true;  ///< false: run() returns after the first tenure
  Callbacks callbacks{};
};

class LeaderElector {
 public:
  /// Checks everything that can be checked without contending. Errors: invalid_argument, and what
  /// the store says.
  static Result<std::unique_ptr<LeaderElector>> create(LeaderElectorConfig config);
  virtual ~LeaderElector() = default;

  /// Contends, leads, and contends again until `stop` is requested; then stops the work, waits for
  /// it, releases the lock and returns. Blocks the calling thread, which serves the election.
  virtual Status run(std::stop_token stop) = 0;

  /// Computed at the call from the published deadline and a fresh reading of the clock.
  [[nodiscard]] virtual bool is_leader() const = 0;
  /// The fencing token of the current tenure; 0 when not leading.
  [[nodiscard]] virtual Epoch epoch() const = 0;
  [[nodiscard]] virtual const std::string& identity() const = 0;
  /// What follows from the settings.
  [[nodiscard]] virtual const Timing& timing() const = 0;

  /// Hand over: stop the work, release, and let another candidate win. Does nothing when not
  /// leading.
  virtual void resign() = 0;
  /// How often a work outlived its hard deadline.
  [[nodiscard]] virtual std::uint64_t overruns() const = 0;
};

}  // namespace tenure
