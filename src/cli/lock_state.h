// LockState: what a store's record says about one lock, ready to be shown. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "core/store_types.h"
#include "tenure/record.h"

namespace tenure::cli {

/// A lock that a controller holds for the candidate of a MultiClusterLease: what the object of one
/// cluster adds.
struct ClusterSide {
  std::string context;  ///< of the kubeconfig; empty in a Pod
  std::string name_space;
  std::string object;
  std::string candidate;                ///< empty: none
  std::optional<WallTime> heartbeat{};  ///< by the candidate's clock
  std::optional<std::int64_t> heartbeat_age_milliseconds{};
  bool leads = false;       ///< the candidate holds the lock
  std::string condition{};  ///< the worst trouble, in a few words, or "ok"
};

struct LockState {
  enum class Kind : std::uint8_t {
    held,
    free,
    expired,  ///< by this machine's wall clock: an estimate, candidates use their own timers
    unreadable,
  };
  Kind kind = Kind::free;
  std::string name;
  std::string store;
  std::string holder{};
  std::string cluster{};
  Epoch epoch = 0;  ///< kept when the lock is free
  std::optional<WallTime> renew_time{};
  std::optional<std::int64_t> lease_duration_seconds{};
  std::optional<std::int64_t> expires_in_milliseconds{};  ///< negative: that long ago
  std::optional<ClusterSide> side{};
};
const char* to_string(LockState::Kind kind);

LockState lock_state(std::string name, std::string store, const Observation& observation,
                     WallTime now);

/// Something that a person cares about is different; a renewal alone is not.
bool differs(const LockState& a, const LockState& b);

/// The keys of `tenure status -o json`; what there is not is null.
Json to_json(const LockState& lock);

enum class Columns : std::uint8_t { few, with_store, all };
/// A table with a heading.
std::string to_table(const std::vector<LockState>& locks, Columns columns);

}  // namespace tenure::cli
