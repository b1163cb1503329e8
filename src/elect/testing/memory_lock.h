// MemoryLock: a ResourceLock as a user might write it, whose calls fail on request.
//
// Checks what the elector promises to a ResourceLock: one call at a time, all from one thread.
// Thread safety: as ResourceLock; everything else from any thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tenure/resource_lock.h"

namespace tenure {

/// What the locks of several candidates share.
struct MemoryRecord {
  std::mutex mutex;
  LeaderElectionRecord record;
  std::uint64_t version = 0;  // 0: there is no record

  std::condition_variable changed;

  LeaderElectionRecord read() {
    const std::lock_guard lock(mutex);
    return record;
  }
  bool await_version(std::uint64_t wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] { return version >= wanted; });
  }
};

class MemoryLock final : public ResourceLock {
 public:
  /// Runs in place of a call: returns its error, or throws.
  using Fault = std::function<Error()>;

  MemoryLock(std::shared_ptr<MemoryRecord> shared, std::string identity)
      : shared_(std::move(shared)), identity_(std::move(identity)) {}

  /// The next call of "get", "create", "update" or "event" fails.
  void fail_next(const std::string& call, Fault fault) {
    const std::lock_guard lock(shared_->mutex);
    faults_[call] = std::move(fault);
  }
  std::vector<std::string> events() {
    const std::lock_guard lock(shared_->mutex);
    return events_;
  }

  Result<std::optional<VersionedRecord>> get() override {
    const std::lock_guard lock(shared_->mutex);
    if (auto fault = enter("get")) return tl::unexpected<Error>((*fault)());
    if (shared_->version == 0) return std::nullopt;
    return VersionedRecord{shared_->record, std::to_string(shared_->version)};
  }
  Result<Version> create(const LeaderElectionRecord& record) override {
    const std::lock_guard lock(shared_->mutex);
    return put("create", record, 0);
  }
  Result<Version> update(const LeaderElectionRecord& record, const Version& expected) override {
    const std::lock_guard lock(shared_->mutex);
    return put("update", record, std::stoull(expected));
  }
  void record_event(const std::string& message) override {
    const std::lock_guard lock(shared_->mutex);
    events_.push_back(message);
    if (auto fault = enter("event")) static_cast<void>((*fault)());
  }
  [[nodiscard]] std::string identity() const override { return identity_; }
  [[nodiscard]] std::string describe() const override { return "a lock for tests"; }

 private:
  std::optional<Fault> enter(const std::string& call) {
    if (!caller_) caller_ = std::this_thread::get_id();
    EXPECT_EQ(*caller_, std::this_thread::get_id()) << call << " came from another thread";
    const auto fault = faults_.extract(call);
    if (!fault) return std::nullopt;
    return fault.mapped();
  }
  Result<Version> put(const std::string& call, const LeaderElectionRecord& record,
                      std::uint64_t expected) {
    if (auto fault = enter(call)) return tl::unexpected<Error>((*fault)());
    if (shared_->version != expected)
      return failure(ErrorCode::conflict, "somebody else was faster");
    shared_->record = record;
    shared_->changed.notify_all();
    return std::to_string(++shared_->version);
  }

  const std::shared_ptr<MemoryRecord> shared_;
  const std::string identity_;
  std::map<std::string, Fault> faults_;  // guarded by the record's mutex, like the following
  std::vector<std::string> events_;
  std::optional<std::thread::id> caller_;
};

}  // namespace tenure
