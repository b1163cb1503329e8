// SqliteDb: the lock database in one SQLite file, as blocking calls.
//
//   CREATE TABLE locks(name TEXT PRIMARY KEY, version INTEGER, record TEXT)
//
// A version is a random 63-bit number, new with every write, so that none ever comes back: not
// after a row or the file was deleted, nor after a backup was restored. The file has mode 0600, an
// application id of ours, and is in WAL mode. A file of another program, of a later tenure or a
// damaged one is refused and left as it is.
//
// Whoever commits touches the file's times, which is what FileWatch waits for.
//
// Thread safety: one thread at a time. Every call gives up waiting for other processes' locks by
// its deadline; a disk that hangs may hold it longer.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/store_types.h"
#include "store/store.h"
#include "tenure/result.h"

namespace tenure {

class SqliteDb {
 public:
  struct Options {
    std::string path;    ///< absolute
    bool create = true;  ///< make the file when there is none; false: not_found
  };
  /// `closing` ends a wait for a lock early and outlives the database.
  static Result<std::unique_ptr<SqliteDb>> open(const Options& options, Instant deadline,
                                                const std::atomic<bool>& closing);
  virtual ~SqliteDb() = default;

  /// The file (or one of its two companions, -wal and -shm) is no longer what the path names.
  /// Nothing written here would be seen by others.
  [[nodiscard]] virtual bool replaced() const = 0;

  virtual ReadResult read(const std::string& lock, Instant deadline) = 0;

  struct Write {
    std::string lock;
    std::string record;  ///< encoded
    Version expected;
    bool durable = true;  ///< fsync before `applied`
  };
  /// `unknown` only from the commit on: what fails before is certainly not written.
  virtual WriteResult write(const Write& write, Instant deadline) = 0;

  /// Sorted by name.
  virtual Result<std::vector<ListedLock>> list(Instant deadline) = 0;

  /// Differs from the last call's if another connection has committed since.
  virtual Result<std::int64_t> data_version(Instant deadline) = 0;
  /// In the order of `locks`; empty where there is no record.
  virtual Result<std::vector<Version>> versions_of(const std::vector<std::string>& locks,
                                                   Instant deadline) = 0;
};

}  // namespace tenure
