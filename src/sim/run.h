// One simulated run: the shipping elector, several candidates, a store, a network, clocks, and
// everything that can go wrong, in virtual time and from one seed.
//
//   auto result = tenure::sim::run({.seed = 7});
//   if (!result.violations.empty()) ...   // sim::run({.seed = 7, .trace = true}).timeline shows
//   why
//
// The same options give the same result, to the last bit of `hash`, on every machine: no clock, no
// thread, no floating point and no address takes part. Thread safety: a run shares nothing; run as
// many at once as there are cores.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/faults.h"
#include "sim/node_clock.h"
#include "tenure/settings.h"

namespace tenure::sim {

enum class Story : std::uint8_t {
  faults,    ///< everything goes wrong, then heals: safety, then liveness
  failover,  ///< a healthy store; leaders are killed and asked to hand over in turn, to measure how
             ///< long that takes
};

struct RunOptions {
  std::uint64_t seed = 1;
  Story story = Story::faults;
  std::optional<Settings> settings{};  ///< drawn when absent
  int candidates = 0;                  ///< 0: drawn, 3 to 7
  FaultSet faults = FaultSet::all();   ///< which kinds may be drawn
  std::optional<bool> watch{};         ///< whether the store announces changes; drawn when absent
  Duration round_trip{0};              ///< of a store request, typical; 0: drawn
  Duration safety_phase = std::chrono::seconds(480);
  bool trace = false;  ///< fill RunResult::timeline
  /// For the canary: clocks run this much too fast or too slow, beyond what the settings tolerate.
  int break_clocks_by_percent = 0;
};

struct Violation {
  TrueTime at = 0;
  std::string invariant;  ///< short and stable, such as "no-two-leaders"
  std::string message;
};

struct RunResult {
  std::uint64_t seed = 0;
  std::uint64_t hash = 0;  ///< over every event in order
  std::uint64_t events = 0;
  TrueTime virtual_time = 0;
  int candidates = 0;
  FaultSet active = FaultSet::none();  ///< what was drawn
  std::array<std::uint32_t, kFaultCount> fired{};
  std::vector<Violation> violations;  ///< the run ends at the first
  std::uint32_t tenures = 0;
  std::uint32_t refused_writes = 0;  ///< by the resource, because of a lower epoch
  std::uint32_t overruns =
      0;  ///< works that outlived their hard deadline, in runs where nothing kills them
  std::uint64_t store_requests = 0;
  std::uint64_t store_writes = 0;
  TrueTime without_leader = 0;
  std::vector<TrueTime> leaderless;  ///< each stretch without a leader
  std::vector<TrueTime> failover;    ///< Story::failover: from the kill to the next tenure
  std::vector<TrueTime> handover;    ///< Story::failover: from the request to the next tenure
  std::vector<std::string> timeline;
};

RunResult run(const RunOptions& options);

}  // namespace tenure::sim
