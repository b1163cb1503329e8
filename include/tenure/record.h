// LeaderElectionRecord: what a store holds for one lock.
//
// The field names and their JSON are those of client-go's resourcelock.LeaderElectionRecord
// (k8s.io/client-go/tools/leaderelection/resourcelock), so that Go programs read what tenure writes
// and the other way round. Plain values; copy them freely between threads.
#pragma once

#include <cstdint>
#include <string>

#include "tenure/time.h"

namespace tenure {

/// The fencing token: `leaderTransitions` of the record. Positive, and higher for every new tenure
/// of a lock, a tenure of the same candidate included. 0 means "none". Hand it to every resource
/// that the leader writes, and let the resource refuse a lower epoch than the highest that it has
/// seen.
using Epoch = std::int64_t;

/// 128 random bits, new with every write: how a writer recognises its own write after an unclear
/// answer.
struct WriteId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const WriteId&) const = default;
  /// False for a record that another program wrote.
  [[nodiscard]] bool present() const { return (high | low) != 0; }
};

/// The format that this build writes; a record with a higher one is never overwritten.
inline constexpr int kRecordFormat = 1;

/// An epoch never passes this, because Kubernetes stores it as a signed 32-bit integer in a Lease.
inline constexpr Epoch kMaxEpoch = INT32_MAX;

struct LeaderElectionRecord {
  std::string holder_identity;  ///< empty: the lock is free
  std::int64_t lease_duration_seconds =
      0;                  ///< how long others must see the record unchanged before they may take it
  Duration grace{0};      ///< and how much longer, in milliseconds: a controller's
  WallTime acquire_time;  ///< information only
  WallTime renew_time;    ///< information only
  Epoch leader_transitions = 0;  ///< the epoch
  std::string strategy;          ///< client-go's, kept as found
  std::string preferred_holder;  ///< who should lead next; empty: anybody

  WriteId write_id;        ///< absent in records of other programs
  std::string cluster;     ///< where the holder runs; may be empty
  Epoch resign_epoch = 0;  ///< the tenure with this epoch is asked to step down; 0: none
  int format = kRecordFormat;
  std::string
      unknown_json;  ///< a JSON object with keys that tenure does not know, kept; "" when none

  bool operator==(const LeaderElectionRecord&) const = default;
  [[nodiscard]] bool is_free() const { return holder_identity.empty(); }
};

/// A store's name for one exact state of a record: revision, generation, ETag. Compared for
/// equality only. Empty means "there is no record".
using Version = std::string;

}  // namespace tenure
