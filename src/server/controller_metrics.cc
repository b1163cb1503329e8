#include "server/controller_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace tenure {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::ClientMetric;
using prometheus::Counter;
using prometheus::Family;
using prometheus::MetricFamily;

constexpr std::size_t kMostLocks = 2000;

MetricFamily gauges(const char* name, const char* help) {
  return {.name = name, .help = help, .type = prometheus::MetricType::Gauge, .metric = {}};
}

ClientMetric gauge(const std::string& lock, double value) {
  ClientMetric metric;
  metric.label = {{"name", lock}};
  metric.gauge.value = value;
  return metric;
}

}  // namespace

struct ControllerMetrics::Impl {
  explicit Impl(const std::string& version) {
    BuildGauge()
        .Name("tenure_build_info")
        .Help("Always 1; the version is in the label.")
        .Register(registry)
        .Add({{"version", version}})
        .Set(1);
  }

  void set(const std::string& name, bool leads, std::optional<Epoch> epoch) {
    const std::lock_guard guard(mutex);
    if (locks.size() >= kMostLocks && !locks.contains(name)) return;
    Lock& lock = locks[name];
    lock = {leads, epoch.value_or(lock.epoch)};
  }
  void add_locks(std::vector<MetricFamily>& families);
  void count(const char* reason) { transitions.Add({{"reason", reason}}).Increment(); }

  prometheus::Registry registry;
  Family<Counter>& transitions =
      BuildCounter()
          .Name("tenure_transitions_total")
          .Help("Tenures of candidates of this cluster that began (acquired) and ended (lost).")
          .Register(registry);
  Family<Counter>& requests = BuildCounter()
                                  .Name("tenure_store_requests_total")
                                  .Help("Requests to the store.")
                                  .Register(registry);
  Family<Counter>& statuses = BuildCounter()
                                  .Name("tenure_status_writes_total")
                                  .Help("Statuses written to the API server.")
                                  .Register(registry);
  Counter& rivals = BuildCounter()
                        .Name("tenure_rival_controllers_total")
                        .Help("How often another controller of this cluster took a lock.")
                        .Register(registry)
                        .Add({});

  /// Kept as they are and told when asked, because a series of the library is half a kilobyte.
  struct Lock {
    bool leads = false;
    Epoch epoch = 0;
  };
  std::mutex mutex;
  std::map<std::string, Lock> locks;  // guarded by mutex
};

void ControllerMetrics::Impl::add_locks(std::vector<MetricFamily>& families) {
  MetricFamily leads = gauges("leader_election_master_status",
                              "Whether a candidate of this cluster leads: 1 leads, 0 does not.");
  MetricFamily epochs = gauges("tenure_epoch", "The epoch of the last tenure of this cluster.");
  const std::lock_guard guard(mutex);
  if (locks.empty()) return;  // as the library leaves out a family without series
  for (const auto& [name, lock] : locks) {
    leads.metric.push_back(gauge(name, lock.leads ? 1 : 0));
    epochs.metric.push_back(gauge(name, static_cast<double>(lock.epoch)));
  }
  families.push_back(std::move(leads));
  families.push_back(std::move(epochs));
}

ControllerMetrics::ControllerMetrics(const std::string& version)
    : impl_(std::make_unique<Impl>(version)) {}
ControllerMetrics::~ControllerMetrics() = default;

void ControllerMetrics::became_leader(const std::string& lock, Epoch epoch) {
  impl_->count("acquired");
  impl_->set(lock, true, epoch);
}

void ControllerMetrics::stopped_leading(const std::string& lock) {
  impl_->count("lost");
  impl_->set(lock, false, {});
}

void ControllerMetrics::forget(const std::string& lock) {
  const std::lock_guard guard(impl_->mutex);
  impl_->locks.erase(lock);
}

void ControllerMetrics::request_done(const char* op, const char* outcome) {
  impl_->requests.Add({{"op", op}, {"outcome", outcome}}).Increment();
}

void ControllerMetrics::status_written(bool ok) {
  impl_->statuses.Add({{"outcome", ok ? "ok" : "failed"}}).Increment();
}

void ControllerMetrics::has_rival() {
  impl_->rivals.Increment();
}

std::string ControllerMetrics::text() const {
  std::vector<MetricFamily> families = impl_->registry.Collect();
  impl_->add_locks(families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace tenure
