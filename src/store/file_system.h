// What SQLite's locking needs from a file system, asked before a database is trusted to it.
//
// SQLite locks byte ranges with fcntl(2) and shares a memory-mapped file between processes
// (sqlite.org/wal.html, "all processes using a database must be on the same host computer"). On a
// network file system both may seem to work on one host and fail between two.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <string>

#include "tenure/result.h"

namespace tenure {

/// Refuses network file systems by their type, `f_type` of statfs(2). `folder` is for the error.
Status check_file_system_type(long type, const std::string& folder);

/// Refuses a folder on a network file system and one that does not exist.
Status check_file_system(const std::string& folder);

/// Proves with a temporary file that two descriptors exclude each other. A folder in which no file
/// can be made passes: opening the database tells the reason better.
Status check_locking(const std::string& folder);

/// Makes an empty file with mode 0600 unless there is one, and before that removes the leftovers
/// `path` + suffix of a deleted one. Never opens the file: closing it again would drop every lock
/// that this process has on it (sqlite.org/howtocorrupt.html, section 2.2).
Status make_private_file(const std::string& path, std::initializer_list<const char*> leftovers);

/// What a path names at the moment; all zeros for nothing.
struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};
FileId file_id(const std::string& path);

}  // namespace tenure
