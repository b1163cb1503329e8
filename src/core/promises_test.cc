// What the settings promise, searched for a case in which it does not hold.
#include <gtest/gtest.h>

#include "base/duration.h"
#include "core/testing/lock_world.h"

namespace tenure {
namespace {

using Outage = LockWorld::Outage;

// Seeds are scaled down where a sanitizer makes every step slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 100;
#else
constexpr std::uint64_t kSeeds = 2000;
#endif

constexpr Duration kNever = Duration::max();

struct Named {
  const char* name;
  Settings settings;
  StoreTraits store;
};
void PrintTo(const Named& named, std::ostream* out) {
  *out << named.name;
}
std::string name_of(const testing::TestParamInfo<Named>& info) {
  return info.param.name;
}

constexpr Settings kTight{.lease_duration = 10s, .renew_deadline = 3s, .retry_period = 1s};
constexpr Settings kSlow{.lease_duration = 60s, .renew_deadline = 30s, .retry_period = 10s};

class OutageSurvived : public testing::TestWithParam<Named> {
 protected:
  // The seeds with which the holder lost the lock.
  std::vector<std::uint64_t> lost(Outage outage, Duration length) {
    std::vector<std::uint64_t> seeds;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const Settings& settings = GetParam().settings;
      const Duration begins = CornerRandom(seed).between(1s, 1s + 4 * settings.retry_period);
      LockWorld world({.settings = settings,
                       .slowest_answer = 10ms,
                       .seed = seed,
                       .outage = outage,
                       .outage_begins = begins,
                       .outage_ends = begins + length});
      const LockWorld::Member& holder = world.add();
      world.run_until(begins + length + settings.renew_deadline);
      if (holder.began == kNever || holder.stopped != kNever) seeds.push_back(seed);
    }
    return seeds;
  }
  [[nodiscard]] static Duration promised() {
    return check(GetParam().settings, {}).value().outage_survived;
  }
};

TEST_P(OutageSurvived, costs_nobody_the_lock) {
  for (const Outage outage : {Outage::refuses, Outage::silent, Outage::either})
    for (const Duration length : {promised(), promised() / 2})
      EXPECT_EQ(lost(outage, length), std::vector<std::uint64_t>())
          << format_duration(length) << (outage == Outage::silent ? " of silence" : "");
}

TEST_P(OutageSurvived, is_not_promised_far_too_modestly) {
  EXPECT_FALSE(lost(Outage::either, promised() + 2 * GetParam().settings.retry_period).empty());
}

INSTANTIATE_TEST_SUITE_P(Promise, OutageSurvived,
                         testing::Values(Named{"default_settings", {}, {}},
                                         Named{"tight_settings", kTight, {}},
                                         Named{"slow_settings", kSlow, {}}),
                         name_of);

// How one holder's tenure ends, and when another candidate begins its own.
class NewLeader : public testing::TestWithParam<Named> {
 protected:
  enum class End : std::uint8_t { crash, stop, resign };

  // From the end of the first tenure; kNever when it takes more than three leases.
  static Duration takes(End end, Duration slowest_answer, std::uint64_t seed) {
    const auto& [name, settings, store] = GetParam();
    LockWorld world({.settings = settings,
                     .store = store,
                     .slowest_answer = slowest_answer,
                     .mostly_slowest = seed % 2 == 0,
                     .seed = seed});
    LockWorld::Member& holder = world.add();
    world.run_until(settings.lease_duration, [&] { return holder.began != kNever; });
    const int slow_clock = 100 - settings.clock_rate_tolerance_percent;
    const LockWorld::Member& next = world.add(seed % 4 < 2 ? slow_clock : 100);
    world.run_until(world.now() + world.draw(1s, 1s + 4 * settings.retry_period));
    if (seed % 3 != 0) {  // as it sends a renewal
      const auto asks = [&] { return holder.request.has_value(); };
      world.run_until(world.now() + settings.lease_duration, [&] { return !asks(); });
      world.run_until(world.now() + settings.lease_duration, asks);
    }
    const Duration ended = world.now();
    end_tenure(world, holder, end);
    const bool taken =
        world.run_until(ended + 3 * settings.lease_duration, [&] { return next.began != kNever; });
    return taken ? world.now() - ended : kNever;
  }

  static Duration worst(End end, Duration slowest_answer) {
    Duration worst{0};
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed)
      worst = std::max(worst, takes(end, slowest_answer, seed));
    return worst;
  }

  [[nodiscard]] static Timing timing() {
    return check(GetParam().settings, GetParam().store).value();
  }

 private:
  static void end_tenure(LockWorld& world, LockWorld::Member& holder, End end) {
    if (end == End::crash) return LockWorld::crash(holder);
    const Epoch epoch = holder.elector.view().epoch;
    world.send(holder, end == End::stop ? Event(event::Stop{}) : Event(event::Resign{}));
    world.send(holder, event::WorkFinished{epoch, false});
  }
};

TEST_P(NewLeader, leads_within_the_promised_time_after_a_crash) {
  const Timing promised = timing();
  for (const Duration answer : {Duration(10ms), promised.request_timeout / 2})
    EXPECT_LE(worst(End::crash, answer), promised.worst_failover)
        << "answers take up to " << format_duration(answer);
}

TEST_P(NewLeader, leads_within_the_promised_time_after_a_stop) {
  const Timing promised = timing();
  for (const Duration answer : {Duration(10ms), promised.request_timeout / 2})
    EXPECT_LE(worst(End::stop, answer), promised.planned_handover)
        << "answers take up to " << format_duration(answer);
}

TEST_P(NewLeader, leads_within_the_promised_time_after_a_resignation) {
  const Timing promised = timing();
  for (const Duration answer : {Duration(10ms), promised.request_timeout / 2})
    EXPECT_LE(worst(End::resign, answer), promised.planned_handover)
        << "answers take up to " << format_duration(answer);
}
constexpr StoreTraits kWatched{.watch = true};
constexpr StoreTraits kLimited{.min_write_interval = 1s};
constexpr StoreTraits kBoth{.watch = true, .min_write_interval = 1s};

INSTANTIATE_TEST_SUITE_P(Promise, NewLeader,
                         testing::Values(Named{"plain", {}, {}}, Named{"watched", {}, kWatched},
                                         Named{"limited", {}, kLimited},
                                         Named{"watched_and_limited", {}, kBoth},
                                         Named{"tight_plain", kTight, {}},
                                         Named{"tight_limited", kTight, kLimited},
                                         Named{"slow_watched", kSlow, kWatched}),
                         name_of);

}  // namespace
}  // namespace tenure
