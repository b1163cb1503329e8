// What a lock of the user's own may do to its elector.
#include "tenure/resource_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "elect/resource_lock_store.h"
#include "elect/testing/member.h"
#include "elect/testing/memory_lock.h"
#include "runtime/clock.h"
#include "runtime/testing/loop_for_tests.h"

namespace tenure {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

struct Broken {
  const char* name;
  MemoryLock::Fault fault;
};

Broken returns(ErrorCode code) {
  return {to_string(code), [code] { return Error{code, "broken on purpose", ""}; }};
}

class BrokenResourceLock : public testing::TestWithParam<Broken> {
 protected:
  static LeaderElectorConfig config(const std::shared_ptr<ResourceLock>& lock) {
    LeaderElectorConfig c;
    c.lock = lock;
    c.settings.retry_period = std::chrono::milliseconds(200);
    return c;
  }
};

// The first call of each kind fails; a failed renewal costs nobody the lock.
TEST_P(BrokenResourceLock, IsAskedAgain) {
  const auto record = std::make_shared<MemoryRecord>();
  const auto lock = std::make_shared<MemoryLock>(record, "a");
  for (const char* call : {"get", "create", "update", "event"})
    lock->fail_next(call, GetParam().fault);
  Member a(config(lock));
  ASSERT_TRUE(a.diary().await("started 1"));
  EXPECT_TRUE(record->await_version(3)) << "waited 20 s for two renewals";
  a.leave();
  EXPECT_TRUE(record->read().is_free());
  EXPECT_EQ(record->read().leader_transitions, 1) << "led more than once";
  EXPECT_THAT(a.diary().entries(), Contains(HasSubstr("on purpose"))) << "nobody was told";
  EXPECT_THAT(lock->events(), ElementsAre("a became leader", "a stopped leading"));
}

INSTANTIATE_TEST_SUITE_P(
    ResourceLock, BrokenResourceLock,
    testing::Values(returns(ErrorCode::invalid_argument), returns(ErrorCode::not_found),
                    returns(ErrorCode::conflict), returns(ErrorCode::unavailable),
                    returns(ErrorCode::permission_denied), returns(ErrorCode::corrupt),
                    returns(ErrorCode::unsupported), returns(ErrorCode::internal),
                    Broken{"throws",
                           []() -> Error { throw std::runtime_error("thrown on purpose"); }}),
    [](const auto& broken) { return broken.param.name; });

TEST(ResourceLock, MayThrowAnythingAtAll) {
  const auto lock = std::make_shared<MemoryLock>(std::make_shared<MemoryRecord>(), "a");
  lock->fail_next("get", []() -> Error { throw 42; });
  LeaderElectorConfig c;
  c.lock = lock;
  c.settings.retry_period = std::chrono::milliseconds(200);
  Member a(std::move(c));
  EXPECT_TRUE(a.diary().await("problem: store_unreachable: the lock threw something"));
  EXPECT_TRUE(a.diary().await("started 1"));
}

// A blocked call must not be followed by all that piled up behind it.
TEST(ResourceLock, IsNotAskedWhatNobodyWaitsForAnyMore) {
  const auto loop = Loop::create().value();
  const auto lock = std::make_shared<MemoryLock>(std::make_shared<MemoryRecord>(), "a");
  const auto asked = [] {
    ADD_FAILURE() << "asked after the deadline";
    return Error{};
  };
  lock->fail_next("get", asked);
  lock->fail_next("create", asked);
  const auto store = make_resource_lock_store(*loop, lock).value();
  const LeaderElectionRecord record;
  loop->post([&] {
    store->read("job", boot_now(), [&](const ReadResult& read) {
      EXPECT_EQ(read.outcome, ReadOutcome::unknown);
      store->write("job", {&record, "", true}, boot_now(), [&](const WriteResult& written) {
        EXPECT_EQ(written.outcome, WriteOutcome::unknown);
        loop->stop();
      });
    });
  });
  run_until_stopped(*loop, "two answers");
}

TEST(ResourceLock, MayStoreTheRecordAsText) {
  LeaderElectionRecord record;
  record.holder_identity = "a \"quoted\" name";
  record.lease_duration_seconds = 15;
  record.leader_transitions = 7;
  record.write_id = {1, 2};
  record.cluster = "north";
  EXPECT_EQ(record_from_json(to_json(record)), record);
}

TEST(ResourceLock, HearsWhyATextIsNoRecord) {
  EXPECT_EQ(record_from_json("{").error().code, ErrorCode::corrupt);
  LeaderElectionRecord later;
  later.holder_identity = "a";
  later.format = kRecordFormat + 1;
  EXPECT_EQ(record_from_json(to_json(later)).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace tenure
