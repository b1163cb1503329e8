#include "kube/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/printable.h"
#include "kube/cluster_credentials.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxMessageBytes = 500;
/// A server that asks for more is asked again all the same.
constexpr Duration kMaxRetryAfter = std::chrono::seconds(60);

class ApiClient final : public Client {
 public:
  ApiClient(Loop& loop, ClusterConfig config, TlsIdentity tls, std::unique_ptr<HttpClient> http,
            std::unique_ptr<CredentialSource> credentials)
      : loop_(loop),
        config_(std::move(config)),
        tls_(std::move(tls)),
        http_(std::move(http)),
        credentials_(std::move(credentials)),
        alive_(std::make_shared<char>()) {}
  ~ApiClient() override {
    for (const auto& [_, call] : calls_) loop_.cancel(call.patience);
  }
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  void send(ApiRequest request, HttpClient::Done done) override {
    start(std::move(request), {}, std::move(done));
  }
  std::unique_ptr<HttpClient::Stream> stream(ApiRequest request, HttpClient::Data data,
                                             HttpClient::Done done) override {
    return std::make_unique<OpenStream>(
        *this, start(std::move(request), std::move(data), std::move(done)));
  }
  const ClusterConfig& config() const override { return config_; }

 private:
  using Id = std::uint64_t;
  struct Call {
    ApiRequest request;
    HttpClient::Data data;
    HttpClient::Done done;
    Loop::TimerId patience = 0;  // while credentials are awaited
    std::unique_ptr<HttpClient::Stream> stream;
    bool repeated = false;
  };
  class OpenStream final : public HttpClient::Stream {
   public:
    OpenStream(ApiClient& client, Id id) : client_(client), alive_(client.alive_), id_(id) {}
    ~OpenStream() override {
      if (!alive_.expired()) client_.drop(id_);
    }
    OpenStream(const OpenStream&) = delete;
    OpenStream& operator=(const OpenStream&) = delete;

   private:
    ApiClient& client_;
    const std::weak_ptr<char> alive_;
    const Id id_;
  };

  Id start(ApiRequest request, HttpClient::Data data, HttpClient::Done done);
  void authorize(Id id);
  void deliver(Id id, const Credential& credential);
  void on_answer(Id id, const Credential& credential, Result<HttpResponse> answer);
  void finish(Id id, Result<HttpResponse> answer);
  void drop(Id id);
  HttpRequest http_request(const ApiRequest& request, const Credential& credential) const;

  Loop& loop_;
  const ClusterConfig config_;
  TlsIdentity tls_;
  const std::unique_ptr<HttpClient> http_;
  const std::unique_ptr<CredentialSource> credentials_;
  std::map<Id, Call> calls_;
  Id last_id_ = 0;
  const std::shared_ptr<char> alive_;
};

ApiClient::Id ApiClient::start(ApiRequest request, HttpClient::Data data, HttpClient::Done done) {
  const Id id = ++last_id_;
  Call& call = calls_[id];
  call.request = std::move(request);
  call.data = std::move(data);
  call.done = std::move(done);
  authorize(id);
  return id;
}

void ApiClient::authorize(Id id) {
  Call& call = calls_.at(id);
  call.patience = loop_.at(call.request.deadline, [this, id] {
    finish(id, failure(ErrorCode::unavailable,
                       fmt::format("the credentials for {} did not come in time", config_.server)));
  });
  credentials_->get([this, id](Result<Credential> credential) {
    if (!calls_.contains(id)) return;
    if (!credential) return finish(id, tl::unexpected(credential.error()));
    deliver(id, *credential);
  });
}

HttpRequest ApiClient::http_request(const ApiRequest& request, const Credential& credential) const {
  HttpRequest http{.method = request.method,
                   .url = config_.server + request.path,
                   .headers = {{"Accept", "application/json"}},
                   .body = request.body,
                   .deadline = request.deadline,
                   .max_response_bytes = request.max_response_bytes};
  const auto add = [&](std::string name, const std::string& value) {
    if (!value.empty()) http.headers.emplace_back(std::move(name), value);
  };
  if (!request.body.empty()) add("Content-Type", request.content_type);
  add("Authorization", credential.authorization);
  const Impersonation& as = config_.impersonate;
  add("Impersonate-User", as.user);
  add("Impersonate-Uid", as.uid);
  for (const std::string& group : as.groups) add("Impersonate-Group", group);
  for (const auto& [key, values] : as.extra)
    for (const std::string& value : values) add("Impersonate-Extra-" + percent_encoded(key), value);
  return http;
}

void ApiClient::deliver(Id id, const Credential& credential) {
  Call& call = calls_.at(id);
  loop_.cancel(std::exchange(call.patience, 0));
  TlsIdentity tls = tls_;
  tls.client_certificate_pem = credential.client_certificate_pem;
  tls.client_key_pem = credential.client_key_pem;
  if (tls != tls_) http_->set_tls(tls_ = std::move(tls));
  HttpRequest request = http_request(call.request, credential);
  auto done = [this, id, credential](Result<HttpResponse> answer) {
    on_answer(id, credential, std::move(answer));
  };
  if (call.data) {
    call.stream = http_->stream(std::move(request), call.data, std::move(done));
  } else {
    http_->send(std::move(request), std::move(done));
  }
}

void ApiClient::on_answer(Id id, const Credential& credential, Result<HttpResponse> answer) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  if (answer && answer->status == 401) {
    credentials_->rejected(credential);
    if (!std::exchange(found->second.repeated, true)) return authorize(id);
  }
  finish(id, std::move(answer));
}

void ApiClient::finish(Id id, Result<HttpResponse> answer) {
  const HttpClient::Done done = std::move(calls_.at(id).done);
  drop(id);
  done(std::move(answer));
}

void ApiClient::drop(Id id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  loop_.cancel(found->second.patience);
  calls_.erase(found);
}

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<Duration> retry_after(const HttpResponse& response) {
  const std::string_view text = response.header("retry-after");
  std::int64_t seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || parsed.ec != std::errc() || seconds < 0) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(std::min<std::int64_t>(seconds, 3600)),
                            kMaxRetryAfter);
}

}  // namespace

ApiFailure parse_failure(const HttpResponse& response) {
  ApiFailure failure;
  failure.code = response.status;
  failure.retry_after = retry_after(response);
  const Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (text_of(json, "kind") != "Status") {  // of a proxy, or of the layers before the API
    failure.message = printable(response.body, kMaxMessageBytes);
    return failure;
  }
  failure.reason = text_of(json, "reason");
  failure.message = printable(text_of(json, "message"), kMaxMessageBytes);
  const auto details = json.find("details");
  if (details != json.end()) failure.kind = text_of(*details, "kind");
  return failure;
}

Result<std::unique_ptr<Client>> Client::create(Loop& loop, ClusterConfig config,
                                               std::string user_agent) {
  auto credentials = cluster_credentials(loop, config);
  if (!credentials) return tl::unexpected(credentials.error());
  TlsIdentity tls{.ca_pem = config.ca_pem,
                  .client_certificate_pem = config.client_certificate_pem,
                  .client_key_pem = config.client_key_pem,
                  .server_name = config.tls_server_name,
                  .insecure_skip_verify = config.insecure_skip_tls_verify};
  auto http = HttpClient::create(
      loop, {.tls = tls, .proxy_url = config.proxy_url, .user_agent = std::move(user_agent)});
  if (!http) return tl::unexpected(http.error());
  return std::make_unique<ApiClient>(loop, std::move(config), std::move(tls), std::move(*http),
                                     std::move(*credentials));
}

}  // namespace tenure::kube
