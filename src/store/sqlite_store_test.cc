#include "store/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "store/file_system.h"
#include "store/testing/peer_process.h"
#include "store/testing/store_runner.h"
#include "store/testing/temp_folder.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
namespace fs = std::filesystem;

class SqliteStoreTest : public testing::Test, protected StoreRunner {
 protected:
  std::unique_ptr<SqliteStore> open() {
    auto store = SqliteStore::open(loop(), path_, {});
    EXPECT_TRUE(store) << store.error().to_string();
    return store ? std::move(*store) : nullptr;
  }
  std::string open_error(bool create = true) {
    const auto store = SqliteStore::open(loop(), path_, {create});
    return store ? "opened" : store.error().to_string();
  }
  void sql(const char* text) {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    EXPECT_EQ(sqlite3_exec(db, text, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  static std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }
  static int mode_of(const std::string& path) {
    struct stat info {};
    return stat(path.c_str(), &info) == 0 ? static_cast<int>(info.st_mode & 07777U) : -1;
  }

  TempFolder folder_;
  const std::string path_ = folder_.path() + "/locks.db";
};

// -------------------------------------------------------------------------------------------------
// opening
// -------------------------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, MakesFilesThatOnlyTheOwnerCanRead) {
  const mode_t before = umask(0);
  const auto store = open();
  write(*store, "lock", record_of("napoleon", 1), "");
  umask(before);
  EXPECT_EQ(mode_of(path_), 0600);
  EXPECT_EQ(mode_of(path_ + "-wal"), 0600);
  EXPECT_EQ(mode_of(path_ + "-shm"), 0600);
  EXPECT_EQ(store->describe(), "sqlite://" + path_);
  EXPECT_TRUE(store->traits().watch) << store->warning();
}

TEST_F(SqliteStoreTest, AnOnlookerMakesNothing) {
  EXPECT_THAT(open_error(false), HasSubstr("there is no lock database " + path_));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(SqliteStoreTest, AnOnlookerReadsWhatIsThere) {
  write(*open(), "lock", record_of("napoleon", 3), "");
  const auto onlooker = SqliteStore::open(loop(), path_, {false});
  ASSERT_TRUE(onlooker) << onlooker.error().to_string();
  EXPECT_EQ(read(**onlooker, "lock").observation.record.leader_transitions, 3);
}

TEST_F(SqliteStoreTest, RecordsOutliveTheStore) {
  const Version version = write(*open(), "lock", record_of("napoleon", 3), "").version;
  EXPECT_EQ(read(*open(), "lock").observation.version, version);
}

TEST_F(SqliteStoreTest, AMissingFolderIsNamed) {
  const auto store = SqliteStore::open(loop(), folder_.path() + "/no/locks.db", {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::not_found);
  EXPECT_THAT(store.error().to_string(), HasSubstr("mkdir -p " + folder_.path() + "/no"));
}

TEST_F(SqliteStoreTest, AFolderIsNoDatabase) {
  fs::create_directory(path_);
  EXPECT_THAT(open_error(), HasSubstr("is not a regular file"));
}

TEST_F(SqliteStoreTest, AFileThatIsNoDatabaseIsRefusedAndKept) {
  const std::string text = "Dear diary, today I crossed the Rubicon. " + std::string(2000, '.');
  std::ofstream(path_) << text;
  const auto store = SqliteStore::open(loop(), path_, {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);
  EXPECT_THAT(store.error().to_string(), HasSubstr("file is not a database; give another path"));
  EXPECT_EQ(bytes_of(path_), text);
}

TEST_F(SqliteStoreTest, ADatabaseOfAnotherProgramIsRefusedAndKept) {
  sql("CREATE TABLE recipes(name TEXT)");
  const std::string before = bytes_of(path_);
  EXPECT_THAT(open_error(), HasSubstr("is a SQLite database of another program"));
  EXPECT_EQ(bytes_of(path_), before);
  EXPECT_FALSE(fs::exists(path_ + "-wal"));
}

TEST_F(SqliteStoreTest, ADatabaseWithAnotherProgramsIdIsRefused) {
  sql("PRAGMA application_id = 7");
  EXPECT_THAT(open_error(), HasSubstr("of another program"));
}

TEST_F(SqliteStoreTest, ADatabaseOfALaterTenureIsRefused) {
  open();
  sql("PRAGMA user_version = 2");
  const auto store = SqliteStore::open(loop(), path_, {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::unsupported);
  EXPECT_THAT(store.error().to_string(), HasSubstr("later tenure (schema 2"));
}

TEST_F(SqliteStoreTest, AnEmptyFileBecomesADatabase) {
  std::ofstream(path_).flush();
  EXPECT_THAT(open_error(false), HasSubstr("holds no locks yet"));
  EXPECT_EQ(open_error(), "opened");
}

TEST_F(SqliteStoreTest, DamagedPagesAreReportedAndNotOverwritten) {
  {
    const auto store = open();
    for (int i = 0; i < 50; ++i) write(*store, std::to_string(i), record_of("n", 1), "", false);
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(4096 * 3, 'x');
  file.close();
  const auto store = open();
  const ReadResult seen = read(*store, "7");
  EXPECT_EQ(seen.outcome, ReadOutcome::rejected);
  EXPECT_THAT(seen.detail, HasSubstr("malformed"));
  const WriteResult written = write(*store, "7", record_of("n", 2), "");
  EXPECT_EQ(written.outcome, WriteOutcome::rejected);
  EXPECT_THAT(written.detail, HasSubstr("move the file away, or restore a backup"));
}

TEST_F(SqliteStoreTest, AUserWithoutPermissionIsToldWhatToDo) {
  open();
  fs::permissions(folder_.path(), fs::perms(0755));
  EXPECT_THAT(PeerProcess({"open", path_}).output(),
              HasSubstr("make the file and its folder readable and writable for this user"));
  fs::permissions(path_, fs::perms(0644));
  EXPECT_THAT(PeerProcess({"open", path_}).output(), HasSubstr("writable for this user"));
  EXPECT_THAT(PeerProcess({"open", folder_.path() + "/new.db"}).output(),
              HasSubstr("make the folder writable for this user"));
}

TEST(FileSystem, NetworkFileSystemsAreRefused) {
  const auto nfs = check_file_system_type(0x6969, "/mnt/share");
  ASSERT_FALSE(nfs);
  EXPECT_EQ(nfs.error().code, ErrorCode::unsupported);
  EXPECT_THAT(nfs.error().to_string(), HasSubstr("/mnt/share is on a network file system (NFS)"));
  EXPECT_FALSE(check_file_system_type(0xFF534D42, "/mnt"));
  EXPECT_TRUE(check_file_system_type(0xEF53, "/"));
}

// -------------------------------------------------------------------------------------------------
// other processes
// -------------------------------------------------------------------------------------------------

TEST_F(SqliteStoreTest, ManyProcessesLoseNoUpdate) {
  constexpr int kWins = 50;
  const auto store = open();
  {
    std::vector<std::unique_ptr<PeerProcess>> peers;
    for (int i = 0; i < 4; ++i)
      peers.push_back(std::make_unique<PeerProcess>(
          std::vector<std::string>{"climb", path_, "lock", std::to_string(kWins)}));
    for (const auto& peer : peers) EXPECT_EQ(peer->exit_status(), 0);
  }
  EXPECT_EQ(read(*store, "lock").observation.record.leader_transitions, 4 * kWins);
}

TEST_F(SqliteStoreTest, AProcessThatKeepsTheFileLockedCostsNoCertainty) {
  const auto store = open();
  PeerProcess holder({"hold", path_});
  ASSERT_EQ(holder.line(), "held");
  const WriteResult busy =
      write(*store, "lock", record_of("napoleon", 1), "", true, boot_now() + milliseconds(200));
  EXPECT_EQ(busy.outcome, WriteOutcome::throttled);
  EXPECT_THAT(busy.detail, HasSubstr("database is locked; another process keeps it locked"));
  EXPECT_EQ(read(*store, "lock").observation.kind, Observation::Kind::absent);
  holder.close_input();
  EXPECT_EQ(holder.exit_status(), 0);
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 1), "").outcome, WriteOutcome::applied);
}

TEST_F(SqliteStoreTest, AWriteWaitsForAnothersTransaction) {
  const auto store = open();
  PeerProcess holder({"hold", path_});
  ASSERT_EQ(holder.line(), "held");
  loop().at(boot_now() + milliseconds(50), [&] { holder.close_input(); });
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 1), "").outcome, WriteOutcome::applied);
}

TEST_F(SqliteStoreTest, AWriterKilledInMidTransactionChangesNothing) {
  const auto store = open();
  const Version version = write(*store, "lock", record_of("napoleon", 1), "").version;
  PeerProcess victim({"die", path_});
  EXPECT_EQ(victim.line(), "dying");
  EXPECT_EQ(victim.exit_status(), 128 + SIGKILL);
  EXPECT_EQ(list(*store).value().size(), 1U);
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 1), version).outcome,
            WriteOutcome::applied);
}

TEST_F(SqliteStoreTest, AWriteOfAnotherProgramIsAnnouncedWhenItEnds) {
  const auto store = open();
  int heard = 0;
  const auto watch = store->watch("lock", [&] { ++heard; });
  EXPECT_EQ(PeerProcess({"put", path_, "lock", "by hand"}).exit_status(), 0);
  run_until([&] { return heard > 0; }, "the announcement");
  EXPECT_EQ(read(*store, "lock").observation.kind, Observation::Kind::unreadable);
}

TEST_F(SqliteStoreTest, AWaitingStoreDoesNotWake) {
  const auto store = open();
  const auto watch = store->watch("lock", [] {});
  read(*store, "lock");
  loop().at(boot_now() + milliseconds(100), [&] { loop().stop(); });
  const std::uint64_t before = loop().wakeups();
  loop().run();
  EXPECT_LE(loop().wakeups() - before, 2U);  // the timer, and at most one message left over
}

// -------------------------------------------------------------------------------------------------
// the file goes away
// -------------------------------------------------------------------------------------------------

class ReplacedFile : public SqliteStoreTest {
 protected:
  void remove_all() {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path_ + suffix);
  }
  /// Asks until the store has the new file.
  ReadResult read_when_reopened(Store& store) {
    ReadResult result;
    run_until_ok([&] { return (result = read(store, "lock")).outcome == ReadOutcome::ok; });
    return result;
  }
  static void run_until_ok(const std::function<bool()>& ok) {
    const Instant limit = boot_now() + seconds(20);
    while (!ok()) ASSERT_LT(boot_now(), limit) << "waited 20 s for the store to reopen";
  }
};

TEST_F(ReplacedFile, ADeletedFileIsNoticedAndMadeAgain) {
  const auto store = open();
  const Version old = write(*store, "lock", record_of("napoleon", 1), "").version;
  remove_all();
  const WriteResult lost = write(*store, "lock", record_of("napoleon", 1), old);
  EXPECT_EQ(lost.outcome, WriteOutcome::unknown);
  EXPECT_THAT(lost.detail, HasSubstr("the database file was deleted or replaced"));
  EXPECT_EQ(read_when_reopened(*store).observation.kind, Observation::Kind::absent);
  const WriteResult fresh = write(*store, "lock", record_of("napoleon", 2), "");
  EXPECT_EQ(fresh.outcome, WriteOutcome::applied);
  EXPECT_NE(fresh.version, old);
  EXPECT_EQ(mode_of(path_), 0600);
  EXPECT_EQ(read(*open(), "lock").observation.version, fresh.version);
}

TEST_F(ReplacedFile, AReplacementIsUsed) {
  const auto store = open();
  write(*store, "lock", record_of("napoleon", 1), "");
  const std::string other = folder_.path() + "/other.db";
  const auto record = record_of("cleopatra", 9);
  write(**SqliteStore::open(loop(), other, {}), "lock", record, "");
  remove_all();
  fs::rename(other, path_);
  EXPECT_EQ(read(*store, "lock").outcome, ReadOutcome::unknown);
  EXPECT_EQ(read_when_reopened(*store).observation.record, record);
}

TEST_F(ReplacedFile, ADeletedLogIsNoticedToo) {
  const auto store = open();
  write(*store, "lock", record_of("napoleon", 1), "");
  fs::remove(path_ + "-wal");
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 2), "").outcome, WriteOutcome::unknown);
}

TEST_F(ReplacedFile, AStaleLogIsNotWrittenIntoTheFile) {
  open();  // and closed again: the tables are in the file and not in the log
  const auto store = open();
  const Version version = write(*store, "lock", record_of("napoleon", 1), "").version;
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(path_ + suffix);
  EXPECT_EQ(PeerProcess({"climb", path_, "lock", "30"}).exit_status(), 0);
  // Closing what it had open, the store must not bring back its old pages.
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 2), version).outcome,
            WriteOutcome::unknown);
  EXPECT_EQ(read_when_reopened(*store).observation.record.leader_transitions, 30);
}

TEST_F(ReplacedFile, LeftoversOfADeletedFileDoNotReachTheNewOne) {
  const auto store = open();
  write(*store, "lock", record_of("napoleon", 1), "");
  PeerProcess holder({"hold", path_});  // its lock is on a companion of the deleted file
  ASSERT_EQ(holder.line(), "held");
  fs::remove(path_);
  EXPECT_EQ(read(*store, "lock").outcome, ReadOutcome::unknown);
  EXPECT_EQ(read_when_reopened(*store).observation.kind, Observation::Kind::absent);
  EXPECT_EQ(write(*store, "lock", record_of("napoleon", 2), "").outcome, WriteOutcome::applied);
}

TEST_F(ReplacedFile, TwoStoresFindEachOtherAgain) {
  const auto a = open();
  const auto b = open();
  write(*a, "lock", record_of("napoleon", 1), "");
  int heard = 0;
  const auto watch = b->watch("lock", [&] { ++heard; });
  run_for(milliseconds(50));
  remove_all();
  run_until([&] { return heard > 0; }, "b to hear that the record is gone");
  read_when_reopened(*a);
  read_when_reopened(*b);
  run_for(milliseconds(200));
  heard = 0;
  ASSERT_EQ(write(*a, "lock", record_of("napoleon", 2), "").outcome, WriteOutcome::applied);
  run_until([&] { return heard > 0; }, "b to hear of a write to the new file");
  EXPECT_EQ(read(*b, "lock").observation.record.leader_transitions, 2);
}

TEST_F(ReplacedFile, AnOnlookerMakesNoNewFile) {
  open();
  const auto onlooker = std::move(*SqliteStore::open(loop(), path_, {false}));
  remove_all();
  EXPECT_EQ(read(*onlooker, "lock").outcome, ReadOutcome::unknown);
  run_for(milliseconds(150));
  EXPECT_THAT(read(*onlooker, "lock").detail, HasSubstr("there is no lock database"));
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace tenure
