// ControllerMetrics: what `tenure controller` tells Prometheus. docs/metrics.md has a row for each.
//
// One series for each lock and metric, for as long as the lock is known, and for 2,000 locks at
// most: the rest is counted, but not by name.
//
// Thread safety: text() from any thread, all else on the loop's.
#pragma once

#include <memory>
#include <string>

#include "tenure/record.h"

namespace tenure {

class ControllerMetrics {
 public:
  explicit ControllerMetrics(const std::string& version);
  ~ControllerMetrics();
  ControllerMetrics(const ControllerMetrics&) = delete;
  ControllerMetrics& operator=(const ControllerMetrics&) = delete;

  /// `lock` is "namespace/name".
  void became_leader(const std::string& lock, Epoch epoch);
  void stopped_leading(const std::string& lock);
  /// The lock is not known any more.
  void forget(const std::string& lock);
  void request_done(const char* op, const char* outcome);
  void status_written(bool ok);
  void has_rival();

  /// The text exposition format, version 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tenure
