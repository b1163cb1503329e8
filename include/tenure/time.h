// Two kinds of time that cannot be mixed up.
//
// Instant is a point on this machine's own clock that never steps and goes on while the machine
// sleeps (Linux CLOCK_BOOTTIME, clock_gettime(2)). Every deadline is an Instant; it means nothing
// on another machine. WallTime is calendar time (CLOCK_REALTIME). It may be wrong by any amount; it
// appears in records and logs only.
//
// Both are plain values, safe to copy between threads. Units are nanoseconds.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace tenure {

using Duration = std::chrono::nanoseconds;

/// A point on the local monotonic clock. `Instant::never()` sorts after everything else.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_ns(std::int64_t ns) { return Instant(ns); }
  static constexpr Instant never() { return Instant(INT64_MAX); }

  [[nodiscard]] constexpr std::int64_t ns() const { return ns_; }
  [[nodiscard]] constexpr bool is_never() const { return ns_ == INT64_MAX; }

  constexpr auto operator<=>(const Instant&) const = default;
  /// Saturates at never(), so that a huge duration from a record cannot wrap around.
  constexpr Instant operator+(Duration d) const {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(ns_, d.count(), &sum))
      return d.count() > 0 ? never() : Instant(INT64_MIN);
    return is_never() ? never() : Instant(sum);
  }
  constexpr Instant operator-(Duration d) const { return *this + Duration(-d.count()); }
  constexpr Duration operator-(Instant other) const {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(ns_, other.ns_, &difference))
      return ns_ > other.ns_ ? Duration::max() : Duration::min();
    return Duration(difference);
  }

 private:
  constexpr explicit Instant(std::int64_t ns) : ns_(ns) {}
  std::int64_t ns_ = 0;
};

/// Calendar time, nanoseconds since 1970-01-01T00:00:00Z.
class WallTime {
 public:
  constexpr WallTime() = default;
  static constexpr WallTime from_ns(std::int64_t ns) { return WallTime(ns); }
  [[nodiscard]] constexpr std::int64_t ns() const { return ns_; }

  constexpr auto operator<=>(const WallTime&) const = default;
  constexpr WallTime operator+(Duration d) const {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(ns_, d.count(), &sum))
      return WallTime(d.count() > 0 ? INT64_MAX : INT64_MIN);
    return WallTime(sum);
  }
  constexpr WallTime operator-(Duration d) const { return *this + Duration(-d.count()); }
  constexpr Duration operator-(WallTime other) const {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(ns_, other.ns_, &difference))
      return ns_ > other.ns_ ? Duration::max() : Duration::min();
    return Duration(difference);
  }

 private:
  constexpr explicit WallTime(std::int64_t ns) : ns_(ns) {}
  std::int64_t ns_ = 0;
};

/// Both clocks, read at one moment. What step functions take instead of reading a clock.
struct Now {
  Instant mono;
  WallTime wall;
};

}  // namespace tenure
