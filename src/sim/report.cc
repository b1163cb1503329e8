#include "sim/report.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <iterator>
#include <string_view>
#include <thread>
#include <utility>

namespace tenure::sim {
namespace {

// Runs are dealt out in blocks of this size; blocks are merged in order, so the number of threads
// shows nowhere.
constexpr std::uint64_t kBlock = 64;
// Measuring more fail-overs than this changes no quantile that is printed.
constexpr std::uint64_t kMeasuredSeeds = 1000;

struct Tally {
  Report report;
  TrueTime without_leader = 0;
  TrueTime virtual_time = 0;
  TrueTime calm_time = 0;
  std::uint64_t calm_requests = 0;
  std::uint64_t calm_writes = 0;
};

std::uint64_t mixed(std::uint64_t hash, std::uint64_t x) {
  return (hash ^ x) * 0x100000001b3ULL;
}

bool one_of(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

void add_violations(const RunResult& r, std::uint64_t keep, Report& report) {
  if (r.violations.empty()) return;
  report.violations++;
  for (const Violation& v : r.violations) {
    if (one_of(v.invariant, {"no-two-leaders", "no-two-works"})) report.overlaps++;
    if (one_of(v.invariant, {"epochs-rise", "one-epoch-one-holder"}))
      report.epoch_order_violations++;
    if (report.found.size() < keep) report.found.push_back({r.seed, v, r.active});
  }
}

void add_faulty_run(const RunResult& r, std::uint64_t keep, Tally& tally) {
  Report& report = tally.report;
  report.seeds++;
  report.events += r.events;
  report.tenures += r.tenures;
  report.refused_writes += r.refused_writes;
  tally.virtual_time += r.virtual_time;
  tally.without_leader += r.without_leader;
  for (std::size_t i = 0; i < kFaultCount; i++) report.fired[i] += r.fired[i];
  for (const TrueTime t : r.leaderless) report.leaderless.add(Duration(t));
  add_violations(r, keep, report);
}

void add_measured_run(const RunResult& r, std::uint64_t keep, Tally& tally) {
  tally.calm_time += r.virtual_time;
  tally.calm_requests += r.store_requests;
  tally.calm_writes += r.store_writes;
  for (const TrueTime t : r.failover) tally.report.failover.add(Duration(t));
  for (const TrueTime t : r.handover) tally.report.handover.add(Duration(t));
  add_violations(r, keep, tally.report);
}

std::uint64_t run_block(const CampaignOptions& o, std::uint64_t first, std::uint64_t count,
                        Tally& tally) {
  std::uint64_t hash = 0;
  RunOptions faulty{.settings = o.settings,
                    .candidates = o.candidates,
                    .faults = o.faults,
                    .watch = o.watch,
                    .round_trip = o.round_trip};
  RunOptions measured = faulty;
  measured.story = Story::failover;
  measured.settings = o.settings.value_or(Settings{});
  measured.safety_phase = 60 * o.settings.value_or(Settings{}).lease_duration;
  for (std::uint64_t seed = first; seed < first + count; seed++) {
    faulty.seed = measured.seed = seed;
    const RunResult result = run(faulty);
    hash = mixed(hash, result.hash);
    add_faulty_run(result, o.keep_violations, tally);
    if (seed - o.first_seed < kMeasuredSeeds)
      add_measured_run(run(measured), o.keep_violations, tally);
  }
  return hash;
}

void merge(Tally& into, Tally&& from) {
  Report& a = into.report;
  Report& b = from.report;
  a.seeds += b.seeds;
  a.events += b.events;
  a.tenures += b.tenures;
  a.refused_writes += b.refused_writes;
  a.overlaps += b.overlaps;
  a.epoch_order_violations += b.epoch_order_violations;
  a.violations += b.violations;
  for (std::size_t i = 0; i < kFaultCount; i++) a.fired[i] += b.fired[i];
  std::move(b.found.begin(), b.found.end(), std::back_inserter(a.found));
  a.leaderless.merge(b.leaderless);
  a.failover.merge(b.failover);
  a.handover.merge(b.handover);
  into.virtual_time += from.virtual_time;
  into.without_leader += from.without_leader;
  into.calm_time += from.calm_time;
  into.calm_requests += from.calm_requests;
  into.calm_writes += from.calm_writes;
}

}  // namespace

std::size_t Distribution::bucket(Duration d) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(d.count(), 0)) >>
                     10U;  // microseconds, about
  const auto width = static_cast<unsigned>(std::bit_width(value));
  if (width <= kStepBits) return value;
  const unsigned shift = width - kStepBits - 1;
  return (std::size_t{shift} << kStepBits) + static_cast<std::size_t>(value >> shift);
}

Duration Distribution::middle(std::size_t bucket) {
  if (bucket < (std::size_t{2} << kStepBits))
    return Duration(static_cast<std::int64_t>(bucket << 10U));
  const std::size_t shift = (bucket >> kStepBits) - 1;
  const std::uint64_t step = (bucket & ((1U << kStepBits) - 1)) | (1U << kStepBits);
  return Duration(static_cast<std::int64_t>((step << shift << 10U) + (1ULL << shift << 9U)));
}

void Distribution::add(Duration d) {
  const std::size_t at = bucket(d);
  if (at >= buckets_.size()) buckets_.resize(at + 1);
  buckets_[at]++;
  count_++;
  max_ = std::max(max_, d);
}

void Distribution::merge(const Distribution& other) {
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); i++) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

Duration Distribution::quantile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); i++) {
    seen += buckets_[i];
    if (seen > wanted) return std::min(middle(i), max_);
  }
  return max_;
}

std::uint64_t Distribution::between(Duration from, Duration to) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < buckets_.size(); i++)
    if (middle(i) >= from && middle(i) < to) sum += buckets_[i];
  return sum;
}

Report run_campaign(const CampaignOptions& options) {
  const std::uint64_t blocks = (options.seeds + kBlock - 1) / kBlock;
  const unsigned threads =
      options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  std::vector<Tally> tallies(threads);
  std::vector<std::uint64_t> hashes(blocks);
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> finished{0};
  std::atomic<bool> stopped{false};
  const auto work = [&](unsigned thread) {
    for (std::uint64_t b = next++; b < blocks && !stopped; b = next++) {
      const std::uint64_t first = options.first_seed + b * kBlock;
      const std::uint64_t count = std::min(kBlock, options.first_seed + options.seeds - first);
      hashes[b] = run_block(options, first, count, tallies[thread]);
      finished += count;
      if (thread == 0 && options.progress && !options.progress(finished)) stopped = true;
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; i++) others.emplace_back(work, i);
  work(0);
  for (std::thread& t : others) t.join();

  Tally all;
  for (Tally& tally : tallies) merge(all, std::move(tally));
  std::stable_sort(
      all.report.found.begin(), all.report.found.end(),
      [](const FoundViolation& a, const FoundViolation& b) { return a.seed < b.seed; });
  if (all.report.found.size() > options.keep_violations)
    all.report.found.resize(options.keep_violations);
  for (const std::uint64_t hash : hashes) all.report.hash = mixed(all.report.hash, hash);
  Report report = std::move(all.report);
  report.first_seed = options.first_seed;
  report.virtual_seconds = static_cast<double>(all.virtual_time) / 1e9;
  if (all.virtual_time > 0)
    report.without_leader_share =
        static_cast<double>(all.without_leader) / static_cast<double>(all.virtual_time);
  if (all.calm_time > 0) {
    const double hours = static_cast<double>(all.calm_time) / 3.6e12;
    report.store_requests_per_hour = static_cast<double>(all.calm_requests) / hours;
    report.store_writes_per_hour = static_cast<double>(all.calm_writes) / hours;
  }
  return report;
}

RunOptions shrink(RunOptions options) {
  options.trace = false;
  const RunResult whole = run(options);
  if (whole.violations.empty()) return options;
  const std::string invariant = whole.violations.front().invariant;
  options.faults = whole.active;
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (const Fault f : options.faults.list()) {
      RunOptions without = options;
      without.faults.remove(f);
      const RunResult r = run(without);
      if (r.violations.empty() || r.violations.front().invariant != invariant) continue;
      options = without;
      smaller = true;
    }
  }
  return options;
}

}  // namespace tenure::sim
