// SqliteSession: what a SqliteStore's worker thread owns: the connection, reopened when its file
// was replaced, and the version of each watched lock that this store knows of.
//
// Thread safety: the worker's thread only, but for `closing`.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/sqlite_db.h"

namespace tenure {

class SqliteSession {
 public:
  explicit SqliteSession(SqliteDb::Options options) : options_(std::move(options)) {}

  Status open(Instant deadline);
  /// Called on the worker's thread whenever a new file was opened in place of a replaced one.
  void on_reopened(std::function<void()> reopened) { reopened_ = std::move(reopened); }

  ReadResult read(const std::string& lock, Instant deadline);
  WriteResult write(const SqliteDb::Write& write, Instant deadline);
  Result<std::vector<ListedLock>> list(Instant deadline);

  void watch(const std::string& lock, Instant deadline);
  void unwatch(const std::string& lock);

  struct News {
    std::vector<std::string> changed;  ///< watched locks that somebody else has written
    bool replaced = false;             ///< the file was replaced: ask again in a moment
  };
  /// Cheap when nobody else has written anything.
  News news(Instant deadline);

  /// Set by the loop's thread: end a wait for a lock.
  std::atomic<bool> closing = false;

 private:
  struct Watched {
    std::optional<Version> known;  ///< none: must be announced at the next look
    int watches = 0;
  };

  bool drop_replaced();
  Result<SqliteDb*> connection(Instant deadline);

  const SqliteDb::Options options_;
  std::function<void()> reopened_;
  std::unique_ptr<SqliteDb> db_;
  Instant reopen_at_;
  std::optional<std::int64_t> data_version_;  // of the last look; none: look at every lock
  std::unordered_map<std::string, Watched> watched_;
};

}  // namespace tenure
