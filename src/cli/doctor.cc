#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_text.h"
#include "cli/session.h"
#include "elect/defaults.h"
#include "elect/open_contender.h"
#include "kube/access.h"
#include "runtime/clock.h"

namespace tenure::cli {
namespace {

using std::chrono::milliseconds;

// Kept when the doctor leaves: a store cannot delete a record, and the epoch must not be forgotten.
constexpr const char* kReservedLock = "tenure-doctor";

struct Check {
  std::string name;
  bool ok = false;
  std::string detail;
  std::string remedy{};
};
using Checks = std::vector<Check>;

Check passed(std::string name, std::string detail) {
  return {std::move(name), true, std::move(detail)};
}

Check failed(std::string name, const Error& error) {
  return {std::move(name), false, error.message, error.remedy};
}

std::string millis(Duration d) {
  return format_duration(std::chrono::ceil<milliseconds>(d));
}

// -------------------------------------------------------------------------------------------------
// the machine

Check check_file_mode(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0)
    return {"permissions", false, path + " cannot be looked at", "check the folders above it"};
  const unsigned mode = info.st_mode & 0777U;
  const std::string detail = fmt::format("{} has mode {:04o}", path, mode);
  if ((mode & 0077U) == 0) return passed("permissions", detail);
  return {"permissions", false, detail + ": others may read or change who leads",
          "chmod 600 " + path};
}

Check check_notifications(const StoreTraits& traits) {
  if (traits.watch) return passed("notifications", "changes are announced at once");
  return {"notifications", false, "changes are not announced: candidates look every retry period",
          "raise fs.inotify.max_user_instances and max_user_watches"};
}

// Deadlines use the boot clock; the wall clock only decides about records of other programs.
Check check_clocks(Loop& loop) {
  constexpr Duration kMeasured = milliseconds(50);
  const Now before = loop.now();
  loop.at(before.mono + kMeasured, [&loop] { loop.stop(); });
  loop.run();
  const Now after = loop.now();
  const Duration mono = after.mono - before.mono;
  const Duration wall = after.wall - before.wall;
  if (mono < kMeasured)
    return {"clock", false, "the boot clock does not advance", "this kernel cannot be used"};
  const std::string now = format_rfc3339(after.wall);
  constexpr WallTime kEarliest = WallTime::from_ns(1'704'067'200'000'000'000);  // 2024
  if (after.wall < kEarliest)
    return {"clock", false, "the wall clock says " + now, "set it, for example with NTP"};
  if (std::chrono::abs(wall - mono) > kMeasured)
    return {"clock", false,
            fmt::format("the wall clock stepped by {} just now", millis(wall - mono)),
            "no lease depends on it, but records and logs show it; slew it instead"};
  return passed("clock", "the boot clock advances; the wall clock says " + now);
}

// -------------------------------------------------------------------------------------------------
// the store

// Writes the reserved lock in ways that must be honoured and in ways that must be refused.
class WriteProbe {
 public:
  explicit WriteProbe(Session& session) : session_(session) {}

  Check run() {
    const std::string name = "conditional-writes";
    if (auto ok = try_all(); !ok) return failed(name, ok.error());
    return passed(name, "writes against an old version are refused");
  }
  [[nodiscard]] Duration slowest() const { return slowest_; }

 private:
  Status try_all() {
    const ReadResult found = read_now(session_, kReservedLock);
    if (found.outcome != ReadOutcome::ok) return no_answer("read", found.detail);
    if (auto ok = begin(found.observation); !ok) return ok;
    const Version first = version_;
    if (auto ok = must_apply("update", first); !ok) return ok;
    if (auto ok = must_conflict("create over a record that exists", ""); !ok) return ok;
    if (auto ok = must_conflict("write against an old version", first); !ok) return ok;
    if (auto ok = must_read_back(); !ok) return ok;
    record_.holder_identity.clear();
    record_.lease_duration_seconds = 1;
    return must_apply("release", version_);
  }

  Status begin(const Observation& found) {
    if (found.kind == Observation::Kind::record) record_ = found.record;
    record_.holder_identity = draw_identity();
    record_.lease_duration_seconds = 1;
    record_.leader_transitions += 1;
    record_.acquire_time = session_.loop.now().wall;
    return must_apply(found.version.empty() ? "create" : "update", found.version);
  }

  WriteResult write(const Version& expected) {
    LeaderElectionRecord record = record_;
    record.write_id = random_.write_id();
    record.renew_time = session_.loop.now().wall;
    const Instant sent = session_.loop.now().mono;
    WriteResult result = write_now(session_, kReservedLock, record, expected);
    slowest_ = std::max(slowest_, session_.loop.now().mono - sent);
    if (result.outcome == WriteOutcome::applied) record_ = record;
    return result;
  }

  Status must_apply(const char* what, const Version& expected) {
    const WriteResult result = write(expected);
    if (result.outcome == WriteOutcome::conflict)
      return failure(
          ErrorCode::conflict,
          fmt::format("the {} was refused: somebody else writes {}", what, kReservedLock),
          "run one doctor at a time");
    if (result.outcome != WriteOutcome::applied) return no_answer(what, result.detail);
    version_ = result.version;
    return {};
  }

  Status must_conflict(const char* what, const Version& expected) {
    const WriteResult result = write(expected);
    if (result.outcome == WriteOutcome::conflict) return {};
    if (result.outcome != WriteOutcome::applied) return no_answer(what, result.detail);
    return failure(ErrorCode::unsupported, fmt::format("the store let a {} through", what),
                   "do not use this store: two candidates could lead at once");
  }

  Status must_read_back() {
    const ReadResult answer = read_now(session_, kReservedLock);
    if (answer.outcome != ReadOutcome::ok) return no_answer("read", answer.detail);
    if (answer.observation.version == version_ &&
        answer.observation.record.write_id == record_.write_id)
      return {};
    return failure(ErrorCode::unsupported, "a read did not show what was just written",
                   "do not use this store, or run one doctor at a time");
  }

  static Status no_answer(const char* what, const std::string& detail) {
    return failure(
        ErrorCode::unavailable,
        fmt::format("the {} failed: {}", what, detail.empty() ? "no answer in time" : detail),
        "check that the store is reachable and may be written");
  }

  Session& session_;
  SystemRandom random_;
  LeaderElectionRecord record_;
  Version version_;
  Duration slowest_{0};
};

Check check_latency(Duration slowest, const Timing& timing) {
  const std::string detail = fmt::format("slowest write {}, request time-out {}", millis(slowest),
                                         format_duration(timing.request_timeout));
  if (slowest * 2 <= timing.request_timeout) return passed("latency", detail);
  return {"latency", false, detail, "use a faster store or a longer --renew-deadline"};
}

Check check_permissions(Loop& loop, const StoreUrl& url, const Timing& timing) {
  const std::string name = "permissions";
  const auto client = open_cluster(loop, url);
  if (!client) return failed(name, client.error());
  const std::string& where = (*client)->config().namespace_name;
  const bool leases = url.kind == StoreUrl::Kind::k8s;
  const kube::AccessQuery query = {
      .namespace_name = where,
      .group = leases ? "coordination.k8s.io" : "multicluster.core.cnrm.cloud.google.com",
      .resource = leases ? "leases" : "multiclusterleases",
      .verbs = {"get", "list", "watch", "create", leases ? "update" : "patch"}};
  Result<std::vector<std::string>> denied = failure(ErrorCode::internal, "no answer");
  kube::find_denied_verbs(**client, query, loop.now().mono + timing.request_timeout,
                          [&](auto answer) {
                            denied = std::move(answer);
                            loop.stop();
                          });
  loop.run();
  if (!denied) return failed(name, denied.error());
  if (denied->empty())
    return passed(name,
                  fmt::format("{} {} in {}", fmt::join(query.verbs, ", "), query.resource, where));
  return {
      name, false,
      fmt::format("may not {} {} in namespace {}", fmt::join(*denied, ", "), query.resource, where),
      fmt::format("grant {} on {} of {} with a Role and a RoleBinding", fmt::join(*denied, ", "),
                  query.resource, query.group)};
}

Check check_kind_is_known(Session& session) {
  const ReadResult answer = read_now(session, "tenure-doctor");
  if (answer.outcome == ReadOutcome::ok)
    return passed("objects", "the API server knows MultiClusterLeases");
  return {"objects", false, answer.detail, "apply the CRD, and look at the API server"};
}

void check_store(Loop& loop, const StoreFlags& flags, const StoreUrl& url, Checks& checks) {
  auto session = open_session(loop, flags, OpenMode::create);
  if (!session) {
    checks.push_back(failed("store", session.error()));
    return;
  }
  checks.push_back(passed("settings", session->timing.summary()));
  const std::string store = session->store->describe();
  if (url.kind == StoreUrl::Kind::sqlite) {
    checks.push_back(passed("store", store + " opens, and its file system can lock"));
    checks.push_back(check_file_mode(url.path));
  } else {
    checks.push_back(passed("store", store));
  }
  if (url.is_in_cluster()) checks.push_back(check_permissions(loop, url, session->timing));
  if (url.kind == StoreUrl::Kind::mcl) {  // its controller does the writing
    checks.push_back(check_kind_is_known(*session));
  } else {
    WriteProbe probe(*session);
    checks.push_back(probe.run());
    if (checks.back().ok) checks.push_back(check_latency(probe.slowest(), session->timing));
  }
  checks.push_back(check_notifications(session->store->traits()));
}

Checks all_checks(Loop& loop, const StoreFlags& flags) {
  Checks checks;
  const auto url = store_url_of(flags);
  if (!url) return {failed("url", url.error())};
  checks.push_back(
      passed("url", flags.url.empty() ? "the default, " + url->path : redact_url(flags.url)));
  checks.push_back(check_clocks(loop));
  if (const auto timing = timing_of(url->kind, settings_of(*url, flags), StoreTraits{}); !timing)
    checks.push_back(failed("settings", timing.error()));
  else
    check_store(loop, flags, *url, checks);
  return checks;
}

// -------------------------------------------------------------------------------------------------

std::string to_table(const Checks& checks) {
  const bool colour = wants_colour();
  std::string out;
  for (const Check& check : checks) {
    const char* mark = check.ok ? "ok  " : "FAIL";
    const char* paint = check.ok ? "\x1b[32m" : "\x1b[31m";
    out += colour ? fmt::format("{}{}\x1b[0m", paint, mark) : mark;
    out += fmt::format("  {}  {}\n", padded(check.name, 18), printable(check.detail));
    if (!check.remedy.empty())
      out += fmt::format("{}  {}\n", padded("", 24), "-> " + printable(check.remedy));
  }
  return out;
}

std::string to_text(const Checks& checks, Output output) {
  if (!is_machine_readable(output)) return to_table(checks);
  Json list = Json::array();
  for (const Check& check : checks)
    list.push_back({{"name", check.name},
                    {"ok", check.ok},
                    {"detail", check.detail},
                    {"remedy", check.remedy}});
  return to_text(Json{{"checks", list}}, output);
}

}  // namespace

int doctor(const DoctorOptions& options) {
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  const Checks checks = all_checks(**loop, options.store);
  print(to_text(checks, options.output));
  const bool healthy = std::all_of(checks.begin(), checks.end(), [](auto& c) { return c.ok; });
  return healthy ? kExitOk : kExitStoreUnusable;
}

}  // namespace tenure::cli
