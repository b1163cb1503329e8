#include "store/sqlite_session.h"

#include <chrono>

#include "runtime/clock.h"

namespace tenure {
namespace {

// "rm locks.db*" takes the files one by one; what is made in between would lose its companions.
constexpr std::chrono::milliseconds kReopenDelay{100};

constexpr const char* kReplaced =
    ": the database file was deleted or replaced; tenure goes on with the file that is there now";

/// Would fail again until a person does something. A conflict is a replaced file.
bool permanent(const Error& error) {
  return error.code != ErrorCode::unavailable && error.code != ErrorCode::not_found &&
         error.code != ErrorCode::conflict;
}

}  // namespace

Status SqliteSession::open(Instant deadline) {
  auto opened = SqliteDb::open(options_, deadline, closing);
  if (!opened) return tl::unexpected(opened.error());
  const auto data_version = (*opened)->data_version(deadline);
  if (!data_version) return tl::unexpected(data_version.error());
  data_version_ = *data_version;
  db_ = std::move(*opened);
  return {};
}

bool SqliteSession::drop_replaced() {
  if (db_ == nullptr || !db_->replaced()) return false;
  db_.reset();
  reopen_at_ = boot_now() + kReopenDelay;
  return true;
}

Result<SqliteDb*> SqliteSession::connection(Instant deadline) {
  if (drop_replaced() || (db_ == nullptr && boot_now() < reopen_at_))
    return failure(ErrorCode::conflict, options_.path + kReplaced);
  if (db_ == nullptr) {
    if (Status opened = open(deadline); !opened) return tl::unexpected(opened.error());
    data_version_.reset();
    if (reopened_) reopened_();
  }
  return db_.get();
}

ReadResult SqliteSession::read(const std::string& lock, Instant deadline) {
  const auto db = connection(deadline);
  if (db) return (*db)->read(lock, deadline);
  ReadResult result;
  result.outcome = permanent(db.error()) ? ReadOutcome::rejected : ReadOutcome::unknown;
  result.detail = db.error().to_string();
  return result;
}

WriteResult SqliteSession::write(const SqliteDb::Write& write, Instant deadline) {
  WriteResult result;
  const auto db = connection(deadline);
  if (!db) {
    if (db.error().code != ErrorCode::conflict)
      result.outcome = permanent(db.error()) ? WriteOutcome::rejected : WriteOutcome::throttled;
    result.detail = db.error().to_string();
    return result;
  }
  result = (*db)->write(write, deadline);
  const auto watched = watched_.find(write.lock);
  if (result.outcome == WriteOutcome::applied && watched != watched_.end())
    watched->second.known = result.version;
  return result;
}

Result<std::vector<ListedLock>> SqliteSession::list(Instant deadline) {
  const auto db = connection(deadline);
  if (!db) return tl::unexpected(db.error());
  return (*db)->list(deadline);
}

void SqliteSession::watch(const std::string& lock, Instant deadline) {
  Watched& watched = watched_[lock];
  if (++watched.watches > 1) return;
  const auto db = connection(deadline);
  if (!db) return;
  // If nobody else has committed since the last look, nobody has since the subscription. Otherwise
  // the version stays unknown, and the next look announces the lock, perhaps for nothing.
  const auto data_version = (*db)->data_version(deadline);
  if (data_version && data_version_ == *data_version) {
    if (const auto now = (*db)->versions_of({lock}, deadline)) watched.known = now->front();
  }
}

void SqliteSession::unwatch(const std::string& lock) {
  const auto watched = watched_.find(lock);
  if (watched != watched_.end() && --watched->second.watches == 0) watched_.erase(watched);
}

SqliteSession::News SqliteSession::news(Instant deadline) {
  News news;
  const auto db = connection(deadline);
  if (!db) {
    news.replaced = db.error().code == ErrorCode::conflict;
    return news;
  }
  const auto data_version = (*db)->data_version(deadline);
  if (!data_version || data_version_ == *data_version) return news;
  std::vector<std::string> locks;
  for (const auto& [lock, watched] : watched_) locks.push_back(lock);
  const auto versions = (*db)->versions_of(locks, deadline);
  if (!versions) {  // then each may have changed
    news.changed = std::move(locks);
    return news;
  }
  data_version_ = *data_version;
  for (std::size_t i = 0; i < locks.size(); ++i) {
    std::optional<Version>& known = watched_[locks[i]].known;
    if (known == (*versions)[i]) continue;
    known = (*versions)[i];
    news.changed.push_back(std::move(locks[i]));
  }
  return news;
}

}  // namespace tenure
