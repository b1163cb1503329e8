#include "store/sqlite_error.h"

#include <sqlite3.h>

#include <cerrno>

namespace tenure {
namespace {

int primary(int code) {
  return code & 0xff;
}

bool no_permission(int system_error) {
  return system_error == EACCES || system_error == EPERM || system_error == EROFS;
}

const char* remedy(const SqliteFailure& failed) {
  switch (primary(failed.code)) {
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return "make the file and its folder writable for this user";
    case SQLITE_CANTOPEN:
      return no_permission(failed.system_error)
                 ? "make the file and its folder readable and writable for this user"
                 : "see that the folder exists and that files can be opened (ulimit -n)";
    case SQLITE_FULL: return "free some disk space";
    case SQLITE_IOERR: return "look at the disk (dmesg)";
    case SQLITE_CORRUPT: return "move the file away, or restore a backup of it";
    case SQLITE_NOTADB: return "give another path, or move the file away";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another process keeps it locked; find it with: fuser -v FILE";
    default: return "";
  }
}

}  // namespace

SqliteFailure SqliteFailure::last(sqlite3* db, int code, const char* doing,
                                  const std::string& path) {
  SqliteFailure out;
  out.code = code;
  out.system_error = sqlite3_system_errno(db);
  out.text = std::string("cannot ") + doing + " " + path + ": " + sqlite3_errmsg(db);
  if (const std::string advice = remedy(out); !advice.empty()) out.text += "; " + advice;
  return out;
}

bool SqliteFailure::busy() const {
  return primary(code) == SQLITE_BUSY || primary(code) == SQLITE_LOCKED;
}

bool SqliteFailure::permanent() const {
  switch (primary(code)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT: return false;
    case SQLITE_CANTOPEN: return no_permission(system_error);
    default: return true;
  }
}

ErrorCode SqliteFailure::error_code() const {
  switch (primary(code)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::corrupt;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return ErrorCode::permission_denied;
    case SQLITE_CANTOPEN:
      return no_permission(system_error) ? ErrorCode::permission_denied : ErrorCode::unavailable;
    default: return permanent() ? ErrorCode::internal : ErrorCode::unavailable;
  }
}

ReadResult SqliteFailure::as_read() const {
  ReadResult result;
  result.outcome = permanent() ? ReadOutcome::rejected
                   : busy()    ? ReadOutcome::throttled
                               : ReadOutcome::unknown;
  result.detail = text;
  return result;
}

WriteResult SqliteFailure::as_unwritten() const {
  WriteResult result;
  result.outcome = permanent() ? WriteOutcome::rejected : WriteOutcome::throttled;
  result.detail = text;
  return result;
}

}  // namespace tenure
