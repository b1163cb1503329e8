#include "sim/faults.h"

namespace tenure::sim {
namespace {

struct Name {
  const char* family;
  const char* name;
};

constexpr std::array<Name, kFaultCount> kNames{{
    {"network", "request_lost"},
    {"network", "request_delayed"},
    {"network", "request_duplicated"},
    {"network", "request_overtaken"},
    {"network", "answer_lost"},
    {"network", "answer_delayed"},
    {"network", "answer_duplicated"},
    {"network", "connection_hung"},
    {"network", "cut_requests"},
    {"network", "cut_answers"},
    {"network", "partition"},
    {"network", "clog"},
    {"store", "throttled"},
    {"store", "rejected"},
    {"store", "error_before"},
    {"store", "error_after"},
    {"store", "false_conflict"},
    {"store", "conflict_after_success"},
    {"store", "applied_late"},
    {"store", "stale_read"},
    {"store", "outage_silent"},
    {"store", "outage_refused"},
    {"store", "record_deleted"},
    {"store", "record_rolled_back"},
    {"store", "record_damaged"},
    {"store", "record_from_future"},
    {"store", "watch_gap"},
    {"store", "watch_delayed"},
    {"store", "watch_duplicated"},
    {"store", "server_time_wrong"},
    {"pause", "pause_short"},
    {"pause", "pause_long"},
    {"pause", "pause_at_action"},
    {"pause", "pause_elector_only"},
    {"pause", "machine_frozen"},
    {"pause", "starvation"},
    {"clock", "clock_fast"},
    {"clock", "clock_slow"},
    {"clock", "clock_rate_changes"},
    {"clock", "wall_step_forward"},
    {"clock", "wall_step_back"},
    {"clock", "wall_strobe"},
    {"crash", "crash"},
    {"crash", "crash_at_action"},
    {"crash", "crash_all"},
    {"crash", "stop_and_restart"},
    {"crash", "same_identity_twice"},
    {"configuration", "different_lease_durations"},
    {"configuration", "different_periods"},
    {"scale and malice", "herd_start"},
    {"scale and malice", "many_candidates"},
    {"scale and malice", "operator_resigns"},
    {"scale and malice", "work_fails"},
    {"scale and malice", "work_stops_slowly"},
    {"scale and malice", "work_ignores_stop"},
    {"scale and malice", "foreign_holder"},
    {"scale and malice", "foreign_wall_clock_wrong"},
    {"scale and malice", "forged_holder"},
    {"scale and malice", "forged_release"},
    {"scale and malice", "forged_epoch"},
}};

// Rare even when drawn: each of them ends what the other faults could still have broken.
bool drastic(Fault f) {
  switch (f) {
    case Fault::record_deleted:
    case Fault::record_rolled_back:
    case Fault::record_damaged:
    case Fault::record_from_future:
    case Fault::forged_holder:
    case Fault::forged_release:
    case Fault::forged_epoch:
    case Fault::many_candidates:
    case Fault::machine_frozen: return true;
    default: return false;
  }
}

}  // namespace

const char* family(Fault fault) {
  return kNames[static_cast<std::size_t>(fault)].family;
}
const char* name(Fault fault) {
  return kNames[static_cast<std::size_t>(fault)].name;
}

std::optional<Fault> fault_named(std::string_view text) {
  for (std::size_t i = 0; i < kFaultCount; i++)
    if (text == kNames[i].name) return static_cast<Fault>(i);
  return std::nullopt;
}

std::vector<Fault> FaultSet::list() const {
  std::vector<Fault> faults;
  for (std::size_t i = 0; i < kFaultCount; i++)
    if (has(static_cast<Fault>(i))) faults.push_back(static_cast<Fault>(i));
  return faults;
}

std::string FaultSet::to_string() const {
  std::string text;
  for (const Fault f : list()) text += (text.empty() ? "" : ",") + std::string(name(f));
  return text.empty() ? "none" : text;
}

FaultPlan::FaultPlan(std::uint64_t seed, FaultSet allowed) {
  using std::chrono::seconds;
  SplitMix of_run(seed);
  // One run in eight is calm, so that what only shows in calm weather shows.
  const std::uint64_t shape = of_run.below(8);
  const std::uint64_t share = shape == 0 ? 0 : shape <= 5 ? 5 : 12;  // of 32
  random_.reserve(kFaultCount);
  for (std::size_t i = 0; i < kFaultCount; i++) {
    const auto f = static_cast<Fault>(i);
    SplitMix& own = random_.emplace_back(seed ^ (0x9e3779b97f4a7c15ULL * (i + 1)));
    static constexpr std::array<std::uint32_t, 4> kChances{256, 1024, 4096, 12000};
    static constexpr std::array<Duration, 4> kIntervals{seconds(15), seconds(40), seconds(100),
                                                        seconds(240)};
    const bool drawn = own.below(32) < (drastic(f) ? share / 4 : share);
    chance_[i] = kChances[own.below(kChances.size())];
    interval_[i] = kIntervals[own.below(kIntervals.size())];
    if (drawn && allowed.has(f)) active_.add(f);
  }
}

}  // namespace tenure::sim
