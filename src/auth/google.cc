#include "auth/google.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/cached_source.h"
#include "auth/google_file.h"
#include "auth/metadata_server.h"
#include "auth/small_file.h"
#include "auth/token_answer.h"
#include "auth/token_exchange.h"
#include "base/printable.h"
#include "net/http_client.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kRequestLimit = seconds(10);
constexpr Duration kFetchLimit = seconds(30);
constexpr Duration kFirstPause = milliseconds(250);  // doubled each time
constexpr unsigned kAttempts = 5;                    // of one request
constexpr std::size_t kMaxPath = 300;                // in messages

/// Where tokens come from: a file, or the metadata server when there is no path.
struct Origin {
  std::string path;
  std::string metadata_host;
  std::string scope;
  /// What else there might have been, for those who have nothing.
  std::string looked_for{};

  [[nodiscard]] std::string name() const {
    return path.empty() ? "the metadata server" : printable(path, kMaxPath);
  }
};

struct Opened {
  std::unique_ptr<TokenExchange> exchange;
  bool is_exposed = false;  ///< a secret that others can read
};

Result<Opened> open(const Origin& origin) {
  if (origin.path.empty()) {
    auto exchange = metadata_exchange(origin.metadata_host, origin.scope);
    if (!exchange) return tl::unexpected(exchange.error());
    return Opened{std::move(*exchange)};
  }
  const auto text = read_small_file(origin.path, kMaxGoogleFile, "the Google credentials");
  if (!text) return tl::unexpected(text.error());
  auto file = parse_google_file(text->text, origin.scope);
  if (file) return Opened{std::move(file->exchange), file->is_secret && text->world_readable};
  Error error = file.error();
  error.message =
      fmt::format("the Google credentials in {} cannot be used: {}", origin.name(), error.message);
  return tl::unexpected(std::move(error));
}

bool is_passing(const Result<HttpResponse>& answer) {
  if (!answer) return answer.error().code == ErrorCode::unavailable;
  return answer->status != 200 && refusal_code(answer->status) == ErrorCode::unavailable;
}

class GoogleSource final : public CachedSource {
 public:
  GoogleSource(Loop& loop, std::unique_ptr<HttpClient> http, Origin origin)
      : CachedSource(loop), http_(std::move(http)), origin_(std::move(origin)) {}
  ~GoogleSource() override { loop_.cancel(pause_); }
  GoogleSource(const GoogleSource&) = delete;
  GoogleSource& operator=(const GoogleSource&) = delete;

 private:
  void fetch() override;
  void go_on(Result<TokenStep> step);
  void send();
  void on_answer(Result<HttpResponse> answer);
  [[nodiscard]] Error explained(Error error) const;

  const std::unique_ptr<HttpClient> http_;
  const Origin origin_;
  // Of the fetch that is under way.
  std::unique_ptr<TokenExchange> exchange_;
  HttpRequest request_;
  Instant deadline_;
  Instant sent_;
  unsigned attempts_ = 0;
  Loop::TimerId pause_ = 0;
};

void GoogleSource::fetch() {
  auto opened = open(origin_);
  if (!opened) return failed(opened.error());
  exchange_ = std::move(opened->exchange);
  const Now now = loop_.now();
  deadline_ = now.mono + kFetchLimit;
  go_on(exchange_->begin(now.wall));
}

void GoogleSource::go_on(Result<TokenStep> step) {
  if (!step) return failed(explained(step.error()));
  if (auto* const request = std::get_if<HttpRequest>(&*step)) {
    request_ = std::move(*request);
    attempts_ = 0;
    return send();
  }
  auto& [token, life] = std::get<AccessToken>(*step);
  fetched({.authorization = "Bearer " + token}, sent_ + life);
}

void GoogleSource::send() {
  ++attempts_;
  sent_ = loop_.now().mono;
  HttpRequest request = request_;
  request.deadline = std::min(sent_ + kRequestLimit, deadline_);
  http_->send(std::move(request),
              [this](Result<HttpResponse> answer) { on_answer(std::move(answer)); });
}

void GoogleSource::on_answer(Result<HttpResponse> answer) {
  const Now now = loop_.now();
  const Instant again = now.mono + kFirstPause * (1U << (attempts_ - 1));
  if (is_passing(answer) && attempts_ < kAttempts && again < deadline_) {
    pause_ = loop_.at(again, [this] { send(); });
    return;
  }
  if (answer) return go_on(exchange_->answered(*answer, now.wall));
  Error error = std::move(answer.error());
  if (!origin_.looked_for.empty()) {
    error.message = fmt::format("{}, and the metadata server of Google's cloud does not answer: {}",
                                origin_.looked_for, error.message);
    error.remedy =
        "set GOOGLE_APPLICATION_CREDENTIALS to a file with credentials, or run: gcloud auth "
        "application-default login";
  }
  go_on(tl::unexpected(std::move(error)));
}

Error GoogleSource::explained(Error error) const {
  error.message =
      fmt::format("no access token from Google with {}: {}", origin_.name(), error.message);
  return error;
}

/// Opens it, too, so that a file that is of no use is known at once.
Result<Origin> find_origin(const GoogleRequest& request, bool& is_exposed) {
  Origin origin{
      .path = request.credentials_file,
      .metadata_host = request.metadata_host.empty() ? kMetadataHost : request.metadata_host,
      .scope = request.scope};
  if (origin.path.empty() && !request.gcloud_folder.empty())
    origin.path = request.gcloud_folder + "/application_default_credentials.json";
  auto opened = open(origin);
  const bool nobody_logged_in =
      !opened && request.credentials_file.empty() && opened.error().code == ErrorCode::not_found;
  if (nobody_logged_in || origin.path.empty()) {
    origin.looked_for = "GOOGLE_APPLICATION_CREDENTIALS is not set, nobody has logged in";
    origin.path.clear();
    opened = open(origin);
  }
  if (!opened) return tl::unexpected(opened.error());
  is_exposed = opened->is_exposed;
  return origin;
}

}  // namespace

Result<std::unique_ptr<CredentialSource>> google_credentials(Loop& loop,
                                                             const GoogleRequest& request) {
  bool is_exposed = false;
  auto origin = find_origin(request, is_exposed);
  if (!origin) return tl::unexpected(origin.error());
  if (is_exposed && request.warn)
    request.warn(
        fmt::format("the Google credentials in {} can be read by every user of this "
                    "machine; take that away: chmod o-r",
                    origin->name()));
  auto http = HttpClient::create(loop, {.user_agent = request.user_agent});
  if (!http) return tl::unexpected(http.error());
  return std::make_unique<GoogleSource>(loop, std::move(*http), std::move(*origin));
}

}  // namespace tenure
