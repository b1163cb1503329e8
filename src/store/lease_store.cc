#include "store/lease_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/clock.h"
#include "store/lease_codec.h"
#include "store/lease_watch.h"

namespace tenure {
namespace {

constexpr const char* kLate = "the deadline had passed before the API server was asked";
constexpr int kPageSize = 100;  // an answer of 1 MiB has room for 10 KiB each
/// For a server that says "slow down" and not how long.
constexpr Duration kDefaultRetryAfter = std::chrono::seconds(1);

std::string describe(const kube::ApiFailure& failure) {
  if (!failure.message.empty()) return failure.message;
  return fmt::format("the API server answered with status {}", failure.code);
}

ReadResult read_result(const Result<HttpResponse>& answer) {
  ReadResult result;
  if (!answer) {
    if (answer.error().code == ErrorCode::invalid_argument) result.outcome = ReadOutcome::rejected;
    result.detail = answer.error().to_string();
    return result;
  }
  result.server_time = http_date(answer->header("date"));
  if (answer->status == 200) {
    result.outcome = ReadOutcome::ok;
    result.observation = decode_lease(answer->body);
    return result;
  }
  const kube::ApiFailure failure = kube::parse_failure(*answer);
  result.detail = describe(failure);
  if (failure.code == 404 && failure.kind == "leases") {
    result.outcome = ReadOutcome::ok;
  } else if (failure.code == 429) {
    result.outcome = ReadOutcome::throttled;
    result.retry_after = failure.retry_after.value_or(kDefaultRetryAfter);
  } else if (failure.code < 500) {
    result.outcome = ReadOutcome::rejected;
  }
  return result;
}

WriteOutcome outcome_of(const kube::ApiFailure& failure) {
  if (failure.code == 409) return WriteOutcome::conflict;
  if (failure.code == 404 && failure.kind == "leases") return WriteOutcome::conflict;  // deleted
  if (failure.code == 429) return WriteOutcome::throttled;  // refused before it was looked at
  return failure.code < 500 ? WriteOutcome::rejected : WriteOutcome::unknown;
}

WriteResult write_result(const Result<HttpResponse>& answer) {
  WriteResult result;
  if (!answer) {
    if (answer.error().code == ErrorCode::invalid_argument) result.outcome = WriteOutcome::rejected;
    result.detail = answer.error().to_string();
    return result;
  }
  result.server_time = http_date(answer->header("date"));
  if (answer->status == 200 || answer->status == 201) {
    result.version = lease_version(answer->body);
    if (!result.version.empty()) result.outcome = WriteOutcome::applied;
    return result;
  }
  const kube::ApiFailure failure = kube::parse_failure(*answer);
  result.outcome = outcome_of(failure);
  result.detail = describe(failure);
  if (result.outcome == WriteOutcome::throttled)
    result.retry_after = failure.retry_after.value_or(kDefaultRetryAfter);
  return result;
}

class Leases final : public Store {
 public:
  Leases(Loop& loop, std::unique_ptr<kube::Client> client, std::string url)
      : loop_(loop),
        client_(std::move(client)),
        url_(std::move(url)),
        namespace_(client_->config().namespace_name),
        alive_(std::make_shared<char>()) {}
  ~Leases() override;
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  std::string describe() const override { return url_; }
  StoreTraits traits() const override {
    StoreTraits traits;
    traits.watch = true;
    traits.server_time = true;
    return traits;
  }
  Status check_name(std::string_view lock) const override { return check_lease_name(lock); }

  void read(const std::string& lock, Instant deadline, ReadCallback done) override;
  void write(const std::string& lock, const WriteRequest& request, Instant deadline,
             WriteCallback done) override;
  void list(Instant deadline, ListCallback done) override;
  std::unique_ptr<Subscription> watch(const std::string& lock,
                                      std::function<void()> changed) override;

 private:
  class Watched;

  [[nodiscard]] std::string path(const std::string& lock = {}) const {
    std::string path =
        "/apis/coordination.k8s.io/v1/namespaces/" + percent_encoded(namespace_) + "/leases";
    if (!lock.empty()) path += "/" + percent_encoded(lock);
    return path;
  }
  /// Why the server need not be asked.
  template <class Outcome>
  std::optional<std::pair<Outcome, std::string>> refusal(const std::string& lock,
                                                         Instant deadline) const {
    if (loop_.now().mono >= deadline) return {{Outcome::unknown, kLate}};
    if (const Status named = check_lease_name(lock); !named)
      return {{Outcome::rejected, named.error().to_string()}};
    return std::nullopt;
  }
  template <class Answer>
  void post(std::function<void(Answer)> done, Answer answer) {
    loop_.post_for(alive_, [done = std::move(done), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    });
  }
  void list_page(std::vector<ListedLock> before, const std::string& next, Instant deadline,
                 ListCallback done);
  template <class Tell>
  void tell_watches(const std::string& lock, Tell tell);
  std::optional<Observation> take_news(const std::string& lock);

  Loop& loop_;
  const std::unique_ptr<kube::Client> client_;
  const std::string url_;
  const std::string namespace_;
  std::set<Watched*> watches_;
  const std::shared_ptr<char> alive_;
};

class Leases::Watched final : public Subscription {
 public:
  Watched(Leases& store, const std::string& name, std::function<void()> changed)
      : lock(name),
        watch(store.loop_, *store.client_, store.path(), name, std::move(changed)),
        store_(store),
        store_alive_(store.alive_) {
    store_.watches_.insert(this);
  }
  ~Watched() override {
    if (!store_alive_.expired()) store_.watches_.erase(this);
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  const std::string lock;
  LeaseWatch watch;

 private:
  Leases& store_;
  const std::weak_ptr<char> store_alive_;
};

Leases::~Leases() {
  for (Watched* watched : watches_) watched->watch.stop();  // they may outlive us
}

/// A watch may end itself, others and the store while it is told.
template <class Tell>
void Leases::tell_watches(const std::string& lock, Tell tell) {
  const std::weak_ptr<char> alive = alive_;
  const std::vector<Watched*> all(watches_.begin(), watches_.end());
  for (Watched* watched : all) {
    if (alive.expired()) return;
    if (watches_.contains(watched) && watched->lock == lock) tell(watched->watch);
  }
}

std::optional<Observation> Leases::take_news(const std::string& lock) {
  for (Watched* watched : watches_)
    if (watched->lock == lock)
      if (auto news = watched->watch.take_news()) return news;
  return std::nullopt;
}

void Leases::read(const std::string& lock, Instant deadline, ReadCallback done) {
  if (const auto no = refusal<ReadOutcome>(lock, deadline)) {
    ReadResult refused;
    std::tie(refused.outcome, refused.detail) = *no;
    return post(std::move(done), std::move(refused));
  }
  if (auto news = take_news(lock)) {
    ReadResult heard;
    heard.outcome = ReadOutcome::ok;
    heard.observation = *std::move(news);
    return post(std::move(done), std::move(heard));
  }
  client_->send({.path = path(lock), .deadline = deadline},
                [this, lock, done = std::move(done)](const Result<HttpResponse>& answer) {
                  ReadResult result = read_result(answer);
                  if (result.outcome == ReadOutcome::ok)
                    tell_watches(lock, [&](LeaseWatch& watch) {
                      watch.version_is(result.observation.version);
                    });
                  done(std::move(result));
                });
}

void Leases::write(const std::string& lock, const WriteRequest& request, Instant deadline,
                   WriteCallback done) {
  WriteResult result;
  if (const auto no = refusal<WriteOutcome>(lock, deadline)) {
    std::tie(result.outcome, result.detail) = *no;
    return post(std::move(done), std::move(result));
  }
  if (!request.expected.empty() && !may_be_lease_version(request.expected)) {
    result.outcome = WriteOutcome::conflict;
    return post(std::move(done), std::move(result));
  }
  const bool create = request.expected.empty();
  tell_watches(lock, [](LeaseWatch& watch) { watch.write_begins(); });
  client_->send({.method = create ? "POST" : "PUT",
                 .path = create ? path() : path(lock),
                 .body = encode_lease(*request.record, namespace_, lock, request.expected),
                 .deadline = deadline},
                [this, lock, alive = std::weak_ptr(alive_),
                 done = std::move(done)](const Result<HttpResponse>& answer) {
                  WriteResult written = write_result(answer);
                  const Version version = written.version;
                  done(std::move(written));
                  if (alive.expired()) return;
                  // After the elector knows: what the watch then announces is by somebody else.
                  tell_watches(lock, [&](LeaseWatch& watch) { watch.write_ends(version); });
                });
}

void Leases::list(Instant deadline, ListCallback done) {
  using Listed = Result<std::vector<ListedLock>>;
  if (loop_.now().mono >= deadline)
    return post(std::move(done), Listed(failure(ErrorCode::unavailable, kLate)));
  list_page({}, {}, deadline, std::move(done));
}

void Leases::list_page(std::vector<ListedLock> before, const std::string& next, Instant deadline,
                       ListCallback done) {
  std::string query = fmt::format("?limit={}", kPageSize);
  if (!next.empty()) query += "&continue=" + percent_encoded(next);
  client_->send(
      {.path = path() + query, .deadline = deadline},
      [this, deadline, locks = std::move(before),
       done = std::move(done)](const Result<HttpResponse>& answer) mutable {
        if (!answer) return done(tl::unexpected(answer.error()));
        if (answer->status != 200) {
          const kube::ApiFailure failed = kube::parse_failure(*answer);
          const bool refused = failed.code == 401 || failed.code == 403;
          return done(failure(refused ? ErrorCode::permission_denied : ErrorCode::unavailable,
                              tenure::describe(failed)));
        }
        LeasePage page = decode_lease_list(answer->body);
        if (!page.readable)
          return done(failure(ErrorCode::corrupt, "the answer to a list is no LeaseList",
                              "check that this address is a Kubernetes API server"));
        locks.insert(locks.end(), std::make_move_iterator(page.locks.begin()),
                     std::make_move_iterator(page.locks.end()));
        if (!page.next.empty())
          return list_page(std::move(locks), page.next, deadline, std::move(done));
        std::sort(locks.begin(), locks.end(),
                  [](const auto& a, const auto& b) { return a.name < b.name; });
        done(std::move(locks));
      });
}

std::unique_ptr<Store::Subscription> Leases::watch(const std::string& lock,
                                                   std::function<void()> changed) {
  return std::make_unique<Watched>(*this, lock, std::move(changed));
}

}  // namespace

std::unique_ptr<Store> LeaseStore::create(Loop& loop, std::unique_ptr<kube::Client> client,
                                          std::string url) {
  return std::make_unique<Leases>(loop, std::move(client), std::move(url));
}

}  // namespace tenure
