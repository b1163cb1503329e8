#include "mcl/chain.h"

#include <algorithm>

namespace tenure::mcl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The Go lock looks at the status once a second.
constexpr Duration kPoll = seconds(1);
/// With ReleaseOnCancel, client-go stops the work only after it has tried to give the lock back,
/// and the Go lock waits a second for somebody to say so.
constexpr Duration kRelease = seconds(1);
/// Long enough that every other heartbeat needs no renewal: a Go client's come three seconds apart,
/// because it sleeps for its retry period and sees the answer at its second look.
constexpr Duration kFresh = milliseconds(3200);
/// How much the rates of clocks may differ, in percent of the time that passes; each link of the
/// chain is longer by it.
constexpr int kSpare = 1;

Duration longer(Duration duration, int percent) {
  return duration / 100 * (100 + percent);
}

CandidateTiming meant(CandidateTiming t) {
  t.lease_duration = std::clamp<Duration>(t.lease_duration, seconds(1), std::chrono::hours(24));
  if (t.renew_deadline <= Duration(0) || t.renew_deadline >= t.lease_duration)
    t.renew_deadline = t.lease_duration / 3 * 2;
  if (t.retry_period <= Duration(0) || t.retry_period * 2 > t.renew_deadline)
    t.retry_period = t.renew_deadline / 5;
  return t;
}

}  // namespace

Chain chain_of(const CandidateTiming& stated) {
  const CandidateTiming t = meant(stated);
  const Duration longest_pause = t.retry_period * 22 / 10;  // client-go's, between two looks
  const Duration spare = t.lease_duration - t.renew_deadline;
  Chain chain;
  chain.fresh = std::max(spare - t.retry_period, std::min(spare, kFresh));
  chain.stops_within = kPoll + t.retry_period + t.renew_deadline;
  chain.silent_for = longer(chain.stops_within, 2 * kSpare);
  // Twice a lease: until it asks after something has changed, and until its question is over.
  chain.asks_within = 2 * (t.lease_duration + longest_pause) + kPoll;
  chain.retry_period = std::max<Duration>(t.retry_period, seconds(1));

  Timing& timing = chain.timing;
  timing.lease_duration = t.lease_duration;
  timing.renew_deadline = longer(chain.fresh + chain.stops_within, kSpare);
  timing.hard_deadline = longer(chain.fresh + chain.stops_within, 2 * kSpare);
  const Duration ends = longer(chain.fresh + chain.stops_within + kRelease, 3 * kSpare);
  chain.grace =
      std::max<Duration>(Duration(0), std::chrono::ceil<milliseconds>(ends - t.lease_duration));
  timing.renew_interval = chain.fresh;
  timing.request_timeout =
      std::clamp<Duration>(t.lease_duration / 6, milliseconds(200), seconds(5));
  timing.outage_survived = t.renew_deadline;
  timing.planned_handover = 2 * chain.retry_period;
  timing.worst_failover = ends + 2 * chain.retry_period;
  return chain;
}

}  // namespace tenure::mcl
