#include "controller/controller.h"

#include <fmt/format.h>

#include <csignal>
#include <functional>
#include <utility>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/controller_health.h"
#include "cli/listening.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "controller/lease_events.h"
#include "core/bounded_json.h"
#include "elect/defaults.h"
#include "elect/driver.h"
#include "kube/label_selector.h"
#include "runtime/clock.h"
#include "runtime/signals.h"
#include "server/controller_metrics.h"
#include "server/metrics.h"

namespace tenure::cli {
namespace {

using std::chrono::seconds;

constexpr Duration kGrace = seconds(1);
constexpr Duration kPauseBetweenAttempts = seconds(2);
/// Between replicas. The other one goes on before a candidate of the first one has given up.
constexpr const char* kReplicaLock = "tenure-controller";
constexpr Settings kReplicaSettings{
    .lease_duration = seconds(6), .renew_deadline = seconds(4), .retry_period = seconds(1)};

struct Parts {
  Loop& loop;
  const RunLog& log;
  kube::Client& client;
  Store& store;
  ControllerHealth& health;
  ControllerMetrics& metrics;
  std::function<void()>& on_signal;
};

class Observer final : public controller::ControllerObserver {
 public:
  Observer(const Parts& parts, const std::string& cluster)
      : log_(parts.log),
        health_(parts.health),
        metrics_(parts.metrics),
        events_(parts.loop, parts.client, cluster,
                [this](const std::string& what) { log_.warning("event", 0, what); }) {}

  void became_leader(const std::string& lock, const kube::EventSubject& object,
                     const std::string& identity, Epoch epoch) override {
    const std::string what = identity + " became leader";
    events_.record(object, what);
    metrics_.became_leader(lock, epoch);
    log_.info("leading", epoch, fmt::format("{} of {}", what, lock));
  }
  void stopped_leading(const std::string& lock, const kube::EventSubject& object,
                       const std::string& identity, Epoch epoch, const std::string& why) override {
    const std::string what = identity + " stopped leading";
    if (!object.uid.empty()) events_.record(object, what);
    metrics_.stopped_leading(lock);
    log_.warning("lost", epoch, fmt::format("{} of {}: {}", what, lock, why));
  }
  void reported(const std::string& lock, Action::Note note, const std::string& detail) override {
    std::string text = fmt::format("lock {}: {}", lock, explain(note));
    if (!detail.empty()) text += ": " + detail;
    if (text == std::exchange(last_report_, text)) return;
    log_.warning(to_string(note), 0, text);
  }
  void request_done(const char* op, const char* outcome) override {
    metrics_.request_done(op, outcome);
  }
  void status_written(bool ok) override { metrics_.status_written(ok); }
  void forgotten(const std::string& lock) override { metrics_.forget(lock); }
  void has_rival(const std::string& lock) override {
    metrics_.has_rival();
    log_.error("rival", 0,
               fmt::format("lock {}: another controller of this cluster writes to it; give each "
                           "cluster one --cluster name and its replicas --leader-elect",
                           lock));
  }
  void trouble(const std::string& what) override {
    log_.warning("api_server", 0, "the API server: " + what);
  }
  void synced(std::size_t objects) override {
    health_.set_ready(true);
    log_.info("synced", 0, fmt::format("{} MultiClusterLeases found", objects));
  }

 private:
  const RunLog& log_;
  ControllerHealth& health_;
  ControllerMetrics& metrics_;
  controller::LeaseEvents events_;
  std::string last_report_;
};

/// The controller as the work of the replica that leads.
class ReplicaWork final : public Work {
 public:
  using Make = std::function<std::unique_ptr<controller::Controller>()>;
  ReplicaWork(Loop& loop, Make make)
      : loop_(loop), make_(std::move(make)), alive_(std::make_shared<char>()) {}

  void start(Epoch, Instant, Instant, Finished finished) override {
    finished_ = std::move(finished);
    controller_ = make_();
  }
  void renewed(Instant, Instant) override {}
  void stop(StopReason) override {
    controller_.reset();
    if (finished_)
      loop_.post_for(alive_, [finished = std::exchange(finished_, {})] { finished(false); });
  }
  void kill() override { stop(StopReason::none); }

 private:
  Loop& loop_;
  const Make make_;
  Finished finished_;
  std::unique_ptr<controller::Controller> controller_;
  const std::shared_ptr<char> alive_;
};

/// What the replicas hear of each other.
class ReplicaObserver final : public DriverObserver {
 public:
  ReplicaObserver(Loop& loop, const RunLog& log, ControllerHealth& health)
      : loop_(loop), log_(log), health_(health) {}
  void role_changed(const LeaseView& view, StopReason) override {
    if (view.role == Role::leading) log_.info("replica", view.epoch, "this replica works");
    if (view.role == Role::contending) health_.set_ready(true);
  }
  void leader_changed(const LeaseView& view) override {
    if (!view.holder.empty() && view.role == Role::contending)
      log_.info("replica", view.holder_epoch,
                fmt::format("replica {} works, this one waits", view.holder));
  }
  void reported(Action::Note note, const std::string& detail) override {
    log_.warning(to_string(note), 0, fmt::format("replicas: {}: {}", explain(note), detail));
  }
  void done(StopReason) override { loop_.stop(); }

 private:
  Loop& loop_;
  const RunLog& log_;
  ControllerHealth& health_;
};

Result<StoreUrl> lock_store_of(const ControllerOptions& o) {
  if (!o.store.empty() && !o.gcs_bucket.empty())
    return failure(ErrorCode::invalid_argument, "--store and --gcs-bucket say the same",
                   "give one of them");
  const std::string url = o.gcs_bucket.empty() ? o.store : "gs://" + o.gcs_bucket;
  if (url.empty())
    return failure(ErrorCode::invalid_argument, "it is not said where the locks are",
                   "give --store=gs://BUCKET, the same in all clusters");
  return parse_store_url(url, state_folders());
}

StoreUrl cluster_url(const ControllerOptions& o) {
  StoreUrl url;
  url.kind = StoreUrl::Kind::k8s;
  url.kubeconfig = o.kubeconfig;
  url.context = o.context;
  return url;
}

/// The UID of kube-system, which names a cluster; asked for until there is an answer. Nothing when
/// a signal came first.
std::optional<std::string> ask_for_cluster(Loop& loop, kube::Client& client, const RunLog& log,
                                           std::function<void()>& on_signal) {
  std::optional<std::string> uid;
  std::string told;
  std::function<void()> ask;
  ask = [&] {
    client.send(
        {.path = "/api/v1/namespaces/kube-system", .deadline = loop.now().mono + seconds(10)},
        [&](const Result<HttpResponse>& answer) {
          if (answer && answer->status == 200)
            if (const auto json = parse_bounded(answer->body);
                json && json->contains("/metadata/uid"_json_pointer)) {
              uid = json->at("/metadata/uid"_json_pointer).get<std::string>();
              return loop.stop();
            }
          const std::string why =
              answer ? kube::parse_failure(*answer).message : answer.error().to_string();
          if (why != std::exchange(told, why))
            log.warning("api_server", 0,
                        "the name of this cluster, the UID of its namespace kube-system, "
                        "cannot be read: " +
                            why + "; give --cluster, or allow it");
          loop.at(loop.now().mono + kPauseBetweenAttempts, [&ask] { ask(); });
        });
  };
  on_signal = [&loop] { loop.stop(); };
  ask();
  loop.run();
  on_signal = {};
  return uid;
}

void work_alone(const Parts& parts, const controller::Controller::Options& options) {
  Observer observer(parts, options.cluster);
  const controller::Controller controller(
      {.loop = parts.loop, .client = parts.client, .store = parts.store, .observer = observer},
      options);
  parts.on_signal = [&parts] { parts.loop.stop(); };
  parts.loop.run();
  parts.on_signal = {};
}

int work_with_replicas(const ControllerOptions& o, const Parts& parts,
                       const controller::Controller::Options& options) {
  auto replicas = open_store(parts.loop, cluster_url(o), OpenMode::create);
  if (!replicas) return fail(replicas.error());
  const auto timing = check(kReplicaSettings, (*replicas)->traits());
  if (!timing) return fail(timing.error(), kExitFailure);
  Observer observer(parts, options.cluster);
  ReplicaWork work(parts.loop, [&] {
    return std::make_unique<controller::Controller>(
        controller::Controller::Parts{
            .loop = parts.loop, .client = parts.client, .store = parts.store, .observer = observer},
        options);
  });
  SystemRandom random;
  ReplicaObserver replica_observer(parts.loop, parts.log, parts.health);
  ElectorOptions elector;
  elector.identity = draw_identity();
  elector.timing = *timing;
  elector.retry_period = kReplicaSettings.retry_period;
  elector.store = (*replicas)->traits();
  Driver driver({.loop = parts.loop,
                 .store = **replicas,
                 .work = work,
                 .random = random,
                 .observer = replica_observer},
                kReplicaLock, elector);
  parts.on_signal = [&driver] { driver.stop(); };
  driver.start();
  parts.loop.run();
  parts.on_signal = {};
  return kExitOk;
}

Result<std::unique_ptr<HttpServer>> serve(const std::string& address, HttpServer::Handler handler) {
  auto listening = listening_options(address);
  if (!listening) return tl::unexpected(listening.error());
  return HttpServer::start(*std::move(listening), std::move(handler));
}

HttpServer::Handler metrics_handler(const ControllerMetrics& metrics) {
  return
      [&metrics](const HttpServerRequest& request, const std::shared_ptr<HttpExchange>& exchange) {
        HttpServerResponse response;
        if (request.path != "/metrics") {
          response.status = 404;
          response.body = "there is /metrics\n";
        } else {
          response.content_type = Metrics::kContentType;
          response.body = metrics.text();
        }
        exchange->respond(std::move(response));
      };
}

}  // namespace

int controller(const ControllerOptions& o) {
  const auto url = lock_store_of(o);
  if (!url) return fail(url.error(), kExitUsage);
  if (const Status ok = kube::check_label_selector(o.namespace_selector); !ok)
    return fail(ok.error(), kExitUsage);
  const auto loop = Loop::create();
  if (!loop) return fail(loop.error(), kExitFailure);
  const RunLog log({.lock = {}, .format = o.log, .quiet = o.quiet});
  std::function<void()> on_signal;
  // Before any thread is started, which must not take the signals.
  const auto signals = Signals::create(**loop, {SIGINT, SIGTERM}, [&](int) {
    if (on_signal) on_signal();
  });
  if (!signals) return fail(signals.error(), kExitFailure);
  const auto warn = [&log](const std::string& what) { log.warning("warning", 0, what); };
  auto store = open_store(**loop, *url, OpenMode::create, warn);
  if (!store) return fail(store.error());
  auto client = open_cluster(**loop, cluster_url(o), warn);
  if (!client) return fail(client.error());
  ControllerHealth health(**loop);
  ControllerMetrics metrics{std::string(version_text())};
  const auto health_server =
      serve(o.health_address,
            [&health](const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
              health.handle(request, std::move(exchange));
            });
  if (!health_server) return fail(health_server.error(), kExitUsage);
  const auto metrics_server = serve(o.metrics_address, metrics_handler(metrics));
  if (!metrics_server) return fail(metrics_server.error(), kExitUsage);
  std::optional<std::string> cluster = o.cluster;
  if (o.cluster.empty()) cluster = ask_for_cluster(**loop, **client, log, on_signal);
  if (!cluster) return kExitOk;
  log.info(
      "starting", 0,
      fmt::format("controller of cluster {}, locks in {}, metrics on port {}, health on port {}",
                  *cluster, (*store)->describe(), (*metrics_server)->port(),
                  (*health_server)->port()));
  const Parts parts{**loop, log, **client, **store, health, metrics, on_signal};
  const controller::Controller::Options options{.cluster = *cluster,
                                                .namespace_selector = o.namespace_selector,
                                                .mirror_renewals = o.mirror_renewals};
  int code = kExitOk;
  if (o.leader_elect) {
    code = work_with_replicas(o, parts, options);
  } else {
    work_alone(parts, options);
  }
  (*metrics_server)->stop(kGrace);
  (*health_server)->stop(kGrace);
  return code;
}

}  // namespace tenure::cli
