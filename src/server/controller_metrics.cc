#include "server/controller_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace tenure {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

constexpr std::size_t kMostLocks = 2000;

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

  struct Lock {
    Gauge* leads;
    Gauge* epoch;
  };
  /// Null when there are too many.
  Lock* find(const std::string& name) {
    if (const auto known = locks.find(name); known != locks.end()) return &known->second;
    if (locks.size() >= kMostLocks) return nullptr;
    const prometheus::Labels labels{{"name", name}};
    return &locks.emplace(name, Lock{&leads.Add(labels), &epochs.Add(labels)}).first->second;
  }
  void count(const char* reason) { transitions.Add({{"reason", reason}}).Increment(); }

  prometheus::Registry registry;
  Family<Gauge>& leads =
      BuildGauge()
          .Name("leader_election_master_status")
          .Help("Whether a candidate of this cluster leads: 1 leads, 0 does not.")
          .Register(registry);
  Family<Gauge>& epochs = BuildGauge()
                              .Name("tenure_epoch")
                              .Help("The epoch of the last tenure of this cluster.")
                              .Register(registry);
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
  std::map<std::string, Lock> locks;
};

ControllerMetrics::ControllerMetrics(const std::string& version)
    : impl_(std::make_unique<Impl>(version)) {}
ControllerMetrics::~ControllerMetrics() = default;

void ControllerMetrics::became_leader(const std::string& lock, Epoch epoch) {
  impl_->count("acquired");
  if (Impl::Lock* known = impl_->find(lock)) {
    known->leads->Set(1);
    known->epoch->Set(static_cast<double>(epoch));
  }
}

void ControllerMetrics::stopped_leading(const std::string& lock) {
  impl_->count("lost");
  if (Impl::Lock* known = impl_->find(lock)) known->leads->Set(0);
}

void ControllerMetrics::forget(const std::string& lock) {
  const auto known = impl_->locks.extract(lock);
  if (!known) return;
  impl_->leads.Remove(known.mapped().leads);
  impl_->epochs.Remove(known.mapped().epoch);
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
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace tenure
