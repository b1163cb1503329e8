#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <optional>

namespace tenure {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::Registry;

double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// For how long nobody has led, as far as this candidate can tell: the record names nobody, or has
/// not changed for as long as its lease lasts.
class Vacancy {
 public:
  void saw(const Version& version, const LeaderElectionRecord* record, Instant now) {
    if (record == nullptr || record->is_free()) {
      from_ = std::min(from_, now);
    } else if (version != version_) {  // what is unchanged since the last look keeps its end
      constexpr std::int64_t kLongest = 10LL * 365 * 24 * 3600;
      from_ = now + std::chrono::seconds(std::min(record->lease_duration_seconds, kLongest));
    }
    version_ = version;
  }
  /// What has passed since the last call.
  Duration take(Instant now) {
    if (now <= from_) return Duration(0);
    return now - std::exchange(from_, now);
  }

 private:
  Instant from_ = Instant::never();
  Version version_;
};

}  // namespace

struct Metrics::Impl {
  explicit Impl(const Options& options) : lock{{"name", options.lock}}, store(options.store) {
    BuildGauge()
        .Name("tenure_build_info")
        .Help("Always 1; the version is in the label.")
        .Register(registry)
        .Add({{"version", options.version}})
        .Set(1);
    for (const char* outcome : {"conflict", "rejected", "throttled", "unknown"})
      renew_failure(outcome);  // so that a rate of it exists before the first failure
  }

  Counter& counter(const char* name, const char* help) {
    return BuildCounter().Name(name).Help(help).Register(registry).Add(lock);
  }
  Gauge& gauge(const char* name, const char* help) {
    return BuildGauge().Name(name).Help(help).Register(registry).Add(lock);
  }
  Histogram& histogram(const char* name, const char* help) {
    return BuildHistogram().Name(name).Help(help).Register(registry).Add(
        lock, Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                          1, 2.5, 5, 10, 30});
  }
  Counter& with(Family<Counter>& family, Labels more) {
    more.insert(lock.begin(), lock.end());
    return family.Add(more);
  }
  Counter& renew_failure(const char* outcome) {
    return with(renew_failures, {{"outcome", outcome}});
  }
  void count_request(const char* op, const char* outcome) {
    with(requests, {{"store", store}, {"op", op}, {"outcome", outcome}}).Increment();
  }
  void count_transition(const char* reason) { with(transitions, {{"reason", reason}}).Increment(); }

  const Labels lock;
  const std::string store;
  Registry registry;

  Gauge& master =
      gauge("leader_election_master_status", "Whether this candidate leads: 1 leads, 0 waits.");
  Counter& slowpath = counter("leader_election_slowpath_total",
                              "Renewals that did not succeed with their first request.");
  Gauge& epoch = gauge("tenure_epoch", "The highest epoch seen, of whoever led.");
  Gauge& remaining = gauge("tenure_lease_remaining_seconds",
                           "For how long this candidate leads without another renewal; 0 waits.");
  Histogram& renewals = histogram("tenure_renew_duration_seconds",
                                  "Of successful renewals, from the request to its answer.");
  Histogram& handovers = histogram(
      "tenure_handover_seconds",
      "From seeing the lock released to leading, when this candidate is the next leader.");
  Counter& vacant = counter("tenure_time_without_leader_seconds_total",
                            "Time in which nobody held the lock, as this candidate saw it.");
  Counter& anomalies =
      counter("tenure_clock_anomaly_total",
              "How often this machine turned out to have been frozen or its clock to be slow.");
  Counter& overruns =
      counter("tenure_overrun_total", "How often the lease ended before the work had stopped.");
  Family<Counter>& transitions =
      BuildCounter()
          .Name("tenure_transitions_total")
          .Help("Tenures of this candidate that began (acquired) and ended (any other reason).")
          .Register(registry);
  Family<Counter>& renew_failures =
      BuildCounter()
          .Name("tenure_renew_failures_total")
          .Help("Renewals that the store did not confirm, by what it answered.")
          .Register(registry);
  Family<Counter>& requests = BuildCounter()
                                  .Name("tenure_store_requests_total")
                                  .Help("Requests to the lock store, by what it answered.")
                                  .Register(registry);

  // The loop's thread only.
  bool leads = false;
  std::string holder;
  std::optional<Instant> released_at;
  Duration free_for{0};
  Vacancy vacancy;
};

Metrics::Metrics(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Metrics::~Metrics() = default;

// A hand-over is told in two steps: the record names nobody, then it names this candidate, which
// begins to lead at once.
void Metrics::leader_changed(const LeaseView& view, Instant now) {
  Impl& m = *impl_;
  m.epoch.Set(std::max(m.epoch.Value(), static_cast<double>(view.holder_epoch)));
  if (view.holder.empty()) {
    if (!m.holder.empty()) m.released_at = now;
  } else {
    m.free_for = m.released_at ? now - *m.released_at : Duration(0);
    m.released_at.reset();
  }
  m.holder = view.holder;
}

void Metrics::role_changed(const LeaseView& view, StopReason reason) {
  Impl& m = *impl_;
  const bool leads = view.role == Role::leading;
  if (leads == std::exchange(m.leads, leads)) return;
  m.count_transition(leads ? "acquired" : to_string(reason));
  if (leads && m.free_for > Duration(0)) m.handovers.Observe(in_seconds(m.free_for));
}

void Metrics::reported(Action::Note note) {
  if (note == Action::Note::clock_anomaly) impl_->anomalies.Increment();
}

void Metrics::overran() {
  impl_->overruns.Increment();
}

void Metrics::read_done(const ReadResult& result, Instant now) {
  Impl& m = *impl_;
  m.count_request("read", to_string(result.outcome));
  if (result.outcome != ReadOutcome::ok) return;
  const Observation& seen = result.observation;
  m.vacant.Increment(in_seconds(m.vacancy.take(now)));
  m.vacancy.saw(seen.version, seen.kind == Observation::Kind::record ? &seen.record : nullptr, now);
}

void Metrics::write_done(const LeaderElectionRecord& record, bool is_acquisition,
                         const WriteResult& result, Duration took, Instant now) {
  Impl& m = *impl_;
  const bool applied = result.outcome == WriteOutcome::applied;
  m.count_request("write", to_string(result.outcome));
  m.vacant.Increment(in_seconds(m.vacancy.take(now)));
  if (applied) m.vacancy.saw(result.version, &record, now);
  if (is_acquisition || record.is_free()) return;
  if (applied) return m.renewals.Observe(in_seconds(took));
  m.slowpath.Increment();
  m.renew_failure(to_string(result.outcome)).Increment();
}

std::string Metrics::text(const LeaseSnapshot& own, Instant now) const {
  const Duration left = own.epoch == 0 ? Duration(0) : own.valid_until - now;
  impl_->master.Set(left > Duration(0) ? 1 : 0);
  impl_->remaining.Set(in_seconds(std::max(left, Duration(0))));
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

void MeteredStore::read(const std::string& lock, Instant deadline, ReadCallback done) {
  store_.read(lock, deadline, [this, done = std::move(done)](ReadResult result) {
    metrics_.read_done(result, loop_.now().mono);
    done(std::move(result));
  });
}

void MeteredStore::write(const std::string& lock, const WriteRequest& request, Instant deadline,
                         WriteCallback done) {
  store_.write(lock, request, deadline,
               [this, done = std::move(done), record = *request.record, sent = loop_.now().mono,
                is_acquisition = request.durable](WriteResult result) {
                 const Instant now = loop_.now().mono;
                 metrics_.write_done(record, is_acquisition, result, now - sent, now);
                 done(std::move(result));
               });
}

}  // namespace tenure
