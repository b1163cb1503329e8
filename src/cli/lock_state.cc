#include "cli/lock_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/duration.h"
#include "cli/console.h"
#include "cli/table.h"

namespace tenure::cli {
namespace {

using std::chrono::milliseconds;

// Wall clocks differ by years; what cannot be right must not overflow either.
constexpr std::int64_t kLongestLeaseSeconds = 3650LL * 24 * 3600;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string seconds_text(std::int64_t ms) {
  return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
}

std::string expiry_text(const LockState& lock) {
  if (!lock.expires_in_milliseconds) return "-";
  const std::int64_t ms = *lock.expires_in_milliseconds;
  constexpr std::int64_t kDay = 24LL * 3600 * 1000;
  if (ms < -2 * kDay) return fmt::format("{} days ago", -ms / kDay);
  return ms >= 0 ? seconds_text(ms) : seconds_text(-ms) + " ago";
}

Row row_of(const LockState& lock, Columns columns) {
  Row row = {printable(lock.name),       or_dash(lock.holder), or_dash(lock.cluster),
             fmt::to_string(lock.epoch), to_string(lock.kind), expiry_text(lock)};
  if (columns == Columns::all) {
    row.push_back(lock.lease_duration_seconds ? fmt::format("{}s", *lock.lease_duration_seconds)
                                              : "-");
    row.push_back(lock.renew_time ? format_rfc3339(*lock.renew_time) : "-");
  }
  if (columns != Columns::few) row.push_back(printable(lock.store));
  return row;
}

}  // namespace

const char* to_string(LockState::Kind kind) {
  switch (kind) {
    case LockState::Kind::held: return "held";
    case LockState::Kind::free: return "free";
    case LockState::Kind::expired: return "expired";
    case LockState::Kind::unreadable: return "unreadable";
  }
  return "?";
}

LockState lock_state(std::string name, std::string store, const Observation& observation,
                     WallTime now) {
  LockState out{.name = std::move(name), .store = std::move(store)};
  if (observation.kind == Observation::Kind::absent) return out;
  if (observation.kind != Observation::Kind::record) {
    out.kind = LockState::Kind::unreadable;
    return out;
  }
  const LeaderElectionRecord& record = observation.record;
  out.holder = record.holder_identity;
  out.cluster = record.is_free() ? "" : record.cluster;
  out.epoch = record.leader_transitions;
  const bool renewed = record.renew_time != WallTime();  // others may leave it out
  if (renewed) out.renew_time = record.renew_time;
  out.lease_duration_seconds = record.lease_duration_seconds;
  if (record.is_free()) return out;
  const auto lease =
      std::clamp<std::int64_t>(record.lease_duration_seconds, 0, kLongestLeaseSeconds);
  const Duration left = record.renew_time + std::chrono::seconds(lease) - now;
  if (renewed) out.expires_in_milliseconds = std::chrono::floor<milliseconds>(left).count();
  out.kind = left > Duration(0) ? LockState::Kind::held : LockState::Kind::expired;
  return out;
}

bool differs(const LockState& a, const LockState& b) {
  const auto said = [](const LockState& lock) {
    const ClusterSide side = lock.side.value_or(ClusterSide());
    return std::tuple(lock.kind, lock.holder, lock.cluster, lock.epoch, side.candidate, side.leads,
                      side.condition);
  };
  return said(a) != said(b);
}

Json to_json(const LockState& lock) {
  Json json = {
      {"name", lock.name},
      {"store", lock.store},
      {"holder", lock.holder},
      {"cluster", lock.cluster},
      {"epoch", lock.epoch},
      {"renewTime", lock.renew_time ? Json(format_rfc3339(*lock.renew_time)) : Json(nullptr)},
      {"leaseDurationSeconds", or_null(lock.lease_duration_seconds)},
      {"expiresInMilliseconds", or_null(lock.expires_in_milliseconds)},
      {"state", to_string(lock.kind)}};
  if (const auto& side = lock.side)
    json["lease"] = {
        {"context", side->context},
        {"namespace", side->name_space},
        {"name", side->object},
        {"candidate", side->candidate},
        {"isLeader", side->leads},
        {"heartbeatTime", side->heartbeat ? Json(format_rfc3339(*side->heartbeat)) : Json(nullptr)},
        {"condition", side->condition}};
  return json;
}

std::string to_table(const std::vector<LockState>& locks, Columns columns) {
  std::vector<Row> rows = {{"LOCK", "HOLDER", "CLUSTER", "EPOCH", "STATE", "EXPIRES IN"}};
  if (columns == Columns::all) rows.front().insert(rows.front().end(), {"LEASE", "RENEWED"});
  if (columns != Columns::few) rows.front().emplace_back("STORE");
  for (const LockState& lock : locks) rows.push_back(row_of(lock, columns));
  std::string out = aligned(rows);
  if (std::any_of(locks.begin(), locks.end(),
                  [](const LockState& lock) { return lock.kind == LockState::Kind::expired; }))
    out += "expired: an estimate by this machine's clock; candidates use their own timers\n";
  return out;
}

}  // namespace tenure::cli
