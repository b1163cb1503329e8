#include "cli/lock_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/duration.h"
#include "cli/console.h"

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

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : printable(text);
}

using Row = std::vector<std::string>;

Row row_of(const LockState& lock, bool wide) {
  Row row = {printable(lock.name),       or_dash(lock.holder), or_dash(lock.cluster),
             fmt::to_string(lock.epoch), to_string(lock.kind), expiry_text(lock)};
  if (wide) {
    row.push_back(lock.lease_duration_seconds ? fmt::format("{}s", *lock.lease_duration_seconds)
                                              : "-");
    row.push_back(lock.renew_time ? format_rfc3339(*lock.renew_time) : "-");
    row.push_back(printable(lock.store));
  }
  return row;
}

std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(row[i]));
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) out += padded(row[i], widths[i] + 2);
    out += row.back() + '\n';
  }
  return out;
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
  return a.kind != b.kind || a.holder != b.holder || a.cluster != b.cluster || a.epoch != b.epoch;
}

Json to_json(const LockState& lock) {
  return {{"name", lock.name},
          {"store", lock.store},
          {"holder", lock.holder},
          {"cluster", lock.cluster},
          {"epoch", lock.epoch},
          {"renewTime", lock.renew_time ? Json(format_rfc3339(*lock.renew_time)) : Json(nullptr)},
          {"leaseDurationSeconds", or_null(lock.lease_duration_seconds)},
          {"expiresInMilliseconds", or_null(lock.expires_in_milliseconds)},
          {"state", to_string(lock.kind)}};
}

std::string to_table(const std::vector<LockState>& locks, bool wide) {
  std::vector<Row> rows = {{"LOCK", "HOLDER", "CLUSTER", "EPOCH", "STATE", "EXPIRES IN"}};
  if (wide) rows.front().insert(rows.front().end(), {"LEASE", "RENEWED", "STORE"});
  for (const LockState& lock : locks) rows.push_back(row_of(lock, wide));
  std::string out = aligned(rows);
  if (std::any_of(locks.begin(), locks.end(),
                  [](const LockState& lock) { return lock.kind == LockState::Kind::expired; }))
    out += "expired: an estimate by this machine's clock; candidates use their own timers\n";
  return out;
}

}  // namespace tenure::cli
