// Another process on a lock database, for tests.
//
//   sqlite_peer hold PATH          takes the write lock, says so, and waits for the end of its
//   input sqlite_peer die PATH           is killed in the middle of a transaction sqlite_peer put
//   PATH LOCK TEXT writes as a program other than tenure would sqlite_peer climb PATH LOCK N raises
//   the epoch N times as a candidate would sqlite_peer open PATH          opens the store as an
//   unprivileged user; prints the error
#include <grp.h>
#include <sqlite3.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "runtime/clock.h"
#include "store/sqlite_store.h"

namespace tenure {
namespace {

void need(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "sqlite_peer: %s\n", what.c_str());
  std::exit(1);
}

sqlite3* connect(const char* path) {
  sqlite3* db = nullptr;
  need(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK, "cannot open");
  sqlite3_busy_timeout(db, 10'000);
  return db;
}

void execute(sqlite3* db, const char* sql) {
  need(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK, sqlite3_errmsg(db));
}

void say(const char* word) {
  std::puts(word);
  std::fflush(stdout);
}

void hold(const char* path) {
  sqlite3* const db = connect(path);
  execute(db, "BEGIN IMMEDIATE");
  say("held");
  while (std::getchar() != EOF) {
  }
  execute(db, "ROLLBACK");
  sqlite3_close(db);
}

void die(const char* path) {
  sqlite3* const db = connect(path);
  // More pages than the cache holds, so that part of the transaction is in the log already.
  execute(db,
          "PRAGMA cache_size = 5; BEGIN IMMEDIATE; UPDATE locks SET version = 4711, record = ''");
  execute(db,
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
          " INSERT INTO locks SELECT 'junk' || i, i, hex(zeroblob(900)) FROM n");
  say("dying");
  raise(SIGKILL);
}

void put(const char* path, const char* lock, const char* text) {
  sqlite3* const db = connect(path);
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db,
                     "INSERT INTO locks VALUES(?1, abs(random() / 2), ?2) ON CONFLICT DO UPDATE"
                     " SET version = excluded.version, record = excluded.record",
                     -1, &statement, nullptr);
  sqlite3_bind_text(statement, 1, lock, -1, SQLITE_STATIC);
  sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC);
  need(sqlite3_step(statement) == SQLITE_DONE, sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

void climb(const char* path, const std::string& lock, int left) {
  const auto loop = Loop::create().value();
  const auto store = SqliteStore::open(*loop, path, {}).value();
  const auto deadline = [] { return boot_now() + std::chrono::seconds(20); };
  LeaderElectionRecord mine;
  mine.holder_identity = std::to_string(getpid());
  std::function<void()> step = [&] {
    store->read(lock, deadline(), [&](const ReadResult& found) {
      need(found.outcome == ReadOutcome::ok, found.detail);
      mine.leader_transitions = found.observation.record.leader_transitions + 1;
      store->write(lock, {&mine, found.observation.version, false}, deadline(),
                   [&](const WriteResult& result) {
                     need(result.outcome == WriteOutcome::applied ||
                              result.outcome == WriteOutcome::conflict,
                          result.detail);
                     if (result.outcome == WriteOutcome::applied) --left;
                     left > 0 ? step() : loop->stop();
                   });
    });
  };
  step();
  loop->run();
}

void open_unprivileged(const char* path) {
  constexpr unsigned kNobody = 65534;
  if (geteuid() == 0)
    need(setgroups(0, nullptr) == 0 && setgid(kNobody) == 0 && setuid(kNobody) == 0,
         "cannot become nobody");
  const auto loop = Loop::create().value();
  const auto store = SqliteStore::open(*loop, path, {});
  say(store ? "opened" : store.error().to_string().c_str());
}

}  // namespace
}  // namespace tenure

int main(int argc, char** argv) {
  using namespace tenure;
  const std::string role = argc > 2 ? argv[1] : "";
  if (role == "hold") hold(argv[2]);
  if (role == "die") die(argv[2]);
  if (role == "put" && argc > 4) put(argv[2], argv[3], argv[4]);
  if (role == "climb" && argc > 4) climb(argv[2], argv[3], std::atoi(argv[4]));
  if (role == "open") open_unprivileged(argv[2]);
  return 0;
}
