#include "tenure/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/duration.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLongest = std::chrono::hours(24 * 7);
constexpr Duration kShortest = milliseconds(10);

Duration percent_more(Duration d, int percent) {
  return d / 100 * (100 + percent);
}

Duration request_timeout(const Settings& s) {
  return s.request_timeout > Duration(0) ? s.request_timeout : s.renew_deadline / 4;
}

Duration hard_deadline(const Settings& s) {
  const int rho = s.clock_rate_tolerance_percent;
  return s.lease_duration / (100 + rho) * (100 - rho);
}

using Broken = std::optional<std::string>;  // the rule that is broken, with the values

// Each value by itself.
Broken out_of_range(const Settings& s) {
  const std::pair<const char*, Duration> needed[] = {{"lease duration", s.lease_duration},
                                                     {"renew deadline", s.renew_deadline},
                                                     {"retry period", s.retry_period}};
  for (const auto& [name, value] : needed) {
    if (value <= Duration(0))
      return fmt::format("the {} is {}, but it must be greater than zero", name,
                         format_duration(value));
    if (value < kShortest)
      return fmt::format("the {} is {}, but the shortest that makes sense is {}", name,
                         format_duration(value), format_duration(kShortest));
  }
  const std::pair<const char*, Duration> all[] = {needed[0],
                                                  needed[1],
                                                  needed[2],
                                                  {"request time-out", s.request_timeout},
                                                  {"stop margin", s.stop_margin}};
  for (const auto& [name, value] : all) {
    if (value < Duration(0))
      return fmt::format("the {} is {}, but it must not be negative", name, format_duration(value));
    if (value > kLongest)
      return fmt::format("the {} is {}, but the longest that makes sense is {}", name,
                         format_duration(value), format_duration(kLongest));
  }
  if (s.lease_duration % seconds(1) != Duration(0))
    return fmt::format(
        "the lease duration is {}, but the lock record holds whole seconds: it would become {}",
        format_duration(s.lease_duration),
        format_duration(std::chrono::floor<seconds>(s.lease_duration)));
  if (s.clock_rate_tolerance_percent < 0 || s.clock_rate_tolerance_percent > 50)
    return fmt::format("the clock rate tolerance is {} %, but it must be 0 to 50 %",
                       s.clock_rate_tolerance_percent);
  return std::nullopt;
}

// The values against each other; the most common mistake first.
Broken contradiction(const Settings& s, const StoreTraits& store) {
  if (s.renew_deadline >= s.lease_duration)
    return fmt::format("the renew deadline ({}) must be shorter than the lease duration ({})",
                       format_duration(s.renew_deadline), format_duration(s.lease_duration));
  if (percent_more(s.retry_period, 20) >= s.renew_deadline)
    return fmt::format(
        "the retry period ({}) times 1.2 must be shorter than the renew deadline ({})",
        format_duration(s.retry_period), format_duration(s.renew_deadline));
  if (s.retry_period * 3 > s.renew_deadline)
    return fmt::format(
        "three retry periods ({} each) must fit into the renew deadline ({}), so that two failed "
        "renewals "
        "cost nobody the lock",
        format_duration(s.retry_period), format_duration(s.renew_deadline));
  if (request_timeout(s) > s.renew_deadline / 2)
    return fmt::format("the request time-out ({}) must be at most half of the renew deadline ({})",
                       format_duration(request_timeout(s)), format_duration(s.renew_deadline));
  if (s.renew_deadline + s.stop_margin > hard_deadline(s))
    return fmt::format(
        "the renew deadline ({}) and the stop margin ({}) must fit into {}: what is left of the "
        "lease "
        "duration ({}) when clocks' rates differ by {} %",
        format_duration(s.renew_deadline), format_duration(s.stop_margin),
        format_duration(std::chrono::floor<milliseconds>(hard_deadline(s))),
        format_duration(s.lease_duration), s.clock_rate_tolerance_percent);
  if (store.min_write_interval > s.retry_period)
    return fmt::format(
        "the retry period ({}) must be at least {}: this store takes no more writes of one lock",
        format_duration(s.retry_period), format_duration(store.min_write_interval));
  return std::nullopt;
}

Broken broken_rule(const Settings& s, const StoreTraits& store) {
  if (Broken rule = out_of_range(s)) return rule;
  return contradiction(s, store);
}

// Settings that work: near the lease duration that was asked for, and with whatever else was set,
// where that is possible.
std::string example_for(const Settings& asked, const StoreTraits& store) {
  const auto floor = [](Duration d) { return d - d % milliseconds(100); };
  Settings example = asked;
  example.renew_deadline = floor(asked.lease_duration / 3 * 2);
  example.retry_period = std::max(floor(asked.lease_duration / 8), store.min_write_interval);
  const char* rest = "";
  if (broken_rule(example, store)) {
    const Settings defaults;
    example.lease_duration = defaults.lease_duration;
    example.renew_deadline = defaults.renew_deadline;
    example.retry_period = defaults.retry_period;
  }
  if (broken_rule(example, store)) {
    example = {};
    rest = " with the defaults for everything else";
  }
  return fmt::format(
      "for example --lease-duration {} --renew-deadline {} --retry-period {} works{}",
      format_duration(example.lease_duration), format_duration(example.renew_deadline),
      format_duration(example.retry_period), rest);
}

}  // namespace

Result<Timing> check(const Settings& s, const StoreTraits& store) {
  if (Broken rule = broken_rule(s, store))
    return failure(ErrorCode::invalid_argument, *std::move(rule), example_for(s, store));

  Timing t{};
  t.renew_interval = s.retry_period;
  t.request_timeout = request_timeout(s);
  t.renew_deadline = s.renew_deadline;
  t.hard_deadline = hard_deadline(s);
  t.lease_duration = s.lease_duration;
  const Duration longest_retry = percent_more(std::min(s.retry_period, s.renew_deadline / 6), 20);
  t.outage_survived = s.renew_deadline - percent_more(s.retry_period, 40) -
                      std::max(t.request_timeout, longest_retry);
  // The other promises hold while every request is answered within half its time-out. Five may come
  // one after the other: the holder's last renewal, its release or a look that began too early, the
  // look that counts, one that is under way when the lock is free, and the take-over; six where a
  // candidate looks once more before it writes.
  const bool limited = store.min_write_interval > Duration(0);
  const Duration requests = t.request_timeout / 2 * (limited ? 6 : 5);
  const Duration notice = store.watch ? Duration(0) : percent_more(s.retry_period, 10);
  const Duration spread = 2 * store.min_write_interval;
  const auto on_a_slow_clock = [&](Duration d) {
    return (d / (100 - s.clock_rate_tolerance_percent) + Duration(1)) * 100;
  };
  t.worst_failover = on_a_slow_clock(s.lease_duration + notice + spread) + requests;
  // The release keeps its distance from the last renewal.
  t.planned_handover = on_a_slow_clock(notice + spread + store.min_write_interval) + requests;
  return t;
}

std::string Timing::summary() const {
  const auto down = [](Duration d) { return format_duration(d - d % milliseconds(100)); };
  const auto up = [](Duration d) {
    return format_duration((d + milliseconds(100) - Duration(1)) / milliseconds(100) *
                           milliseconds(100));
  };
  return fmt::format(
      "survives store outages of {}; a new leader within {} of a crash; planned hand-over within "
      "{}",
      down(outage_survived), up(worst_failover), up(planned_handover));
}

}  // namespace tenure
