#include "store/gcs_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "store/authorized_http.h"
#include "store/last_seen.h"
#include "store/server_clock.h"

namespace tenure {
namespace {

constexpr const char* kLate = "the deadline had passed before Google Cloud Storage was asked";
/// As many locks as a controller may follow.
constexpr std::size_t kMostRemembered = 4096;
constexpr std::size_t kMostListed = 10'000;
constexpr int kReadsAtOnce = 8;

/// Certainly nothing was sent, or it was refused: the address or the credentials are wrong.
bool is_refusal(const Error& error) {
  return error.code == ErrorCode::invalid_argument || error.code == ErrorCode::not_found ||
         error.code == ErrorCode::permission_denied;
}

class GcsObjects final : public Store {
 public:
  GcsObjects(Loop& loop, std::unique_ptr<HttpClient> http,
             std::unique_ptr<CredentialSource> credentials, gcs::Place place, std::string url)
      : loop_(loop),
        place_(std::move(place)),
        url_(std::move(url)),
        http_(loop, std::move(http), std::move(credentials)) {}

  std::string describe() const override { return url_; }
  StoreTraits traits() const override {
    StoreTraits traits;
    traits.server_time = true;
    traits.min_write_interval = std::chrono::seconds(1);  // cloud.google.com/storage/quotas
    return traits;
  }
  Status check_name(std::string_view lock) const override {
    return gcs::check_object_name(place_, lock);
  }

  void read(const std::string& lock, Instant deadline, ReadCallback done) override;
  void write(const std::string& lock, const WriteRequest& request, Instant deadline,
             WriteCallback done) override;
  void list(Instant deadline, ListCallback done) override;
  std::unique_ptr<Subscription> watch(const std::string& /*lock*/,
                                      std::function<void()> /*changed*/) override {
    return nullptr;
  }

 private:
  struct Listing;

  /// Why the server need not be asked.
  template <class Outcome>
  std::optional<std::pair<Outcome, std::string>> refusal(const std::string& lock,
                                                         Instant deadline) const {
    if (loop_.now().mono >= deadline) return {{Outcome::unknown, kLate}};
    if (const Status named = check_name(lock); !named)
      return {{Outcome::rejected, named.error().to_string()}};
    return std::nullopt;
  }
  template <class Answer>
  void post(std::function<void(Answer)> done, Answer answer) {
    loop_.post_for(alive_, [done = std::move(done), answer = std::move(answer)]() mutable {
      done(std::move(answer));
    });
  }
  void send(HttpRequest request, Instant deadline, HttpClient::Done done) {
    request.deadline = deadline;
    http_.send(std::move(request), std::move(done));
  }
  void describe_instead(const std::string& lock, Instant deadline, ReadCallback done);
  void list_page(const std::shared_ptr<Listing>& listing, const std::string& token);
  void read_next(const std::shared_ptr<Listing>& listing);

  Loop& loop_;
  const gcs::Place place_;
  const std::string url_;
  LastSeen last_seen_{kMostRemembered};
  ServerClock server_clock_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  AuthorizedHttp http_;  // last: its callbacks use the rest
};

ReadResult read_failure(const Error& error) {
  ReadResult result;
  if (is_refusal(error)) result.outcome = ReadOutcome::rejected;
  result.detail = error.to_string();
  return result;
}

void GcsObjects::read(const std::string& lock, Instant deadline, ReadCallback done) {
  if (const auto no = refusal<ReadOutcome>(lock, deadline)) {
    ReadResult result;
    std::tie(result.outcome, result.detail) = *no;
    return post(std::move(done), std::move(result));
  }
  const std::shared_ptr<const Observation> before = last_seen_.find(lock);
  const Version known = before ? before->version : Version();
  send(gcs::read_request(place_, lock, known), deadline,
       [this, lock, before, known, deadline, sent = loop_.now().mono,
        done = std::move(done)](const Result<HttpResponse>& answer) mutable {
         const Instant now = loop_.now().mono;
         if (answer)
           if (const auto date = http_date(answer->header("date")))
             server_clock_.learn(sent, now, *date);
         if (!answer && answer.error().code == ErrorCode::corrupt)
           return describe_instead(lock, deadline, std::move(done));
         if (!answer) return done(read_failure(answer.error()));
         std::optional<ReadResult> result = gcs::read_result(*answer, known, place_);
         if (!result) {
           result.emplace();
           result->outcome = ReadOutcome::ok;
           result->server_time = http_date(answer->header("date"));
           result->observation = *before;
         } else if (result->outcome == ReadOutcome::ok) {
           last_seen_.remember(lock, result->observation);
           if (const auto written = gcs::written_at(*answer)) {
             server_clock_.learn_of(written->earliest, now);
             result->age = server_clock_.passed_since(written->latest, now);
           }
         }
         done(*std::move(result));
       });
}

/// For an object that is larger than any record: it is unreadable, but it has a version.
void GcsObjects::describe_instead(const std::string& lock, Instant deadline, ReadCallback done) {
  send(gcs::describe_request(place_, lock), deadline,
       [this, done = std::move(done)](const Result<HttpResponse>& answer) {
         done(answer ? gcs::described_result(*answer, place_) : read_failure(answer.error()));
       });
}

void GcsObjects::write(const std::string& lock, const WriteRequest& request, Instant deadline,
                       WriteCallback done) {
  WriteResult result;
  if (const auto no = refusal<WriteOutcome>(lock, deadline)) {
    std::tie(result.outcome, result.detail) = *no;
    return post(std::move(done), std::move(result));
  }
  if (!request.expected.empty() && !gcs::may_be_generation(request.expected)) {
    result.outcome = WriteOutcome::conflict;
    return post(std::move(done), std::move(result));
  }
  send(gcs::write_request(place_, lock, *request.record, request.expected), deadline,
       [this, done = std::move(done)](const Result<HttpResponse>& answer) {
         if (answer) return done(gcs::write_result(*answer, place_));
         WriteResult failed;
         if (is_refusal(answer.error())) failed.outcome = WriteOutcome::rejected;
         failed.detail = answer.error().to_string();
         done(std::move(failed));
       });
}

// -------------------------------------------------------------------------------------------------
// list: the names, page by page, then the contents, some at once

struct GcsObjects::Listing {
  Instant deadline;
  ListCallback done;
  std::vector<gcs::ListedObject> objects{};
  std::size_t next = 0;  // object to be read
  int reading = 0;
  bool over = false;
  std::vector<ListedLock> locks{};

  /// Once; the store may be gone afterwards.
  void end(Result<std::vector<ListedLock>> result) {
    if (!std::exchange(over, true)) done(std::move(result));
  }
};

void GcsObjects::list(Instant deadline, ListCallback done) {
  using Listed = Result<std::vector<ListedLock>>;
  if (loop_.now().mono >= deadline)
    return post(std::move(done), Listed(failure(ErrorCode::unavailable, kLate)));
  list_page(std::make_shared<Listing>(Listing{.deadline = deadline, .done = std::move(done)}), {});
}

void GcsObjects::list_page(const std::shared_ptr<Listing>& listing, const std::string& token) {
  send(gcs::list_request(place_, token), listing->deadline,
       [this, listing](const Result<HttpResponse>& answer) {
         if (!answer) return listing->end(tl::unexpected(answer.error()));
         auto page = gcs::list_result(*answer, place_);
         if (!page) return listing->end(tl::unexpected(page.error()));
         auto& all = listing->objects;
         std::move(page->objects.begin(), page->objects.end(), std::back_inserter(all));
         if (all.size() > kMostListed)
           return listing->end(failure(
               ErrorCode::unavailable,
               fmt::format("there are more than {} objects below {}", kMostListed, url_),
               "keep locks in a bucket or below a prefix of their own: gs://bucket/prefix"));
         if (!page->next.empty()) return list_page(listing, page->next);
         read_next(listing);
       });
}

void GcsObjects::read_next(const std::shared_ptr<Listing>& listing) {
  while (listing->next < listing->objects.size() && listing->reading < kReadsAtOnce) {
    gcs::ListedObject& object = listing->objects[listing->next++];
    if (object.observation) {
      listing->locks.push_back({object.lock, *std::move(object.observation)});
      continue;
    }
    if (!check_name(object.lock)) continue;  // nobody could have written it as a lock
    ++listing->reading;
    read(object.lock, listing->deadline, [this, listing, lock = object.lock](ReadResult result) {
      --listing->reading;
      if (listing->over) return;
      if (result.outcome != ReadOutcome::ok)
        return listing->end(failure(result.outcome == ReadOutcome::rejected
                                        ? ErrorCode::permission_denied
                                        : ErrorCode::unavailable,
                                    std::move(result.detail)));
      if (result.observation.kind != Observation::Kind::absent)  // since its name was listed
        listing->locks.push_back({lock, std::move(result.observation)});
      read_next(listing);
    });
  }
  if (listing->next < listing->objects.size() || listing->reading > 0) return;
  std::sort(listing->locks.begin(), listing->locks.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  listing->end(std::move(listing->locks));
}

}  // namespace

std::unique_ptr<Store> GcsStore::create(Loop& loop, std::unique_ptr<HttpClient> http,
                                        std::unique_ptr<CredentialSource> credentials,
                                        gcs::Place place, std::string url) {
  return std::make_unique<GcsObjects>(loop, std::move(http), std::move(credentials),
                                      std::move(place), std::move(url));
}

}  // namespace tenure
