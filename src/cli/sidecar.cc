#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/listening.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "cli/sidecar_kubernetes.h"
#include "cli/sidecar_work.h"
#include "elect/defaults.h"
#include "elect/open_contender.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "runtime/clock.h"
#include "runtime/host.h"
#include "runtime/signals.h"
#include "server/leader_api.h"
#include "server/metrics.h"

namespace tenure::cli {
namespace {

using std::chrono::seconds;

/// For answers that are on their way when the sidecar ends.
constexpr Duration kGrace = seconds(1);
/// For the last Event and the label, after the lock was given back.
constexpr Duration kLastWords = seconds(2);

/// Tells everybody who wants to know: programs, people, Prometheus, the cluster.
class Observer final : public DriverObserver {
 public:
  Observer(Loop& loop, const RunLog& log, Metrics& metrics, SidecarKubernetes& kubernetes)
      : loop_(loop), log_(log), metrics_(metrics), kubernetes_(kubernetes) {}
  /// Before the driver starts.
  void use(LeaderApi& api) { api_ = &api; }

  void leader_changed(const LeaseView& view) override {
    metrics_.leader_changed(view, loop_.now().mono);
    api_->publish(view);
    if (!view.holder.empty())
      log_.info("leader", view.holder_epoch,
                fmt::format("the leader is {} (epoch {})", view.holder, view.holder_epoch));
  }
  void role_changed(const LeaseView& view, StopReason reason) override {
    metrics_.role_changed(view, reason);
    api_->publish(view);
    last_report_.clear();
    const bool leads = view.role == Role::leading;
    if (leads != std::exchange(leads_, leads)) kubernetes_.leads(leads);
    if (leads) log_.info("leading", view.epoch, "this candidate leads");
    if (view.role == Role::stopping)
      log_.warning("lost", view.epoch,
                   fmt::format("this candidate leads no more: {}", explain(reason)));
  }
  void reported(Action::Note note, const std::string& detail) override {
    metrics_.reported(note);
    std::string text(explain(note));
    if (!detail.empty()) text += ": " + detail;
    if (text == last_report_) return;
    log_.warning(to_string(note), 0, text);
    last_report_ = std::move(text);
  }
  void overran(Epoch epoch) override {
    metrics_.overran();
    log_.warning("overran", epoch, "the lease ended before this candidate had stopped");
  }
  void done(StopReason) override {
    kubernetes_.settle(loop_.now().mono + kLastWords, [this] { loop_.stop(); });
  }

 private:
  Loop& loop_;
  const RunLog& log_;
  Metrics& metrics_;
  SidecarKubernetes& kubernetes_;
  bool leads_ = false;
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

struct Parts {
  Loop& loop;
  Session& session;
  SidecarKubernetes& kubernetes;
  const RunLog& log;
};

/// The word before the colon of a store's URL.
std::string kind_of(const std::string& url) {
  return url.substr(0, url.find(':'));
}

int serve(const SidecarOptions& o, HttpServer::Options listening, const Parts& parts,
          std::function<void()>& on_signal) {
  Loop& loop = parts.loop;
  const std::string where = parts.session.store->describe();
  Metrics metrics(
      {.lock = o.name, .store = kind_of(where), .version = std::string(version_text())});
  MeteredStore store(loop, *parts.session.store, metrics);
  SidecarWork work(loop, parts.log,
                   {.stop_margin = parts.session.settings.stop_margin,
                    .lock = o.name,
                    .identity = o.identity,
                    .on_started = o.on_started,
                    .on_stopped = o.on_stopped});
  SystemRandom random;
  Observer observer(loop, parts.log, metrics, parts.kubernetes);
  const auto contender = open_contender(
      {.loop = loop, .store = store, .work = work, .random = random, .observer = observer},
      parts.session.url, o.name, elector_options(parts.session, o.identity, "", true),
      parts.session.settings);
  if (!contender) return fail(contender.error());
  LeaderApi api(loop, **contender, metrics,
                {.identity = o.identity,
                 .store = where,
                 .version = std::string(version_text()),
                 .settings = parts.session.settings});
  observer.use(api);
  auto server = HttpServer::start(
      std::move(listening),
      [&api](const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
        api.handle(request, std::move(exchange));
      });
  if (!server) return fail(server.error(), kExitFailure);
  parts.log.info(
      "starting", 0,
      fmt::format("candidate {} for lock {} in {}, listening on port {}: {}", o.identity,
                  in_quotes(o.name), where, (*server)->port(), parts.session.timing.summary()));
  on_signal = [&contender] { (*contender)->stop(); };
  (*contender)->start();
  loop.run();
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
  std::function<void()> on_signal;
  // Before any thread is started, which must not take the signals.
  const auto signals = Signals::create(**loop, {SIGINT, SIGTERM}, [&](int) {
    if (on_signal) on_signal();
  });
  if (!signals) return fail(signals.error(), kExitFailure);
  auto session = open_session(**loop, o.store, OpenMode::create);
  if (!session) return fail(session.error());
  if (auto ok = session->store->check_name(o.name); !ok) return fail(ok.error(), kExitUsage);
  auto kubernetes = SidecarKubernetes::create(**loop, log,
                                              {.lock_url = *store_url_of(o.store),
                                               .lock = o.name,
                                               .identity = o.identity,
                                               .pod_label = o.pod_label,
                                               .pod = environment_variable("POD_NAME")});
  if (!kubernetes) return fail(kubernetes.error(), kExitUsage);
  return serve(o, *std::move(listening),
               {.loop = **loop, .session = *session, .kubernetes = **kubernetes, .log = log},
               on_signal);
}

}  // namespace tenure::cli
