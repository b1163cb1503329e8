// What one MultiClusterLease says, and what the controller answers. Values only.
// The wire format is that of github.com/gke-labs/multicluster-leader-election, v1alpha1.
#pragma once

#include <cstdint>
#include <string>

#include "tenure/record.h"
#include "tenure/time.h"

namespace tenure::mcl {

/// Times that a candidate states, or that are assumed for it.
struct CandidateTiming {
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  bool operator==(const CandidateTiming&) const = default;
};

struct Candidate {
  std::string name;     ///< of the object, in the lock's namespace
  std::string version;  ///< resourceVersion
  std::int64_t generation = 0;
  std::string identity;    ///< empty: it wants nothing
  std::string renew_time;  ///< as it stands there: compared, never understood
  CandidateTiming timing;
  std::int64_t priority = 0;
};

/// One condition of a status. Its reason follows from its type and `holds`.
struct Condition {
  bool holds = false;
  std::string message;
  std::int64_t since_seconds = 0;  ///< of `holds`; 0: unknown. Follows from what came before
  bool operator==(const Condition& other) const {
    return holds == other.holds && message == other.message;
  }
};

/// How far a status may be behind the renewals of a holder elsewhere.
constexpr std::chrono::seconds kMirrorEvery(600);

struct LeaseStatus {
  std::int64_t observed_generation = 0;  ///< 0: none yet
  std::string holder;                    ///< empty: nobody
  std::int64_t renewed_seconds = 0;      ///< since 1970; 0: unknown
  std::int64_t lease_duration_seconds = 0;
  Epoch epoch = 0;  ///< the last one
  bool is_leader = false;
  std::int64_t heartbeat_seconds = 0;  ///< when the candidate moved last; 0: never
  Condition backend_healthy;
  Condition lock_acquired;
  Condition candidate_live;
  Condition leader;
  bool operator==(const LeaseStatus&) const = default;
};

}  // namespace tenure::mcl
