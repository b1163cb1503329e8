#include "cli/lease_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/duration.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/table.h"

namespace tenure::cli {
namespace {

using mcl::Condition;
using mcl::LeaseObject;
using mcl::LeaseStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kLongestLeaseSeconds = 3650LL * 24 * 3600;
/// In a table; the rest of a store's complaint is for -o json.
constexpr std::size_t kFewWords = 60;

bool is_said(const Condition& condition) {
  return condition.since_seconds != 0 || !condition.message.empty();
}

bool is_denied(const Condition& condition) {
  return is_said(condition) && !condition.holds;
}

// The Go controller names the holder, and no more.
bool is_of_tenure(const LeaseStatus& status) {
  return is_said(status.leader);
}

bool leads(const LeaseObject& object) {
  const std::string& candidate = object.candidate.identity;
  if (is_of_tenure(object.status)) return object.status.is_leader;
  return !candidate.empty() && object.status.holder == candidate;
}

bool is_answered(const LeaseStatus& status) {
  return status.observed_generation > 0 || !status.holder.empty() ||
         is_said(status.backend_healthy) || is_said(status.lock_acquired);
}

// A candidate that waits is answered once a lease.
bool is_ignored(const LeaseObject& object, const std::optional<WallTime>& heartbeat) {
  const LeaseStatus& status = object.status;
  if (!is_of_tenure(status) || !heartbeat || status.heartbeat_seconds == 0) return false;
  const WallTime answered = WallTime::from_ns(0) + seconds(status.heartbeat_seconds);
  return object.candidate.generation > status.observed_generation &&
         *heartbeat - answered > 2 * object.candidate.timing.lease_duration;
}

// The first is what to look at first.
std::string worst_trouble(const LeaseObject& object, LockState::Kind kind, bool ignored) {
  const LeaseStatus& status = object.status;
  const bool wants_it = !object.candidate.identity.empty();
  if (!is_answered(status)) return "no controller has answered";
  if (is_denied(status.backend_healthy))
    return "the store fails: " + status.backend_healthy.message;
  // A controller that is not silent names nobody whose lease has run out.
  const bool is_late = kind == LockState::Kind::expired && is_of_tenure(status);
  if (is_late || ignored) return "the controller is silent";
  if (wants_it && is_denied(status.candidate_live)) return "the candidate is silent";
  if (kind == LockState::Kind::expired) return "the holder is silent";
  if (kind == LockState::Kind::free)
    return status.lock_acquired.message.empty() ? "nobody holds the lock"
                                                : status.lock_acquired.message;
  return wants_it ? "ok" : "no candidate here";
}

// As kubectl shows ages.
std::string age_text(std::int64_t ms) {
  const std::int64_t s = std::max<std::int64_t>(ms, 0) / 1000;  // clocks differ
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  if (s < 2 * kMinute) return fmt::format("{}s", s);
  if (s < 2 * kHour) return fmt::format("{}m", s / kMinute);
  return s < 2 * kDay ? fmt::format("{}h", s / kHour) : fmt::format("{}d", s / kDay);
}

Row row_of(const LockState& lock, bool wide) {
  const ClusterSide& side = *lock.side;
  Row row = {or_dash(side.context),
             printable(side.name_space + "/" + side.object),
             or_dash(lock.holder),
             side.leads ? "yes" : "no",
             lock.epoch > 0 ? fmt::to_string(lock.epoch) : "-",
             side.heartbeat_age_milliseconds ? age_text(*side.heartbeat_age_milliseconds) : "-",
             wide ? printable(side.condition) : tenure::printable(side.condition, kFewWords)};
  if (wide) row.insert(row.begin() + 2, {or_dash(lock.name), or_dash(side.candidate)});
  return row;
}

}  // namespace

LockState lock_state(const LeaseObject& object, std::string context, std::string store,
                     WallTime now) {
  const LeaseStatus& status = object.status;
  LockState out{.name = object.lock, .store = std::move(store)};
  out.holder = status.holder;
  out.epoch = status.epoch;
  if (!status.holder.empty()) {
    out.kind = LockState::Kind::held;
    if (status.lease_duration_seconds > 0)
      out.lease_duration_seconds = status.lease_duration_seconds;
    if (status.renewed_seconds > 0)
      out.renew_time = WallTime::from_ns(0) + seconds(status.renewed_seconds);
    if (out.renew_time && out.lease_duration_seconds) {
      const seconds lease(std::min(*out.lease_duration_seconds, kLongestLeaseSeconds));
      const bool may_be_behind = is_of_tenure(status) && !leads(object);
      const Duration left = *out.renew_time + lease - now;
      if (!may_be_behind)
        out.expires_in_milliseconds = std::chrono::floor<milliseconds>(left).count();
      if (left + (may_be_behind ? mcl::kMirrorEvery : seconds(0)) <= Duration(0))
        out.kind = LockState::Kind::expired;
    }
  }
  ClusterSide side{.context = std::move(context),
                   .name_space = object.name_space,
                   .object = object.candidate.name,
                   .candidate = object.candidate.identity};
  if (const auto heartbeat = parse_rfc3339(object.candidate.renew_time);
      heartbeat && !side.candidate.empty()) {
    side.heartbeat = *heartbeat;
    side.heartbeat_age_milliseconds = std::chrono::floor<milliseconds>(now - *heartbeat).count();
  }
  side.leads = leads(object);
  side.condition = worst_trouble(object, out.kind, is_ignored(object, side.heartbeat));
  out.side = std::move(side);
  return out;
}

std::string to_lease_table(const std::vector<LockState>& locks, bool wide) {
  std::vector<Row> rows = {
      {"CLUSTER", "NAMESPACE/NAME", "HOLDER", "LEADER", "EPOCH", "HEARTBEAT", "CONDITION"}};
  if (wide) rows.front().insert(rows.front().begin() + 2, {"LOCK", "CANDIDATE"});
  for (const LockState& lock : locks) rows.push_back(row_of(lock, wide));
  return aligned(rows);
}

}  // namespace tenure::cli
