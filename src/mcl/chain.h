// Chain: the times of a lock that a controller holds on behalf of a candidate, each longer than
// the one before:
//
//   the candidate stops < the controller gives the lock up < the lease runs out elsewhere
//
// All are counted from the moment before the controller's last good renewal was sent. A heartbeat
// is acknowledged up to `fresh` after it. client-go reads the acknowledgement up to a second later,
// sleeps for its retry period, and tries for its renew deadline before it stops; so the candidate
// has stopped `stops_within` after the acknowledgement was written. tenure's own client counts from
// its heartbeat and stops earlier.
//
// https://github.com/kubernetes/client-go/blob/v0.35.4/tools/leaderelection/leaderelection.go,
// renew().
#pragma once

#include "mcl/candidate.h"
#include "tenure/settings.h"

namespace tenure::mcl {

struct Chain {
  Duration fresh{};  ///< an acknowledgement is written only this long after the renewal
  Duration
      stops_within{};      ///< after an acknowledgement, a candidate that gets no other has stopped
  Duration silent_for{};   ///< without a heartbeat: it has stopped, or is no candidate any more
  Duration asks_within{};  ///< one that waits and lives has asked again
  Duration retry_period{};  ///< between two looks at the store
  Timing timing;            ///< for the elector; its lease duration is the candidate's
  Duration grace{};         ///< that others wait beyond it
};

/// Never fails: what a candidate states that cannot be meant is replaced by what client-go would
/// have: a retry period that is not much shorter than the renew deadline, for example, which the
/// Go lock's own documentation suggests.
Chain chain_of(const CandidateTiming& stated);

}  // namespace tenure::mcl
