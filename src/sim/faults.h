// What can go wrong in a simulated run, and how often in this one.
//
// Every kind draws from a random stream of its own, so taking one kind out of a plan (as the
// shrinker does) leaves what the others do as it was.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "tenure/time.h"

namespace tenure::sim {

enum class Fault : std::uint8_t {
  // network: request leg and answer leg apart
  request_lost,
  request_delayed,
  request_duplicated,
  request_overtaken,
  answer_lost,
  answer_delayed,
  answer_duplicated,
  connection_hung,
  cut_requests,
  cut_answers,
  partition,
  clog,
  // store
  throttled,
  rejected,
  error_before,
  error_after,
  false_conflict,
  conflict_after_success,
  applied_late,
  stale_read,
  outage_silent,
  outage_refused,
  record_deleted,
  record_rolled_back,
  record_damaged,
  record_from_future,
  watch_gap,
  watch_delayed,
  watch_duplicated,
  server_time_wrong,
  // pause
  pause_short,
  pause_long,
  pause_at_action,
  pause_elector_only,
  machine_frozen,
  starvation,
  // clock
  clock_fast,
  clock_slow,
  clock_rate_changes,
  wall_step_forward,
  wall_step_back,
  wall_strobe,
  // crash
  crash,
  crash_at_action,
  crash_all,
  stop_and_restart,
  same_identity_twice,
  // configuration
  different_lease_durations,
  different_periods,
  // scale and malice
  herd_start,
  many_candidates,
  operator_resigns,
  work_fails,
  work_stops_slowly,
  work_ignores_stop,
  foreign_holder,
  foreign_wall_clock_wrong,
  forged_holder,
  forged_release,
  forged_epoch,
  count,
};

inline constexpr std::size_t kFaultCount = static_cast<std::size_t>(Fault::count);

/// "network", "store", "pause", "clock", "crash", "configuration", "scale and malice".
const char* family(Fault fault);
const char* name(Fault fault);
std::optional<Fault> fault_named(std::string_view name);

/// A set of fault kinds.
class FaultSet {
 public:
  static FaultSet all() { return FaultSet((std::uint64_t{1} << kFaultCount) - 1); }
  static FaultSet none() { return FaultSet(0); }
  [[nodiscard]] bool has(Fault f) const { return ((bits_ >> static_cast<unsigned>(f)) & 1U) != 0; }
  void add(Fault f) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(f); }
  void remove(Fault f) { bits_ &= ~(std::uint64_t{1} << static_cast<unsigned>(f)); }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  [[nodiscard]] std::vector<Fault> list() const;
  /// "crash,pause_long"; "none" when empty.
  [[nodiscard]] std::string to_string() const;
  bool operator==(const FaultSet&) const = default;

 private:
  explicit FaultSet(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_;
};
static_assert(kFaultCount < 64);

/// Which faults exist in one run and how strong they are, drawn from its seed ("swarm testing",
/// Groce et al., ISSTA 2012: a run without some kinds reaches states that a run with all of them
/// does not).
class FaultPlan {
 public:
  FaultPlan(std::uint64_t seed, FaultSet allowed);

  [[nodiscard]] bool on(Fault f) const { return active_.has(f) && !healed_; }
  [[nodiscard]] FaultSet active() const { return active_; }

  /// Whether this kind strikes this time; counts when it does.
  bool strikes(Fault f) {
    if (!on(f)) return false;
    if ((random(f).next() >> 48U) >= chance_[index(f)]) return false;
    fired_[index(f)]++;
    return true;
  }
  /// When a kind that comes by itself comes next.
  Duration next_after(Fault f) { return random(f).between(Duration(0), 2 * interval_[index(f)]); }
  void fired(Fault f) { fired_[index(f)]++; }
  [[nodiscard]] std::uint32_t count(Fault f) const { return fired_[index(f)]; }
  SplitMix& random(Fault f) { return random_[index(f)]; }

  /// From now on nothing goes wrong any more.
  void heal() { healed_ = true; }

 private:
  static std::size_t index(Fault f) { return static_cast<std::size_t>(f); }
  FaultSet active_ = FaultSet::none();
  bool healed_ = false;
  std::vector<SplitMix> random_;
  std::array<std::uint32_t, kFaultCount> chance_{};  // of 65536
  std::array<Duration, kFaultCount> interval_{};
  std::array<std::uint32_t, kFaultCount> fired_{};
};

}  // namespace tenure::sim
