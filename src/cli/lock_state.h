// LockState: what a store's record says about one lock, ready to be shown. Plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "core/store_types.h"
#include "tenure/record.h"

namespace tenure::cli {

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
};
const char* to_string(LockState::Kind kind);

LockState lock_state(std::string name, std::string store, const Observation& observation,
                     WallTime now);

/// Something that a person cares about is different; a renewal alone is not.
bool differs(const LockState& a, const LockState& b);

/// The keys of `tenure status -o json`; what there is not is null.
Json to_json(const LockState& lock);

/// A table with a heading; `wide` has more columns.
std::string to_table(const std::vector<LockState>& locks, bool wide);

}  // namespace tenure::cli
