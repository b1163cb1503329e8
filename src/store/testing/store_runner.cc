#include "store/testing/store_runner.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace tenure {

namespace {

constexpr std::chrono::seconds kPatience{30};

}  // namespace

StoreRunner::StoreRunner() : loop_(Loop::create().value()) {}

void StoreRunner::run_until(const std::function<bool()>& done, const std::string& waiting_for) {
  const Instant limit = boot_now() + kPatience;
  std::function<void()> look = [&] {
    if (!done() && boot_now() < limit) {
      loop_->at(boot_now() + std::chrono::milliseconds(1), look);
      return;
    }
    if (!done()) ADD_FAILURE() << "waited 30 s for " << waiting_for;
    loop_->stop();
  };
  loop_->post(look);
  loop_->run();
}

void StoreRunner::run_for(Duration duration) {
  const Instant end = boot_now() + duration;
  run_until([&] { return boot_now() >= end; }, "time to pass");
}

template <class Answer>
Answer StoreRunner::await(const std::string& what,
                          const std::function<void(std::function<void(Answer)>)>& ask) {
  std::optional<Answer> out;
  ask([&](Answer answer) {
    out = std::move(answer);
    loop_->stop();
  });
  const auto limit = loop_->at(boot_now() + kPatience, [&] {
    ADD_FAILURE() << "waited 30 s for the answer to a " << what;
    loop_->stop();
  });
  loop_->run();
  loop_->cancel(limit);
  return std::move(out).value_or(Answer{});
}

ReadResult StoreRunner::read(Store& store, const std::string& lock, Instant deadline) {
  return await<ReadResult>("read", [&](auto done) { store.read(lock, deadline, std::move(done)); });
}

WriteResult StoreRunner::write(Store& store, const std::string& lock,
                               const LeaderElectionRecord& record, const Version& expected,
                               bool durable, Instant deadline) {
  return await<WriteResult>("write", [&](auto done) {
    store.write(lock, {&record, expected, durable}, deadline, std::move(done));
  });
}

Result<std::vector<ListedLock>> StoreRunner::list(Store& store) {
  return await<Result<std::vector<ListedLock>>>(
      "list", [&](auto done) { store.list(soon(), std::move(done)); });
}

LeaderElectionRecord StoreRunner::record_of(const std::string& holder, Epoch epoch) {
  LeaderElectionRecord record;
  record.holder_identity = holder;
  record.lease_duration_seconds = 15;
  record.acquire_time = WallTime::from_ns(1'700'000'000'123'456'000);
  record.renew_time = WallTime::from_ns(1'700'000'001'654'321'000);
  record.leader_transitions = epoch;
  record.write_id = random_.write_id();
  return record;
}

}  // namespace tenure
