// Many runs at once, and what they say about some settings.
//
//   Report report = run_campaign({.settings = mine, .seeds = 1000});
//   report.safe();                      // no invariant was broken in any run
//   report.failover.quantile(0.99);     // after a kill, with a healthy store
//
// Deterministic: the same options give the same report, whatever the number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/run.h"

namespace tenure::sim {

/// Durations, kept to within a thousandth in at most 256 KiB however many are added.
class Distribution {
 public:
  void add(Duration d);
  void merge(const Distribution& other);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The value below which this share of the samples lies; zero without samples.
  [[nodiscard]] Duration quantile(double share) const;
  [[nodiscard]] Duration max() const { return max_; }
  /// How many samples lie in [from, to).
  [[nodiscard]] std::uint64_t between(Duration from, Duration to) const;

 private:
  // Every power of two in 1024 equal steps.
  static constexpr unsigned kStepBits = 10;
  static std::size_t bucket(Duration d);
  static Duration middle(std::size_t bucket);
  std::vector<std::uint32_t> buckets_;
  std::uint64_t count_ = 0;
  Duration max_{0};
};

struct CampaignOptions {
  std::optional<Settings>
      settings{};  ///< absent: drawn for the runs with faults, the defaults for the measures
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 1000;
  int candidates = 0;
  FaultSet faults = FaultSet::all();
  std::optional<bool> watch{};
  Duration round_trip{0};
  unsigned threads = 0;                ///< 0: one per core
  std::uint64_t keep_violations = 10;  ///< at most; all are counted
  /// Called from one thread now and then with the number of runs that are finished; false ends the
  /// campaign early.
  std::function<bool(std::uint64_t done)> progress{};
};

struct FoundViolation {
  std::uint64_t seed = 0;
  Violation violation;
  FaultSet active = FaultSet::none();
};

struct Report {
  std::uint64_t seeds = 0;
  std::uint64_t first_seed = 0;
  double virtual_seconds = 0;
  double wall_seconds = 0;
  std::uint64_t events = 0;
  std::uint64_t tenures = 0;
  std::uint64_t refused_writes = 0;
  std::uint64_t overlaps = 0;                ///< violations of "no-two-leaders" and "no-two-works"
  std::uint64_t epoch_order_violations = 0;  ///< of "epochs-rise" and "one-epoch-one-holder"
  std::uint64_t violations = 0;              ///< runs with any
  std::vector<FoundViolation> found;         ///< the first ones, by seed
  std::array<std::uint64_t, kFaultCount> fired{};
  double without_leader_share = 0;     ///< of the time in the runs with faults
  double store_requests_per_hour = 0;  ///< of all candidates of one lock together, in calm weather
  double store_writes_per_hour = 0;
  Distribution leaderless;  ///< stretches without a leader, in the runs with faults
  Distribution failover;    ///< kill to next tenure, healthy store
  Distribution handover;    ///< request to next tenure, healthy store
  std::uint64_t hash = 0;   ///< over the hashes of all runs, by seed

  [[nodiscard]] bool safe() const { return violations == 0; }
};

Report run_campaign(const CampaignOptions& options);

/// The smallest set of faults with which the run still breaks the same invariant: kinds are taken
/// out one by one until none can be spared. `options` must break one; returns the reduced options.
RunOptions shrink(RunOptions options);

}  // namespace tenure::sim
