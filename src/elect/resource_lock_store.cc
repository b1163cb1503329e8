#include "elect/resource_lock_store.h"

#include <utility>

#include "core/record_codec.h"
#include "elect/thrown.h"
#include "runtime/clock.h"
#include "store/worker.h"

namespace tenure {
namespace {

WriteResult written(Result<Version> result) {
  WriteResult w;
  if (result) {
    w.outcome = WriteOutcome::applied;
    w.version = *std::move(result);
    return w;
  }
  w.detail = result.error().to_string();
  switch (result.error().code) {
    case ErrorCode::conflict: w.outcome = WriteOutcome::conflict; break;
    case ErrorCode::permission_denied:
    case ErrorCode::invalid_argument: w.outcome = WriteOutcome::rejected; break;
    default: w.outcome = WriteOutcome::unknown; break;
  }
  return w;
}

ReadResult was_read(Result<std::optional<VersionedRecord>> result) {
  ReadResult r;
  if (result) {
    r.outcome = ReadOutcome::ok;
    if (!*result) return r;
    r.observation.kind = Observation::Kind::record;
    r.observation.version = std::move((*result)->version);
    r.observation.record = std::move((*result)->record);
    return r;
  }
  const Error& error = result.error();
  r.detail = error.to_string();
  if (error.code == ErrorCode::corrupt || error.code == ErrorCode::unsupported) {
    r.outcome = ReadOutcome::ok;
    r.observation.kind = error.code == ErrorCode::corrupt ? Observation::Kind::unreadable
                                                          : Observation::Kind::too_new;
    r.observation.version = "unreadable";
    r.observation.problem = error.to_string();
  } else if (error.code == ErrorCode::permission_denied) {
    r.outcome = ReadOutcome::rejected;
  }
  return r;
}

// A lock that throws has not kept its contract; what it did is unclear.
// A call that waited behind a blocked one until its deadline is not made any more.
template <class T, class Call>
Result<T> call_by(Instant deadline, Call call) {
  if (boot_now() >= deadline)
    return failure(ErrorCode::unavailable, "the lock did not answer the call before in time");
  try {
    return call();
  } catch (...) {
    return failure(ErrorCode::unavailable, what_was_thrown_by("the lock"));
  }
}

class ResourceLockStoreImpl final : public ResourceLockStore {
 public:
  ResourceLockStoreImpl(std::shared_ptr<ResourceLock> lock, std::unique_ptr<Worker> worker)
      : lock_(std::move(lock)), worker_(std::move(worker)) {}

  [[nodiscard]] std::string describe() const override { return lock_->describe(); }
  [[nodiscard]] StoreTraits traits() const override { return {}; }

  void read(const std::string&, Instant deadline, ReadCallback done) override {
    worker_->run([lock = lock_, replies = worker_->replies(), deadline, done = std::move(done)] {
      ReadResult result =
          was_read(call_by<std::optional<VersionedRecord>>(deadline, [&] { return lock->get(); }));
      replies.post([done, result = std::move(result)]() mutable { done(std::move(result)); });
    });
  }

  void write(const std::string&, const WriteRequest& request, Instant deadline,
             WriteCallback done) override {
    worker_->run([lock = lock_, replies = worker_->replies(), record = *request.record,
                  expected = request.expected, deadline, done = std::move(done)] {
      WriteResult result = written(call_by<Version>(deadline, [&] {
        return expected.empty() ? lock->create(record) : lock->update(record, expected);
      }));
      replies.post([done, result = std::move(result)]() mutable { done(std::move(result)); });
    });
  }

  void list(Instant, ListCallback done) override {
    worker_->run([replies = worker_->replies(), done = std::move(done)] {
      replies.post(
          [done] { done(failure(ErrorCode::unsupported, "a lock of your own has no list")); });
    });
  }

  void record_event(std::string message) override {
    worker_->run([lock = lock_, message = std::move(message)] {
      try {
        lock->record_event(message);
      } catch (...) {  // events are for people; the election does not depend on them
      }
    });
  }

  std::unique_ptr<Subscription> watch(const std::string&, std::function<void()>) override {
    return nullptr;
  }

 private:
  const std::shared_ptr<ResourceLock> lock_;
  const std::unique_ptr<Worker> worker_;
};

}  // namespace

Result<std::unique_ptr<ResourceLockStore>> make_resource_lock_store(
    Loop& loop, std::shared_ptr<ResourceLock> lock) {
  auto worker = Worker::create(loop, "tenure-lock", lock);
  if (!worker) return tl::unexpected<Error>(worker.error());
  return std::make_unique<ResourceLockStoreImpl>(std::move(lock), *std::move(worker));
}

std::string to_json(const LeaderElectionRecord& record) {
  return encode_record(record);
}

Result<LeaderElectionRecord> record_from_json(std::string_view json) {
  Observation observation = decode_record(json, "json");
  switch (observation.kind) {
    case Observation::Kind::record: return std::move(observation.record);
    case Observation::Kind::too_new:
      return failure(ErrorCode::unsupported, std::move(observation.problem));
    default: return failure(ErrorCode::corrupt, std::move(observation.problem));
  }
}

}  // namespace tenure
