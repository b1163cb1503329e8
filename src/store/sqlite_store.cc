#include "store/sqlite_store.h"

#include <chrono>
#include <utility>

#include "core/record_codec.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

constexpr std::chrono::seconds kOpenPatience{5};
constexpr std::chrono::seconds kLookPatience{5};
// After "the file was replaced": longer than the session waits before it opens the new one.
constexpr std::chrono::milliseconds kLookAfterReplacement{150};
// Looking takes at most a tenth of the worker's time, however many locks are watched.
constexpr int kPausePerLook = 9;

constexpr const char* kLate = "the database did not answer in time";

/// An answer that is given once, by the worker or by the deadline.
template <class Answer>
struct Pending {
  std::function<void(Answer)> done;
  Loop::TimerId timer = 0;

  void answer(Answer result) {
    if (done) std::exchange(done, nullptr)(std::move(result));
  }
};

}  // namespace

/// Ends the subscription; may outlive the store.
class SqliteStore::Watch final : public Subscription {
 public:
  Watch(SqliteStore& store, std::string lock, std::function<void()> changed)
      : store_(store),
        store_alive_(store.alive_),
        lock_(std::move(lock)),
        changed_(std::make_shared<std::function<void()>>(std::move(changed))) {
    entry_ = store_.watches_.emplace(lock_, changed_);
    store_.tell([lock = lock_](SqliteSession& session) {
      session.watch(lock, boot_now() + kLookPatience);
    });
  }
  ~Watch() override {
    if (store_alive_.expired()) return;
    store_.watches_.erase(entry_);
    store_.tell([lock = lock_](SqliteSession& session) { session.unwatch(lock); });
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  SqliteStore& store_;
  const std::weak_ptr<void> store_alive_;
  const std::string lock_;
  const std::shared_ptr<std::function<void()>> changed_;
  decltype(SqliteStore::watches_)::iterator entry_;
};

// -------------------------------------------------------------------------------------------------
// life
// -------------------------------------------------------------------------------------------------

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Loop& loop, const std::string& path,
                                                       const Options& options) {
  auto session = std::make_shared<SqliteSession>(SqliteDb::Options{path, options.create});
  if (Status opened = session->open(boot_now() + kOpenPatience); !opened)
    return tl::unexpected(opened.error());

  std::unique_ptr<SqliteStore> store(new SqliteStore(loop, path));
  store->session_ = session.get();
  auto worker = Worker::create(loop, "tenure-sqlite", std::move(session));
  if (!worker) return tl::unexpected(worker.error());
  store->worker_ = std::move(*worker);
  store->tell([raw = store.get(), alive = std::weak_ptr(store->alive_),
               replies = store->worker_->replies()](SqliteSession& worker_session) {
    worker_session.on_reopened([=] {
      replies.post([=] {
        if (!alive.expired()) raw->follow_new_file();
      });
    });
  });

  auto watch = FileWatch::create(loop, path, [raw = store.get()] { raw->look_for_changes(); });
  if (watch)
    store->file_watch_ = std::move(*watch);
  else
    store->warning_ = watch.error().to_string();
  return store;
}

SqliteStore::~SqliteStore() {
  if (session_ != nullptr) session_->closing = true;
}

StoreTraits SqliteStore::traits() const {
  StoreTraits traits;
  traits.watch = file_watch_ != nullptr;
  return traits;
}

// -------------------------------------------------------------------------------------------------
// requests
// -------------------------------------------------------------------------------------------------

void SqliteStore::tell(std::function<void(SqliteSession&)> job) {
  worker_->run([session = session_, job = std::move(job)] { job(*session); });
}

template <class Answer>
void SqliteStore::submit(Instant deadline, Answer late, std::function<void(Answer)> done,
                         std::function<Answer(SqliteSession&)> ask) {
  auto pending = std::make_shared<Pending<Answer>>();
  const std::weak_ptr<void> alive = alive_;
  pending->done = std::move(done);
  pending->timer = loop_.at(deadline, [pending, alive, late = std::move(late)] {
    if (!alive.expired()) pending->answer(late);
  });
  tell([=, this, replies = worker_->replies()](SqliteSession& session) {
    if (boot_now() >= deadline) return;  // answered by the timer, and never to be executed
    replies.post([=, this, answer = ask(session)]() mutable {
      if (alive.expired()) return;
      loop_.cancel(pending->timer);
      pending->answer(std::move(answer));
    });
  });
}

void SqliteStore::read(const std::string& lock, Instant deadline, ReadCallback done) {
  ReadResult late;
  late.detail = kLate;
  submit<ReadResult>(
      deadline, std::move(late), std::move(done),
      [lock, deadline](SqliteSession& session) { return session.read(lock, deadline); });
}

void SqliteStore::write(const std::string& lock, const WriteRequest& request, Instant deadline,
                        WriteCallback done) {
  SqliteDb::Write write{lock, encode_record(*request.record), request.expected, request.durable};
  WriteResult result;
  if (write.record.size() > kMaxRecordBytes) {
    result.outcome = WriteOutcome::rejected;
    result.detail = "the record of " + lock + " is larger than 64 KiB";
    return loop_.post_for(alive_, [done = std::move(done), result] { done(result); });
  }
  result.detail = kLate;
  submit<WriteResult>(deadline, std::move(result), std::move(done),
                      [write = std::move(write), deadline](SqliteSession& session) {
                        return session.write(write, deadline);
                      });
}

void SqliteStore::list(Instant deadline, ListCallback done) {
  using Listed = Result<std::vector<ListedLock>>;
  submit<Listed>(deadline, failure(ErrorCode::unavailable, describe() + ": " + kLate),
                 std::move(done),
                 [deadline](SqliteSession& session) { return session.list(deadline); });
}

// -------------------------------------------------------------------------------------------------
// watching
// -------------------------------------------------------------------------------------------------

std::unique_ptr<Store::Subscription> SqliteStore::watch(const std::string& lock,
                                                        std::function<void()> changed) {
  if (file_watch_ == nullptr) return nullptr;
  auto watch = std::make_unique<Watch>(*this, lock, std::move(changed));
  look_for_changes();  // what was committed before the worker knows of the subscription
  return watch;
}

void SqliteStore::look_for_changes() {
  if (look_ != Look::idle) {
    if (look_ == Look::running) look_ = Look::running_and_again;
    return;
  }
  if (watches_.empty()) return;
  look_ = Look::running;
  tell([=, this, alive = std::weak_ptr(alive_),
        replies = worker_->replies()](SqliteSession& session) {
    const Instant start = boot_now();
    auto news = session.news(start + kLookPatience);
    replies.post([=, this, took = boot_now() - start, news = std::move(news)] {
      if (!alive.expired()) looked(news, took);
    });
  });
}

void SqliteStore::looked(const SqliteSession::News& news, Duration took) {
  const bool again = look_ == Look::running_and_again || news.replaced;
  look_ = again ? Look::paused : Look::idle;
  if (again) {
    const Duration pause = news.replaced ? kLookAfterReplacement : took * kPausePerLook;
    loop_.at(loop_.now().mono + pause, [this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      look_ = Look::idle;
      look_for_changes();
    });
  }
  // Posted, because a callback may end any subscription or destroy this store.
  for (const std::string& lock : news.changed)
    for (auto [entry, end] = watches_.equal_range(lock); entry != end; ++entry)
      loop_.post_for(alive_, [target = entry->second] {
        if (const auto changed = target.lock()) (*changed)();
      });
}

void SqliteStore::follow_new_file() {
  if (file_watch_ == nullptr) return;
  // Should this fail, the file is gone again, which the next request will notice.
  if (file_watch_->renew()) look_for_changes();
}

}  // namespace tenure
