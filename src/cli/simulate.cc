#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_text.h"
#include "runtime/clock.h"
#include "sim/report.h"

namespace tenure::cli {
namespace {

Error usage(std::string message, std::string remedy) {
  return {ErrorCode::invalid_argument, std::move(message), std::move(remedy)};
}

Result<sim::FaultSet> faults_of(const std::string& list) {
  if (list.empty() || list == "all") return sim::FaultSet::all();
  sim::FaultSet out = sim::FaultSet::none();
  if (list == "none") return out;
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t to = std::min(list.find(',', from), list.size());
    const std::string name = list.substr(from, to - from);
    const auto fault = sim::fault_named(name);
    if (!fault)
      return tl::unexpected(usage("there is no fault " + in_quotes(name),
                                  "choose from " + sim::FaultSet::all().to_string()));
    out.add(*fault);
    from = to + 1;
  }
  return out;
}

// Nothing when the user gave no setting: then every run draws its own.
Result<std::optional<Settings>> settings_of(const SettingsOverrides& given) {
  if (given == SettingsOverrides{}) return std::nullopt;
  Settings settings;
  given.apply_to(settings);
  if (auto timing = check(settings, StoreTraits{}); !timing) return tl::unexpected(timing.error());
  return settings;
}

Result<sim::CampaignOptions> campaign_of(const SimulateOptions& o) {
  constexpr int kMostCandidates = 100;
  constexpr int kMostJobs = 1024;
  const auto faults = faults_of(o.faults);
  if (!faults) return tl::unexpected(faults.error());
  const auto settings = settings_of(o.store.settings);
  if (!settings) return tl::unexpected(settings.error());
  if (o.candidates < 0 || o.candidates > kMostCandidates)
    return tl::unexpected(usage(fmt::format("--candidates is {}", o.candidates),
                                fmt::format("choose 1 to {}", kMostCandidates)));
  if (o.jobs < 0 || o.jobs > kMostJobs)
    return tl::unexpected(
        usage(fmt::format("--jobs is {}", o.jobs), fmt::format("choose 1 to {}", kMostJobs)));
  if (o.seeds == 0) return tl::unexpected(usage("--seeds is 0", "give at least 1"));
  if (o.trace && !o.only_seed)
    return tl::unexpected(usage("--trace needs a run", "say which with --seed N"));
  return sim::CampaignOptions{.settings = *settings,
                              .first_seed = o.only_seed.value_or(o.first_seed),
                              .seeds = o.only_seed ? 1 : o.seeds,
                              .candidates = o.candidates,
                              .faults = *faults,
                              .threads = static_cast<unsigned>(o.jobs)};
}

// -------------------------------------------------------------------------------------------------
// reports

double seconds_of(Duration d) {
  return std::chrono::duration<double>(d).count();
}

Json quantiles(const sim::Distribution& d) {
  return {{"p50", seconds_of(d.quantile(0.5))},
          {"p90", seconds_of(d.quantile(0.9))},
          {"p99", seconds_of(d.quantile(0.99))},
          {"max", seconds_of(d.max())}};
}

Json to_json(const sim::Report& r) {
  Json violations = Json::array();
  for (const sim::FoundViolation& found : r.found)
    violations.push_back({{"seed", found.seed},
                          {"invariant", found.violation.invariant},
                          {"message", found.violation.message}});
  Json faults = Json::object();
  for (const sim::Fault fault : sim::FaultSet::all().list())
    faults[sim::name(fault)] = r.fired[static_cast<std::size_t>(fault)];
  return {{"seeds", r.seeds},
          {"firstSeed", r.first_seed},
          {"virtualSeconds", r.virtual_seconds},
          {"wallSeconds", r.wall_seconds},
          {"overlaps", r.overlaps},
          {"epochOrderViolations", r.epoch_order_violations},
          {"violations", violations},
          {"failoverSeconds", quantiles(r.failover)},
          {"handoverSeconds", quantiles(r.handover)},
          {"leaderlessSeconds", quantiles(r.leaderless)},
          {"withoutLeaderShare", r.without_leader_share},
          {"storeRequestsPerHour", r.store_requests_per_hour},
          {"storeWritesPerHour", r.store_writes_per_hour},
          {"refusedWrites", r.refused_writes},
          {"faults", faults},
          {"verdict", r.safe() ? "safe" : "unsafe"}};
}

// Bars of equal width in time, scaled to the longest.
std::string histogram(const sim::Distribution& d) {
  constexpr int kBars = 12;
  constexpr std::uint64_t kWidth = 40;
  if (d.count() == 0) return "";
  const Duration low = d.quantile(0);
  const Duration step = (d.max() - low) / kBars + Duration(1);
  const auto edge = [&](int i) { return low + step * i; };
  std::uint64_t most = 1;
  for (int i = 0; i < kBars; i++) most = std::max(most, d.between(edge(i), edge(i + 1)));
  std::string out = "\nfail-over, how often it took how long\n";
  for (int i = 0; i < kBars; i++) {
    const std::uint64_t n = d.between(edge(i), edge(i + 1));
    const std::string bar((n * kWidth + most - 1) / most, '#');
    out += fmt::format("{:>7.1f}s to {:>6.1f}s {:>7}  {}\n", seconds_of(edge(i)),
                       seconds_of(edge(i + 1)), n, bar);
  }
  return out;
}

std::string row_of(const char* what, const sim::Distribution& d) {
  return fmt::format("{:<34} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f}\n", what,
                     seconds_of(d.quantile(0.5)), seconds_of(d.quantile(0.9)),
                     seconds_of(d.quantile(0.99)), seconds_of(d.max()));
}

// The flags that a replay needs as well.
std::string replay_flags(const SimulateOptions& o) {
  std::string out;
  const SettingsOverrides& s = o.store.settings;
  const std::pair<const char*, const std::optional<Duration>&> durations[] = {
      {"--lease-duration", s.lease_duration},
      {"--renew-deadline", s.renew_deadline},
      {"--retry-period", s.retry_period},
      {"--request-timeout", s.request_timeout},
      {"--stop-margin", s.stop_margin}};
  for (const auto& [flag, value] : durations)
    if (value) out += fmt::format(" {} {}", flag, format_duration(*value));
  if (o.candidates != 0) out += fmt::format(" --candidates {}", o.candidates);
  if (!o.faults.empty()) out += " --faults " + o.faults;
  return out;
}

// What broke, the fewest faults with which it still breaks, and how to see it happen.
std::string explain(const sim::FoundViolation& found, const sim::CampaignOptions& campaign,
                    const SimulateOptions& o) {
  const sim::RunOptions whole{.seed = found.seed,
                              .settings = campaign.settings,
                              .candidates = campaign.candidates,
                              .faults = campaign.faults};
  SimulateOptions smallest = o;
  smallest.faults = sim::shrink(whole).faults.to_string();
  return fmt::format("seed {} broke {}: {}\n  replay: tenure simulate --seed {} --trace{}\n",
                     found.seed, found.violation.invariant, found.violation.message, found.seed,
                     replay_flags(smallest));
}

std::string to_people(const sim::Report& r, const sim::CampaignOptions& campaign,
                      const SimulateOptions& o) {
  const Settings settings = campaign.settings.value_or(Settings{});
  std::string out =
      fmt::format("lease duration {}, renew deadline {}, retry period {}{}\n",
                  format_duration(settings.lease_duration),
                  format_duration(settings.renew_deadline), format_duration(settings.retry_period),
                  campaign.settings ? "" : " (the runs with faults draw others, too)");
  if (const auto timing = check(settings, StoreTraits{}))
    out += "promised: " + timing->summary() + "\n";
  out +=
      fmt::format("{} runs with faults, {:.0f} hours of simulated time, {} events in {:.1f}s\n\n",
                  r.seeds, r.virtual_seconds / 3600, r.events, r.wall_seconds);
  out += fmt::format("{:<34} {:>8} {:>8} {:>8} {:>8}\n", "seconds", "p50", "p90", "p99", "max");
  out += row_of("fail-over after a kill", r.failover) + row_of("planned hand-over", r.handover) +
         row_of("without a leader, amid faults", r.leaderless);
  out += fmt::format("\nwithout a leader {:.2f} % of the time amid faults\n",
                     100 * r.without_leader_share);
  out += fmt::format(
      "{:.0f} store requests an hour for one lock, {:.0f} of them writes, all candidates "
      "together\n",
      r.store_requests_per_hour, r.store_writes_per_hour);
  out += histogram(r.failover) + "\n";
  for (const sim::FoundViolation& found : r.found) out += explain(found, campaign, o);
  return out +
         fmt::format("verdict: {} ({} overlaps, {} epochs out of order, {} late writes refused)\n",
                     r.safe() ? "safe" : "unsafe", r.overlaps, r.epoch_order_violations,
                     r.refused_writes);
}

// -------------------------------------------------------------------------------------------------

int trace(const sim::CampaignOptions& campaign) {
  sim::RunOptions options{.seed = campaign.first_seed,
                          .settings = campaign.settings,
                          .candidates = campaign.candidates,
                          .faults = campaign.faults,
                          .trace = true};
  sim::RunResult result = sim::run(options);
  if (result.violations.empty()) {  // what broke may have been the run that measures fail-over
    options.story = sim::Story::failover;
    options.settings = campaign.settings.value_or(Settings{});
    sim::RunResult measured = sim::run(options);
    if (!measured.violations.empty()) result = std::move(measured);
  }
  for (const std::string& line : result.timeline)
    if (!print(line + '\n')) return kExitFailure;
  for (const sim::Violation& v : result.violations) print(v.invariant + ": " + v.message + '\n');
  print(fmt::format("faults: {}\nhash: {:016x}\n", result.active.to_string(), result.hash));
  return result.violations.empty() ? kExitOk : kExitFailure;
}

void show_progress(sim::CampaignOptions& campaign) {
  if (isatty(STDERR_FILENO) != 1) return;
  campaign.progress = [seeds = campaign.seeds](std::uint64_t done) {
    fmt::print(stderr, "\r{} of {} runs{}", done, seeds, done >= seeds ? "\r\x1b[K" : "");
    return true;
  };
}

}  // namespace

int simulate(const SimulateOptions& options) {
  auto campaign = campaign_of(options);
  if (!campaign) return fail(campaign.error(), kExitUsage);
  if (options.trace) return trace(*campaign);
  show_progress(*campaign);
  const Instant started = boot_now();
  sim::Report report = sim::run_campaign(*campaign);
  report.wall_seconds = seconds_of(boot_now() - started);  // the simulator has no clock
  const std::string text = is_machine_readable(options.output)
                               ? to_text(to_json(report), options.output)
                               : to_people(report, *campaign, options);
  if (!print(text)) return kExitFailure;
  return report.safe() ? kExitOk : kExitFailure;
}

}  // namespace tenure::cli
