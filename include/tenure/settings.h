// Settings of an election, in client-go's words, and what follows from them.
//
//   tenure::Settings s;                      // 15 s, 10 s, 2 s: client-go's defaults
//   auto timing = tenure::check(s, {});      // refuses what could not be safe, and says what would
//   be
//
// Plain values. Durations are nanoseconds; the lease duration is in whole seconds because the
// record is.
#pragma once

#include <string>

#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

struct Settings {
  Duration lease_duration =
      std::chrono::seconds(15);  ///< D: how long a silent holder is waited for
  Duration renew_deadline = std::chrono::seconds(
      10);  ///< Dh: the holder stops work this long after its last good renewal was sent
  Duration retry_period = std::chrono::seconds(
      2);  ///< p: between renewals, and between looks of a candidate without watch
  Duration request_timeout{0};  ///< of one store request; 0: a quarter of the renew deadline
  Duration stop_margin =
      std::chrono::milliseconds(500);     ///< time that the work needs at least to end once told to
  int clock_rate_tolerance_percent = 10;  ///< rho: how much two clocks' rates may differ

  bool operator==(const Settings&) const = default;
};

/// What a store can and cannot do; a store states it, the settings check and the elector read it.
struct StoreTraits {
  bool linearizable = true;  ///< a read sees every write that ended before it began
  bool watch = false;  ///< changes are announced; without it candidates look every retry period
  bool server_time = false;           ///< answers carry the store's own clock
  bool production = true;             ///< false: demonstrations only
  bool survives_region_loss = false;  ///< the store outlives the loss of a region
  Duration min_write_interval{
      0};  ///< between two writes of one record (1 s on Google Cloud Storage)
};

/// What follows from settings; every field is a promise that the simulator checks.
struct Timing {
  Duration renew_interval;  ///< renewals are sent 1.1 to 1.4 times this apart
  Duration request_timeout;
  Duration renew_deadline;  ///< work is told to stop this long after the last good renewal was sent
  Duration hard_deadline;   ///< work has ended this long after it: D * (1 - rho) / (1 + rho)
  Duration lease_duration;
  Duration outage_survived;   ///< a store outage up to this long costs nobody the lock
  Duration worst_failover;    ///< after a crash, a new leader within this; see below
  Duration planned_handover;  ///< from the end of the work to the new leader; see below
  // All three hold while the store is healthy: it answers within half of the request time-out, and
  // for the first within a hundredth of the retry period (slower answers cost up to three times
  // their latency).

  /// "survives store outages of 4.7s; a new leader within 25.4s of a crash; planned hand-over
  /// within 8.7s"
  [[nodiscard]] std::string summary() const;
};

/// Checks the settings against each other and the store. A refusal names the values, the rule and a
/// working example. The rules are stated in docs/guarantees.md, "Settings that are refused".
Result<Timing> check(const Settings& settings, const StoreTraits& store);

}  // namespace tenure
