#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "store/sqlite_store.h"
#include "store_conformance.h"

namespace tenure {
namespace {

class SqliteBackend final : public StoreBackend {
 public:
  SqliteBackend() {
    std::string folder = testing::TempDir() + "tenure-conformance-XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~SqliteBackend() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Store> open(Loop& loop) override {
    auto store = SqliteStore::open(loop, path(), {});
    if (!store) throw std::runtime_error(store.error().to_string());
    return std::move(*store);
  }

  void put_raw(const std::string& lock, std::string_view bytes) override {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10'000);
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(db,
                       "INSERT INTO locks VALUES(?1, abs(random() / 2), ?2) ON CONFLICT DO UPDATE"
                       " SET version = excluded.version, record = excluded.record",
                       -1, &statement, nullptr);
    sqlite3_bind_text(statement, 1, lock.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE) << sqlite3_errmsg(db);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    // SQLite keeps the descriptor for this process's other connections, so no close announces it.
    utimensat(AT_FDCWD, path().c_str(), nullptr, 0);
  }

 private:
  [[nodiscard]] std::string path() const { return folder_ / "locks.db"; }
  std::filesystem::path folder_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         testing::Values(StoreCase{
                             "Sqlite", [](Loop&) { return std::make_unique<SqliteBackend>(); }}),
                         store_case_name);

}  // namespace
}  // namespace tenure
