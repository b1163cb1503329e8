// What SQLite's result codes mean for a store. Nothing of sqlite3.h, so that callers need not know.
#pragma once

#include <string>

#include "core/store_types.h"
#include "tenure/result.h"

struct sqlite3;

namespace tenure {

/// A failed call: the code, and one line for people.
struct SqliteFailure {
  int code = 0;  ///< extended result code
  int system_error = 0;
  std::string text;  ///< "cannot write /x/locks.db: disk I/O error; ..."

  /// Reads the last error of `db`. `doing` is such as "read" or "write".
  static SqliteFailure last(sqlite3* db, int code, const char* doing, const std::string& path);

  /// Another connection holds a lock.
  [[nodiscard]] bool busy() const;
  /// Would fail again until a person does something.
  [[nodiscard]] bool permanent() const;

  [[nodiscard]] ErrorCode error_code() const;
  [[nodiscard]] tl::unexpected<Error> as_error() const { return failure(error_code(), text); }
  [[nodiscard]] ReadResult as_read() const;
  /// Of a write that failed before its commit.
  [[nodiscard]] WriteResult as_unwritten() const;
};

}  // namespace tenure
