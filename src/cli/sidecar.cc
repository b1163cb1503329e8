#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <utility>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "elect/defaults.h"
#include "elect/driver.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "runtime/clock.h"
#include "runtime/host.h"
#include "runtime/signals.h"
#include "server/leader_api.h"

namespace tenure::cli {
namespace {

using std::chrono::seconds;

/// For answers that are on their way when the sidecar ends.
constexpr Duration kGrace = seconds(1);

/// The sidecar's own work is to say "yes". Whoever asked a moment ago may still act on that, so the
/// lock is held for the stop margin after the last "yes".
class Saying final : public Work {
 public:
  Saying(Loop& loop, Duration stop_margin) : loop_(loop), stop_margin_(stop_margin) {}

  void start(Epoch, Instant, Instant, Finished finished) override {
    finished_ = std::move(finished);
  }
  void renewed(Instant, Instant) override {}
  void stop(StopReason) override {
    timer_ = loop_.at(loop_.now().mono + stop_margin_, [this] { end(); });
  }
  void kill() override { end(); }

 private:
  void end() {
    loop_.cancel(std::exchange(timer_, 0));
    if (const Finished finished = std::exchange(finished_, {})) finished(false);
  }

  Loop& loop_;
  const Duration stop_margin_;
  Finished finished_;
  Loop::TimerId timer_ = 0;
};

class Observer final : public DriverObserver {
 public:
  Observer(Loop& loop, const RunLog& log) : loop_(loop), log_(log) {}
  void use(LeaderApi& api) { api_ = &api; }

  void leader_changed(const LeaseView& view) override {
    api_->publish(view);
    if (!view.holder.empty())
      log_.info("leader", view.holder_epoch,
                fmt::format("the leader is {} (epoch {})", view.holder, view.holder_epoch));
  }
  void role_changed(const LeaseView& view, StopReason reason) override {
    api_->publish(view);
    last_report_.clear();
    if (view.role == Role::leading) log_.info("leading", view.epoch, "this candidate leads");
    if (view.role == Role::stopping)
      log_.warning("lost", view.epoch,
                   fmt::format("this candidate leads no more: {}", explain(reason)));
  }
  void reported(Action::Note note, const std::string& detail) override {
    std::string text(explain(note));
    if (!detail.empty()) text += ": " + detail;
    if (text == last_report_) return;
    log_.warning(to_string(note), 0, text);
    last_report_ = std::move(text);
  }
  void done(StopReason) override { loop_.stop(); }

 private:
  Loop& loop_;
  const RunLog& log_;
  LeaderApi* api_ = nullptr;
  std::string last_report_;
};

std::string or_variable(const std::string& given, const char* variable) {
  return given.empty() ? environment_variable(variable) : given;
}

Status take_duration(std::optional<Duration>& target, const char* variable) {
  const std::string text = environment_variable(variable);
  if (target || text.empty()) return {};
  const auto parsed = parse_duration(text);
  if (!parsed)
    return failure(ErrorCode::invalid_argument,
                   fmt::format("{}: {}", variable, parsed.error().message), parsed.error().remedy);
  target = *parsed;
  return {};
}

/// What the command line leaves open: the environment, then what a sidecar is used to.
Status complete(SidecarOptions& o) {
  o.name = or_variable(o.name, "LEASE_NAME");
  o.identity = or_variable(o.identity, "POD_NAME");
  if (o.identity.empty()) o.identity = draw_identity();
  SettingsOverrides& settings = o.store.settings;
  if (auto ok = take_duration(settings.lease_duration, "LEASE_DURATION"); !ok) return ok;
  if (auto ok = take_duration(settings.renew_deadline, "LEASE_RENEW_DURATION"); !ok) return ok;
  if (o.name.empty())
    return failure(ErrorCode::invalid_argument, "the lock has no name",
                   "give --lease-name or set LEASE_NAME");
  if (auto ok = check_lock_name(o.identity); !ok)
    return failure(ErrorCode::invalid_argument,
                   "the id " + in_quotes(o.identity) + " cannot be used",
                   "use 1 to 253 bytes of UTF-8 without control characters");
  if (o.store.url.empty()) {
    o.store.url = "k8s:";
    const std::string name_space = or_variable(o.name_space, "NAMESPACE");
    if (!name_space.empty()) o.store.url += "//" + percent_encoded(name_space);
    if (!o.kubeconfig.empty()) o.store.url += "?kubeconfig=" + percent_encoded(o.kubeconfig);
    if (!settings.lease_duration) settings.lease_duration = seconds(10);
    if (!settings.renew_deadline) settings.renew_deadline = seconds(5);
    if (!settings.retry_period) settings.retry_period = seconds(1);
  }
  return {};
}

/// ":4040", "127.0.0.1:4040" or "[::1]:4040".
Result<HttpServer::Options> listening_options(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  HttpServer::Options options;
  if (colon != std::string::npos) {
    options.address = colon == 0 ? "::" : address.substr(0, colon);
    const char* const end = address.data() + address.size();
    const auto [stopped, error] = std::from_chars(address.data() + colon + 1, end, options.port);
    if (error == std::errc() && stopped == end) return options;
  }
  return failure(ErrorCode::invalid_argument, in_quotes(address) + " is no address to listen at",
                 "write it as :4040 or 127.0.0.1:4040");
}

struct Parts {
  Loop& loop;
  Session& session;
  const RunLog& log;
  Observer& observer;
};

int serve(const SidecarOptions& o, HttpServer::Options listening, const Parts& parts,
          std::function<void()>& on_signal) {
  SystemRandom random;
  Saying work(parts.loop, parts.session.settings.stop_margin);
  ElectorOptions options{
      .identity = o.identity,
      .cluster = {},
      .timing = parts.session.timing,
      .retry_period = parts.session.settings.retry_period,
      .store = parts.session.store->traits(),
      .clock_rate_tolerance_percent = parts.session.settings.clock_rate_tolerance_percent,
      .contend_again = true};
  Driver driver({.loop = parts.loop,
                 .store = *parts.session.store,
                 .work = work,
                 .random = random,
                 .observer = parts.observer},
                o.name, std::move(options));
  LeaderApi api(parts.loop, driver, o.identity);
  parts.observer.use(api);
  auto server = HttpServer::start(
      std::move(listening),
      [&api](const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
        api.handle(request, std::move(exchange));
      });
  if (!server) return fail(server.error(), kExitFailure);
  parts.log.info("starting", 0,
                 fmt::format("candidate {} for lock {} in {}, listening on port {}: {}", o.identity,
                             in_quotes(o.name), parts.session.store->describe(), (*server)->port(),
                             parts.session.timing.summary()));
  on_signal = [&driver] { driver.stop(); };
  driver.start();
  parts.loop.run();
  on_signal = {};
  api.end_waiting();
  (*server)->stop(kGrace);
  return kExitOk;
}

}  // namespace

int sidecar(const SidecarOptions& given) {
  SidecarOptions o = given;
  if (auto ok = complete(o); !ok) return fail(ok.error(), kExitUsage);
  auto listening = listening_options(o.address);
  if (!listening) return fail(listening.error(), kExitUsage);
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  const RunLog log({.lock = o.name, .format = o.log, .quiet = o.quiet});
  Observer observer(**loop, log);
  std::function<void()> on_signal;
  // Before any thread is started, which must not take the signals.
  const auto signals = Signals::create(**loop, {SIGINT, SIGTERM}, [&](int) {
    if (on_signal) on_signal();
  });
  if (!signals) return fail(signals.error(), kExitFailure);
  auto session = open_session(**loop, o.store, OpenMode::create);
  if (!session) return fail(session.error());
  if (auto ok = session->store->check_name(o.name); !ok) return fail(ok.error(), kExitUsage);
  return serve(o, *std::move(listening),
               {.loop = **loop, .session = *session, .log = log, .observer = observer}, on_signal);
}

}  // namespace tenure::cli
