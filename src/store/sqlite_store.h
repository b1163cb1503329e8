// SqliteStore: registers in a SQLite file that many processes of one machine share.
//
//   auto store = SqliteStore::open(loop, "/var/lib/app/locks.db", {});
//   if (!store) std::cerr << store.error().to_string() << '\n';
//
// Linearizable; a change by another process is announced as soon as it is committed. An acquisition
// survives a power cut; a renewal need not, because the state before it has the same holder.
// All SQL runs on one worker thread, so a disk that hangs never stops the loop: requests are then
// answered `unknown` at their deadline, and those that had not begun are never executed.
//
// A file that is deleted or replaced while it is open is noticed at the next request, which is
// answered `unknown`; the store goes on with the new file. For versions see sqlite_db.h.
//
// Thread safety: the loop's thread only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/loop.h"
#include "store/file_watch.h"
#include "store/sqlite_session.h"
#include "store/store.h"
#include "store/worker.h"

namespace tenure {

class SqliteStore final : public Store {
 public:
  struct Options {
    bool create = true;  ///< make the file when there is none; false: not_found, nothing is made
  };
  /// Blocks for as long as opening a file takes, and up to five seconds when it is locked. `path`
  /// is absolute and its folder must exist. `loop` outlives the store.
  static Result<std::unique_ptr<SqliteStore>> open(Loop& loop, const std::string& path,
                                                   const Options& options);
  ~SqliteStore() override;

  /// Why traits().watch is false; empty when it is true.
  [[nodiscard]] const std::string& warning() const { return warning_; }

  [[nodiscard]] std::string describe() const override { return "sqlite://" + path_; }
  [[nodiscard]] StoreTraits traits() const override;
  void read(const std::string& lock, Instant deadline, ReadCallback done) override;
  void write(const std::string& lock, const WriteRequest& request, Instant deadline,
             WriteCallback done) override;
  void list(Instant deadline, ListCallback done) override;
  std::unique_ptr<Subscription> watch(const std::string& lock,
                                      std::function<void()> changed) override;

 private:
  class Watch;

  SqliteStore(Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}

  template <class Answer>
  void submit(Instant deadline, Answer late, std::function<void(Answer)> done,
              std::function<Answer(SqliteSession&)> ask);
  /// Runs `job` on the worker; for what has no answer.
  void tell(std::function<void(SqliteSession&)> job);

  void look_for_changes();
  void looked(const SqliteSession::News& news, Duration took);
  void follow_new_file();

  Loop& loop_;
  const std::string path_;
  std::string warning_;
  SqliteSession* session_ = nullptr;  // owned by the worker
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<FileWatch> file_watch_;
  std::multimap<std::string, std::weak_ptr<std::function<void()>>> watches_;
  enum class Look { idle, running, running_and_again, paused } look_ = Look::idle;
  const std::shared_ptr<void> alive_ = std::make_shared<char>();  // callbacks hold it weakly
};

}  // namespace tenure
