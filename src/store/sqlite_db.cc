#include "store/sqlite_db.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "core/record_codec.h"
#include "runtime/clock.h"
#include "store/file_system.h"
#include "store/sqlite_error.h"

namespace tenure {
namespace {

constexpr std::int64_t kApplicationId = 0x746e7572;  // "tnur", shown by file(1)
constexpr std::int64_t kSchemaVersion = 1;

// A cache of 64 KiB serves a tree of three levels; the log is cut back to 4 MiB, its usual size.
constexpr const char* kConnectionSettings =
    "PRAGMA cache_size = -64; PRAGMA journal_size_limit = 4194304;";

constexpr const char* kSchema =
    "CREATE TABLE locks(name TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL,"
    " record TEXT NOT NULL) STRICT, WITHOUT ROWID";

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

/// A prepared statement that is bound, stepped, and reset at the end of each use.
class Statement {
 public:
  int prepare(sqlite3* db, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    statement_.reset(raw);
    return code;
  }

  /// One execution; lets go of the read lock when it ends.
  class Use {
   public:
    explicit Use(Statement& statement) : raw_(statement.statement_.get()) {}
    ~Use() {
      sqlite3_reset(raw_);
      sqlite3_clear_bindings(raw_);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    /// The text must outlive the use.
    Use& bind(int index, std::string_view text) {
      sqlite3_bind_text(raw_, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
      return *this;
    }
    Use& bind(int index, std::int64_t number) {
      sqlite3_bind_int64(raw_, index, number);
      return *this;
    }
    int step() { return sqlite3_step(raw_); }
    [[nodiscard]] std::int64_t number(int column) const {
      return sqlite3_column_int64(raw_, column);
    }
    [[nodiscard]] std::string_view text(int column) const {
      const void* const bytes = sqlite3_column_blob(raw_, column);
      return {static_cast<const char*>(bytes),
              bytes == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(raw_, column))};
    }

   private:
    sqlite3_stmt* const raw_;
  };

 private:
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

std::optional<std::int64_t> parse_version(const Version& version) {
  std::int64_t number = 0;
  const char* const end = version.data() + version.size();
  const auto [stop, error] = std::from_chars(version.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

class Connection final : public SqliteDb {
 public:
  Connection(Options options, const std::atomic<bool>& closing)
      : options_(std::move(options)), closing_(closing) {}
  ~Connection() override;

  Status connect(Instant deadline);

  bool replaced() const override;
  ReadResult read(const std::string& lock, Instant deadline) override;
  WriteResult write(const Write& write, Instant deadline) override;
  Result<std::vector<ListedLock>> list(Instant deadline) override;
  Result<std::int64_t> data_version(Instant deadline) override;
  Result<std::vector<Version>> versions_of(const std::vector<std::string>& locks,
                                           Instant deadline) override;

 private:
  static int on_busy(void* self, int tries);

  Status open_file();
  Status check_owner();
  Status make_schema();
  Status use_write_ahead_log();
  Status prepare();
  [[nodiscard]] std::array<FileId, 2> companions() const;

  int execute(const char* sql);
  int set_durable(bool durable);
  int change_row(const Write& write, std::int64_t version);
  void roll_back() { execute("ROLLBACK"); }
  Result<std::int64_t> ask_number(const char* sql);
  [[nodiscard]] SqliteFailure failed(int code, const char* doing) const {
    return SqliteFailure::last(db_.get(), code, doing, options_.path);
  }

  const Options options_;
  const std::atomic<bool>& closing_;
  Instant patient_until_;
  SystemRandom random_;
  std::unique_ptr<sqlite3, CloseConnection> db_;
  Statement begin_, commit_, read_, insert_, update_, list_, data_version_;
  std::array<FileId, 2> companions_;
  bool durable_ = true;  // SQLite's own default
};

// -------------------------------------------------------------------------------------------------
// opening
// -------------------------------------------------------------------------------------------------

Status Connection::open_file() {
  const std::string& path = options_.path;
  const std::string folder = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  if (Status local = check_file_system(folder); !local) return local;
  if (options_.create) {
    if (Status locks = check_locking(folder); !locks) return locks;
    // SQLite would take the companions of a deleted file for those of the new one.
    if (Status made = make_private_file(path, {"-wal", "-shm", "-journal"}); !made) return made;
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 && errno == ENOENT)
    return failure(ErrorCode::not_found, "there is no lock database " + path,
                   "start a candidate, which makes it, or give another path");
  if (info.st_mode != 0 && !S_ISREG(info.st_mode))
    return failure(ErrorCode::invalid_argument, path + " is not a regular file",
                   "give the path of a file");
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  db_.reset(raw);
  if (code != SQLITE_OK) return failed(code, "open").as_error();
  sqlite3_busy_handler(raw, &Connection::on_busy, this);
  return {};
}

Status Connection::check_owner() {
  const auto application = ask_number("PRAGMA application_id");
  if (!application) return tl::unexpected(application.error());
  const auto schema = ask_number("PRAGMA user_version");
  if (!schema) return tl::unexpected(schema.error());
  const auto tables = ask_number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tl::unexpected(tables.error());
  if (*application == 0 && *schema == 0 && *tables == 0) {
    if (options_.create) return make_schema();
    return failure(ErrorCode::not_found, options_.path + " holds no locks yet");
  }
  if (*application != kApplicationId)
    return failure(ErrorCode::invalid_argument,
                   options_.path + " is a SQLite database of another program",
                   "give the path of a file that tenure may make");
  if (*schema > kSchemaVersion)
    return failure(ErrorCode::unsupported,
                   fmt::format("{} was made by a later tenure (schema {}, this one knows {})",
                               options_.path, *schema, kSchemaVersion),
                   "upgrade this tenure");
  return options_.create ? use_write_ahead_log() : Status{};
}

Status Connection::make_schema() {
  if (Status logged = use_write_ahead_log(); !logged) return logged;
  int code = execute("BEGIN IMMEDIATE");
  if (code != SQLITE_OK) return failed(code, "write").as_error();
  const auto tables = ask_number("SELECT count(*) FROM sqlite_schema");
  const bool made_meanwhile = tables && *tables > 0;
  if (!made_meanwhile) {
    code = execute(kSchema);
    if (code == SQLITE_OK)
      code = execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                 kApplicationId, kSchemaVersion)
                         .c_str());
  }
  if (code == SQLITE_OK) code = execute("COMMIT");
  if (code == SQLITE_OK) return {};
  const auto why = failed(code, "write");
  roll_back();
  return why.as_error();
}

Status Connection::use_write_ahead_log() {
  if (sqlite3_db_readonly(db_.get(), "main") == 1)
    return failure(ErrorCode::permission_denied, options_.path + " cannot be written",
                   "make the file and its folder writable for this user");
  for (int tries = 0;; ++tries) {
    Statement statement;
    int code = statement.prepare(db_.get(), "PRAGMA journal_mode = WAL");
    if (code == SQLITE_OK) {
      Statement::Use use(statement);
      code = use.step();
      if (code == SQLITE_ROW && use.text(0) == "wal") return {};
      if (code == SQLITE_ROW)
        return failure(ErrorCode::unsupported,
                       "the file system of " + options_.path + " cannot share memory",
                       "put the database on a local disk");
    }
    const SqliteFailure why = failed(code, "write");
    // SQLite does not ask the busy handler here.
    if (!why.busy() || on_busy(this, tries) == 0) return why.as_error();
  }
}

Status Connection::prepare() {
  const std::array<std::pair<Statement*, const char*>, 7> all = {{
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&read_, "SELECT version, record FROM locks WHERE name = ?1"},
      {&insert_,
       "INSERT INTO locks(name, version, record) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING"},
      {&update_, "UPDATE locks SET version = ?2, record = ?3 WHERE name = ?1 AND version = ?4"},
      {&list_, "SELECT name, version, record FROM locks ORDER BY name"},
      {&data_version_, "PRAGMA data_version"},
  }};
  for (const auto& [statement, sql] : all)
    if (const int code = statement->prepare(db_.get(), sql); code != SQLITE_OK)
      return failed(code, "use").as_error();
  return {};
}

Status Connection::connect(Instant deadline) {
  patient_until_ = deadline;
  if (Status opened = open_file(); !opened) return opened;
  if (const int code = execute(kConnectionSettings); code != SQLITE_OK)
    return failed(code, "open").as_error();
  if (Status ours = check_owner(); !ours) return ours;
  if (Status prepared = prepare(); !prepared) return prepared;
  // The first read opens the companions, which stay the same as long as this connection is open.
  if (const auto read = data_version(deadline); !read) return tl::unexpected(read.error());
  companions_ = companions();
  return {};
}

Connection::~Connection() {
  // The checkpoint of a last close ends in deleting the companions by name, which by now are
  // somebody else's.
  if (db_ && replaced()) sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

std::array<FileId, 2> Connection::companions() const {
  return {file_id(options_.path + "-wal"), file_id(options_.path + "-shm")};
}

bool Connection::replaced() const {
  int moved = 0;
  sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0 || companions() != companions_;
}

// -------------------------------------------------------------------------------------------------
// requests
// -------------------------------------------------------------------------------------------------

int Connection::on_busy(void* self, int tries) {
  const auto& connection = *static_cast<const Connection*>(self);
  if (connection.closing_ || boot_now() >= connection.patient_until_) return 0;
  sqlite3_sleep(1 << std::min(tries, 3));  // a commit takes 0.1 to 10 ms
  return 1;
}

int Connection::execute(const char* sql) {
  return sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
}

Result<std::int64_t> Connection::ask_number(const char* sql) {
  Statement statement;
  int code = statement.prepare(db_.get(), sql);
  if (code == SQLITE_OK) {
    Statement::Use use(statement);
    code = use.step();
    if (code == SQLITE_ROW) return use.number(0);
  }
  return failed(code, "read").as_error();
}

ReadResult Connection::read(const std::string& lock, Instant deadline) {
  patient_until_ = deadline;
  Statement::Use use(read_);
  const int code = use.bind(1, lock).step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return failed(code, "read").as_read();
  ReadResult result;
  result.outcome = ReadOutcome::ok;
  if (code == SQLITE_ROW)
    result.observation = decode_record(use.text(1), std::to_string(use.number(0)));
  return result;
}

Result<std::vector<Version>> Connection::versions_of(const std::vector<std::string>& locks,
                                                     Instant deadline) {
  patient_until_ = deadline;
  std::vector<Version> versions;
  int code = execute("BEGIN");  // one transaction costs a tenth of one for each lock
  for (auto lock = locks.begin(); lock != locks.end() && code == SQLITE_OK; ++lock) {
    Statement::Use use(read_);
    const int found = use.bind(1, *lock).step();
    if (found == SQLITE_ROW)
      versions.push_back(std::to_string(use.number(0)));
    else if (found == SQLITE_DONE)
      versions.emplace_back();
    else
      code = found;
  }
  if (code == SQLITE_OK) code = execute("COMMIT");
  if (code == SQLITE_OK) return versions;
  const SqliteFailure why = failed(code, "read");
  if (sqlite3_get_autocommit(db_.get()) == 0) roll_back();
  return why.as_error();
}

Result<std::vector<ListedLock>> Connection::list(Instant deadline) {
  patient_until_ = deadline;
  std::vector<ListedLock> locks;
  Statement::Use use(list_);
  for (;;) {
    const int code = use.step();
    if (code == SQLITE_DONE) return locks;
    if (code != SQLITE_ROW) return failed(code, "read").as_error();
    locks.push_back(
        {std::string(use.text(0)), decode_record(use.text(2), std::to_string(use.number(1)))});
  }
}

Result<std::int64_t> Connection::data_version(Instant deadline) {
  patient_until_ = deadline;
  Statement::Use use(data_version_);
  const int code = use.step();
  if (code == SQLITE_ROW) return use.number(0);
  return failed(code, "read").as_error();
}

int Connection::set_durable(bool durable) {
  if (durable == durable_) return SQLITE_OK;
  const int code = execute(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  if (code == SQLITE_OK) durable_ = durable;
  return code;
}

int Connection::change_row(const Write& write, std::int64_t version) {
  Statement::Use use(write.expected.empty() ? insert_ : update_);
  use.bind(1, write.lock).bind(2, version).bind(3, write.record);
  // Not a number of ours: matches no row, as versions are positive.
  if (!write.expected.empty()) use.bind(4, parse_version(write.expected).value_or(-1));
  return use.step();
}

WriteResult Connection::write(const Write& write, Instant deadline) {
  // Half of the time for getting the lock, so that "certainly not written" can be said in time.
  const Instant start = boot_now();
  patient_until_ = start + (deadline - start) / 2;
  if (const int code = set_durable(write.durable); code != SQLITE_OK)
    return failed(code, "write").as_unwritten();
  if (const int code = Statement::Use(begin_).step(); code != SQLITE_DONE)
    return failed(code, "write").as_unwritten();

  const auto version = static_cast<std::int64_t>(random_.next() >> 1U | 1U);
  WriteResult result;
  if (const int code = change_row(write, version); code != SQLITE_DONE) {
    result = failed(code, "write").as_unwritten();
    roll_back();
    return result;
  }
  if (sqlite3_changes(db_.get()) == 0) {
    roll_back();
    result.outcome = WriteOutcome::conflict;
    return result;
  }
  if (const int code = Statement::Use(commit_).step(); code != SQLITE_DONE) {
    // The log may hold the whole transaction already, for a recovery to find.
    result.detail = failed(code, "commit to").text;
    if (sqlite3_get_autocommit(db_.get()) == 0) roll_back();
    return result;
  }
  if (replaced()) {
    result.detail = options_.path + " was deleted or replaced during the write";
    return result;
  }
  utimensat(AT_FDCWD, options_.path.c_str(), nullptr, 0);  // wakes the watchers
  result.outcome = WriteOutcome::applied;
  result.version = std::to_string(version);
  return result;
}

}  // namespace

Result<std::unique_ptr<SqliteDb>> SqliteDb::open(const Options& options, Instant deadline,
                                                 const std::atomic<bool>& closing) {
  auto connection = std::make_unique<Connection>(options, closing);
  if (Status connected = connection->connect(deadline); !connected)
    return tl::unexpected(connected.error());
  return std::unique_ptr<SqliteDb>(std::move(connection));
}

}  // namespace tenure
