// A MultiClusterLease as the API server shows it, and the patch of its status.
//
// The format is that of github.com/gke-labs/multicluster-leader-election, v1alpha1, with tenure's
// own fields beside it: spec.lockName and spec.priority; status.fencingToken, isLeader,
// currentLeader, lastHeartbeatTime and lock.
//
// Pure; no function throws.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mcl/candidate.h"

namespace tenure::mcl {

inline constexpr const char* kLeasesPath = "/apis/multicluster.core.cnrm.cloud.google.com/v1alpha1";

struct LeaseObject {
  std::string name_space;
  std::string lock;  ///< spec.lockName, or else the object's own name
  std::string uid;
  Candidate candidate;
  LeaseStatus status;
  std::string foreign_conditions;  ///< of the status, as a JSON array; empty: there are none
};

/// Nothing when it is no such object. A field of another type than it should be counts as absent:
/// the API server's schema refuses it anyway. What is not of interest is not checked.
std::optional<LeaseObject> decode_lease_object(std::string_view json);

/// What a candidate says about itself.
struct Candidacy {
  std::string version{};   ///< that the object has; empty: there is none yet
  std::string identity{};  ///< empty: it wants nothing any more
  std::string renew_time{};
  CandidateTiming timing{};
};
/// The object of this name, or a merge patch for the one that there is, valid only while it has
/// this version.
std::string encode_candidacy(const Candidacy& candidacy, const std::string& name);

struct LockPlace {
  std::string store;  ///< its URL, without secrets
  std::string key;
};

/// A merge patch (RFC 7386) for the subresource status of the object of this candidate, valid only
/// while it has this version. `foreign_conditions`: those of LeaseObject, which are kept.
std::string encode_status_patch(const LeaseStatus& status, const Candidate& candidate,
                                const LockPlace& place, std::string_view foreign_conditions);

}  // namespace tenure::mcl
