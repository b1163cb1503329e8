// What a SqliteStore does when the disk fails, fills up or hangs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "store/sqlite_store.h"
#include "store/testing/fault_vfs.h"
#include "store/testing/store_runner.h"
#include "store/testing/temp_folder.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
namespace fs = std::filesystem;

class SqliteFaultTest : public testing::Test, protected StoreRunner {
 protected:
  std::unique_ptr<SqliteStore> open() {
    auto store = SqliteStore::open(loop(), path_, {});
    EXPECT_TRUE(store) << store.error().to_string();
    return store ? std::move(*store) : nullptr;
  }
  std::string integrity() {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    std::string out;
    sqlite3_exec(
        db, "PRAGMA integrity_check",
        [](void* to, int, char** values, char**) {
          *static_cast<std::string*>(to) += values[0];
          return 0;
        },
        &out, nullptr);
    sqlite3_close(db);
    return out;
  }

  FaultVfs disk_;
  TempFolder folder_;
  const std::string path_ = folder_.path() + "/locks.db";
};

TEST_F(SqliteFaultTest, AnAcquisitionIsSyncedAndARenewalIsNot) {
  const auto store = open();
  Version version = write(*store, "lock", record_of("napoleon", 1), "", true).version;
  int before = disk_.syncs();
  for (int i = 0; i < 20; ++i)
    version = write(*store, "lock", record_of("napoleon", 1), version, false).version;
  EXPECT_EQ(disk_.syncs(), before);
  EXPECT_GT(disk_.writes(), 20);
  before = disk_.syncs();
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 2), version, true).outcome,
            WriteOutcome::applied);
  EXPECT_GT(disk_.syncs(), before);
}

TEST_F(SqliteFaultTest, TheLogIsKeptSmallUnderLoad) {
  const auto store = open();
  Version version;
  for (int i = 0; i < 2500; ++i)
    version = write(*store, "lock", record_of("napoleon", 1), version, false).version;
  EXPECT_LT(fs::file_size(path_ + "-wal"), std::uintmax_t{6} << 20U);
}

// -------------------------------------------------------------------------------------------------
// every call fails once
// -------------------------------------------------------------------------------------------------

/// A holder that settles unclear answers as the elector does, and remembers what may be true.
class Ledger {
 public:
  Ledger(StoreRunner& runner, Store& store) : runner_(runner), store_(store) {}

  void write(Epoch epoch) {
    const LeaderElectionRecord record = runner_.record_of("napoleon", epoch);
    const WriteResult result =
        runner_.write(store_, "lock", record, version_, epoch % 2 == 0, StoreRunner::soon());
    EXPECT_EQ(result.detail.empty(), result.outcome == WriteOutcome::applied);
    switch (result.outcome) {
      case WriteOutcome::applied:
        believed_ = record;
        version_ = result.version;
        unclear_.clear();
        return;
      case WriteOutcome::unknown: unclear_.push_back(record); return settle();
      case WriteOutcome::conflict: ADD_FAILURE() << "nobody else writes"; return;
      case WriteOutcome::rejected:
      case WriteOutcome::throttled: return;  // then it must never show up
    }
  }

  void check(const Observation& seen) {
    if (!believed_ && seen.kind == Observation::Kind::absent) return;
    ASSERT_EQ(seen.kind, Observation::Kind::record) << seen.problem;
    const bool expected = believed_ && seen.record == *believed_;
    const bool late = std::find(unclear_.begin(), unclear_.end(), seen.record) != unclear_.end();
    EXPECT_TRUE(expected || late) << "the record has epoch " << seen.record.leader_transitions;
  }

 private:
  void settle() {
    for (int tries = 0; tries < 100; ++tries) {
      const ReadResult found = runner_.read(store_, "lock");
      if (found.outcome != ReadOutcome::ok) continue;
      check(found.observation);
      if (found.observation.kind == Observation::Kind::record) believed_ = found.observation.record;
      version_ = found.observation.version;
      return;
    }
    ADD_FAILURE() << "no read succeeded";
  }

  StoreRunner& runner_;
  Store& store_;
  Version version_;
  std::optional<LeaderElectionRecord> believed_;
  std::vector<LeaderElectionRecord> unclear_;
};

struct Fault {
  const char* name;
  int code;   // 0: the I/O error that fits
  int count;  // how many calls in a row fail
};
void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class EveryCallFails : public SqliteFaultTest, public testing::WithParamInterface<Fault> {
 protected:
  void start_afresh() {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path_ + suffix);
  }
  /// True when no call was left to fail.
  bool run_with_fault_at(int n) {
    start_afresh();
    bool failed = false;
    {
      const auto store = open();
      Ledger ledger(*this, *store);
      ledger.write(1);
      disk_.fail_at(n, GetParam().count, GetParam().code);
      for (Epoch epoch = 2; epoch <= 5; ++epoch) ledger.write(epoch);
      failed = disk_.has_failed();
      disk_.fail_no_more();
      ledger.check(read(*store, "lock").observation);
      ledger.check(read(*open(), "lock").observation);
    }
    EXPECT_EQ(integrity(), "ok");
    return !failed;
  }
};

TEST_P(EveryCallFails, NoWriteIsLostOrMadeUp) {
  int n = 1;
  for (; n < 500; ++n) {
    SCOPED_TRACE("fault at call " + std::to_string(n));
    if (run_with_fault_at(n) || HasFailure()) break;
  }
  EXPECT_GT(n, 8);  // four transactions make at least two calls each
  EXPECT_LT(n, 500);
}

TEST_P(EveryCallFails, OpeningFailsWithAReasonOrWorks) {
  for (int n = 1; n < 500; ++n) {
    SCOPED_TRACE("fault at call " + std::to_string(n));
    start_afresh();
    disk_.fail_at(n, GetParam().count, GetParam().code);
    const auto store = SqliteStore::open(loop(), path_, {});
    const bool failed = disk_.has_failed();
    disk_.fail_no_more();
    const std::string reason = store ? path_ : store.error().to_string();
    EXPECT_THAT(reason, HasSubstr(path_));
    EXPECT_EQ(write(*open(), "lock", record_of("napoleon", 1), "").outcome, WriteOutcome::applied);
    if (!failed || HasFailure()) return;
  }
  FAIL() << "opening a database took 500 calls";
}

INSTANTIATE_TEST_SUITE_P(Sqlite, EveryCallFails,
                         testing::Values(Fault{"IoErrorOnce", 0, 1}, Fault{"IoErrorThrice", 0, 3},
                                         Fault{"DiskFullOnce", SQLITE_FULL, 1},
                                         Fault{"DiskFullThrice", SQLITE_FULL, 3}),
                         [](const auto& fault) { return fault.param.name; });

TEST_F(SqliteFaultTest, AFullDiskIsNamed) {
  const auto store = open();
  disk_.fail_at(1, 1000, SQLITE_FULL);
  const WriteResult result = write(*store, "lock", record_of("napoleon", 1), "");
  EXPECT_EQ(result.outcome, WriteOutcome::unknown);  // it failed in the commit
  EXPECT_THAT(result.detail, HasSubstr("database or disk is full; free some disk space"));
}

// -------------------------------------------------------------------------------------------------
// the disk hangs
// -------------------------------------------------------------------------------------------------

TEST_F(SqliteFaultTest, AHangingDiskDoesNotStopTheLoop) {
  const auto store = open();
  const auto record = record_of("napoleon", 1);
  const Instant deadline = boot_now() + milliseconds(150);
  int answers = 0;
  int turns = 0;
  disk_.block();
  const auto unknown = [&](const auto& result) {
    EXPECT_STREQ(to_string(result.outcome), "unknown");
    EXPECT_THAT(result.detail, HasSubstr("did not answer in time"));
    EXPECT_GT(turns, 5) << "the loop stood still";
    ++answers;
  };
  store->write("begun", {&record, "", true}, deadline, unknown);
  store->write("queued", {&record, "", true}, deadline, unknown);
  store->read("queued", deadline, unknown);
  run_until([&] { return ++turns > 0 && answers == 3; }, "three answers");
  EXPECT_EQ(disk_.blocked(), 1);
  disk_.release();
  // What had begun was carried out; what was queued at its deadline never is.
  EXPECT_EQ(read(*store, "begun").observation.record, record);
  EXPECT_EQ(read(*store, "queued").observation.kind, Observation::Kind::absent);
}

TEST_F(SqliteFaultTest, AHangingDiskDoesNotHoldUpTheEnd) {
  auto store = open();
  const auto record = record_of("napoleon", 1);
  bool called = false;
  disk_.block();
  store->write("lock", {&record, "", true}, soon(), [&](const WriteResult&) { called = true; });
  run_until([&] { return disk_.blocked() == 1; }, "the write to begin");
  store.reset();  // would hang
  EXPECT_EQ(disk_.blocked(), 1);
  disk_.release();
  run_until([&] { return disk_.open_files() == 0; }, "the thread left behind to close the file");
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace tenure
