// Metrics: what a candidate tells Prometheus. docs/metrics.md has a row for each.
//
// `leader_election_master_status` and `leader_election_slowpath_total` mean what client-go's
// metrics of these names mean (k8s.io/client-go/tools/leaderelection/metrics.go), so that
// dashboards and alerts made for operators work.
//
// Thread safety: text() from any thread, all else on the loop's. Ownership: the observed store,
// the metrics and the loop outlive the MeteredStore, which outlives the loop's last turn.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/elector.h"
#include "elect/contender.h"
#include "runtime/loop.h"
#include "store/store.h"

namespace tenure {

class Metrics {
 public:
  struct Options {
    std::string lock;
    std::string store;  ///< its kind: "sqlite", "k8s"
    std::string version;
  };
  explicit Metrics(const Options& options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // As of DriverObserver.
  void leader_changed(const LeaseView& view, Instant now);
  void role_changed(const LeaseView& view, StopReason reason);
  void reported(Action::Note note);
  void overran();

  void read_done(const ReadResult& result, Instant now);
  void write_done(const LeaderElectionRecord& record, bool is_acquisition,
                  const WriteResult& result, Duration took, Instant now);

  /// The text exposition format, version 0.0.4
  /// (https://prometheus.io/docs/instrumenting/exposition_formats/).
  [[nodiscard]] std::string text(const LeaseSnapshot& own, Instant now) const;
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

/// A store whose requests are counted.
class MeteredStore final : public Store {
 public:
  MeteredStore(Loop& loop, Store& store, Metrics& metrics)
      : loop_(loop), store_(store), metrics_(metrics) {}

  [[nodiscard]] std::string describe() const override { return store_.describe(); }
  [[nodiscard]] StoreTraits traits() const override { return store_.traits(); }
  [[nodiscard]] Status check_name(std::string_view lock) const override {
    return store_.check_name(lock);
  }
  void read(const std::string& lock, Instant deadline, ReadCallback done) override;
  void write(const std::string& lock, const WriteRequest& request, Instant deadline,
             WriteCallback done) override;
  void list(Instant deadline, ListCallback done) override {
    store_.list(deadline, std::move(done));
  }
  std::unique_ptr<Subscription> watch(const std::string& lock,
                                      std::function<void()> changed) override {
    return store_.watch(lock, std::move(changed));
  }

 private:
  Loop& loop_;
  Store& store_;
  Metrics& metrics_;
};

}  // namespace tenure
