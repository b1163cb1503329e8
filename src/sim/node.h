// One simulated candidate: its process, its clock, its links and its work.
#pragma once

#include <optional>
#include <string>

#include "core/elector.h"
#include "sim/node_clock.h"

namespace tenure::sim {

struct Node {
  int id = 0;
  std::string identity;
  ElectorOptions options;
  SplitMix random{0};
  std::optional<Elector> elector;  ///< absent while the process is down
  int incarnation = 0;

  // Clock and wall clock.
  NodeClock clock;
  std::int64_t wall_offset = 0;  ///< of the wall clock against the truth
  Instant clock_stood_at =
      Instant::from_ns(INT64_MIN);  ///< its reading while the machine was frozen last
  Epoch clock_stood_during =
      0;  ///< the tenure in which the machine was frozen: exclusion by time is not promised

  // Scheduling.
  TrueTime paused_until = 0;      ///< its elector handles nothing before
  bool work_paused = false;       ///< and its work neither
  TrueTime timer_at = INT64_MAX;  ///< the timer event that is on its way

  // Links.
  TrueTime requests_cut_until = 0;
  TrueTime answers_cut_until = 0;
  TrueTime rejected_until = 0;

  // Work.
  bool work_running = false;
  Epoch work_epoch = 0;
  TrueTime orphan_until = 0;  ///< a crashed candidate's work, until its guardian has killed it
  std::uint32_t work_generation = 0;

  // What the checkers know of it.
  Instant proven_until;  ///< sent-time + renew deadline of its newest write that the store really
                         ///< applied
  Epoch highest_applied = 0;
  Instant last_write_sent;
  bool wrote_before = false;
  OpId open_op = 0;  ///< the request that has neither been answered nor timed out
  Instant open_op_deadline;
  Instant up_since;
  std::uint64_t requests = 0;
  std::uint64_t news = 0;  ///< announcements of change

  [[nodiscard]] bool up() const { return elector.has_value(); }
  [[nodiscard]] bool paused(TrueTime t) const { return t < paused_until; }
  [[nodiscard]] Now now(TrueTime t) const {
    return {clock.local(t), WallTime::from_ns(kEpoch + t + wall_offset)};
  }
  /// Whether code in this process that asks "do I lead?" now is told yes.
  [[nodiscard]] bool believes(TrueTime t) const {
    return elector && elector->view().is_leader(clock.local(t));
  }
  static constexpr std::int64_t kEpoch = 1'800'000'000'000'000'000;  // some day in 2027
};

}  // namespace tenure::sim
