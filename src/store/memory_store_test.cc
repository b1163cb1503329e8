// What the conformance suite does not ask: the memory store's cost, and what its registers offer.
#include "store/memory_store.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <vector>

#include "store/testing/store_runner.h"

namespace tenure {
namespace {

class MemoryStoreTest : public testing::Test, protected StoreRunner {
 protected:
  const std::shared_ptr<MemoryRegisters> registers_ = std::make_shared<MemoryRegisters>(loop());
};

TEST_F(MemoryStoreTest, AnErasedRecordIsAbsentAndAnnounced) {
  MemoryStore store(registers_);
  const Version version = write(store, "lock", record_of("napoleon", 1), "").version;
  int heard = 0;
  const auto watch = store.watch("lock", [&] { ++heard; });
  registers_->erase("lock");
  run_until([&] { return heard > 0; }, "the announcement");
  EXPECT_EQ(read(store, "lock").observation.kind, Observation::Kind::absent);
  EXPECT_EQ(write(store, "lock", record_of("napoleon", 2), version).outcome,
            WriteOutcome::conflict);
  EXPECT_TRUE(list(store).value().empty());
  EXPECT_NE(write(store, "lock", record_of("napoleon", 2), "").version, version);
}

TEST_F(MemoryStoreTest, AWatchMayOutliveItsStore) {
  auto store = std::make_unique<MemoryStore>(registers_);
  const auto watch = store->watch("lock", [] { FAIL() << "the store is gone"; });
  store.reset();
  registers_->put_raw("lock", "{}");
  run_for(std::chrono::milliseconds(5));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their heaps are not malloc's
TEST_F(MemoryStoreTest, AWatchedLockCostsLessThan700Bytes) {
  constexpr std::size_t kLocks = 10'000;
  MemoryStore store(registers_);
  std::vector<std::unique_ptr<Store::Subscription>> watches;
  watches.reserve(kLocks);
  // As long as usual: the names of a namespace and of a Pod.
  auto record = record_of("checkout-service-7d4b9c6f5d-x2x8k_1f0b", 1);
  record.cluster = "europe-west4";
  const auto fill = [&] {
    for (std::size_t i = 0; i < kLocks; ++i) {
      const std::string name = "team-checkout/lock-" + std::to_string(i);
      watches.push_back(store.watch(name, [this] { record_of("", 0); }));
      store.write(name, {&record, "", true}, soon(), [](const WriteResult&) {});
      if (i % 100 == 0) run_for(std::chrono::nanoseconds(0));
    }
    run_for(std::chrono::nanoseconds(0));
  };
  const std::size_t before = mallinfo2().uordblks;
  fill();
  const std::size_t bytes_a_lock = (mallinfo2().uordblks - before) / kLocks;
  RecordProperty("bytes_a_lock", static_cast<int>(bytes_a_lock));
  EXPECT_LT(bytes_a_lock, 700U);
}
#endif

}  // namespace
}  // namespace tenure
