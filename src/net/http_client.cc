#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <map>

#include "net/http_text.h"
#include "net/request_limit.h"

namespace tenure {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
/// With some for streams.
constexpr long kKeptConnections = 2 * RequestLimit::kMost;
/// Of each request that is under way; curl's own are 16 and 64 kB. Most answers fit, and a smaller
/// one for sending is not to be had.
constexpr long kReceiveBuffer = 4 * 1024;
constexpr long kSendBuffer = 16 * 1024;
/// What is kept of requests that have ended, for later ones.
constexpr std::size_t kMaxIdle = 8;
/// A silent peer of a stream is noticed by the kernel after idle + 3 intervals.
constexpr long kKeepAliveSeconds = 15;

struct CurlDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, CurlDelete>;
using List = std::unique_ptr<curl_slist, CurlDelete>;
using Url = std::unique_ptr<CURLU, CurlDelete>;

void append(List& list, const std::string& line) {
  // On failure the list stays what it was; a request without a header fails at the server.
  if (curl_slist* longer = curl_slist_append(list.get(), line.c_str())) {
    static_cast<void>(list.release());
    list.reset(longer);
  }
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

/// What errors may show of a URL.
struct Authority {
  std::string scheme;
  std::string host;
  std::string port;
  [[nodiscard]] std::string text() const { return fmt::format("{}://{}:{}", scheme, host, port); }
};

std::string url_part(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

/// Reads `text` into `url`.
Result<Authority> authority_of(const Url& url, const std::string& text) {
  const bool parsed = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK;
  Authority found{url_part(url, CURLUPART_SCHEME), url_part(url, CURLUPART_HOST),
                  url_part(url, CURLUPART_PORT)};
  if (!parsed || (found.scheme != "http" && found.scheme != "https") || found.host.empty())
    return failure(ErrorCode::invalid_argument, "the server's address is not an http or https URL",
                   "write it as https://host:port");
  return found;
}

/// What a request needs of curl, for one request after the other: to make it and to read a URL
/// costs a tenth of a request.
struct Handle {
  Easy easy{curl_easy_init()};
  std::uint64_t identity = 0;  // the TLS identity in its options
  std::string url_text;
  Url url{curl_url()};  // of url_text; curl reads it during the transfer
  Authority authority;
  List connect_to;
  std::array<char, CURL_ERROR_SIZE> error_text{};
};

/// One request and what has come back so far. Lives as long as curl may call back for it.
struct Transfer {
  std::uint64_t id = 0;
  HttpRequest request;
  HttpClient::Done done;
  HttpClient::Data data;  // a stream's
  std::unique_ptr<Handle> handle;
  bool ended_well = false;
  List header_list;
  Loop::TimerId deadline = 0;
  HttpResponse response;
  std::size_t header_bytes = 0;
  std::string unread;  // a stream's, until it is handed over
  bool too_large = false;

  [[nodiscard]] bool is_streaming() const { return data && response.status == 200; }

  bool take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMaxHeaderBytes) return too_large = true, false;
    line = line.substr(0, line.find_last_not_of("\r\n") + 1);
    if (line.starts_with("HTTP/")) {  // of an interim answer, of a proxy, of the answer
      response = {};
      const auto space = line.find(' ');
      if (space != std::string_view::npos)
        std::from_chars(line.data() + space + 1, line.data() + line.size(), response.status);
      return true;
    }
    const auto colon = line.find(':');
    if (colon != std::string_view::npos)
      response.headers.emplace_back(lower_case(trimmed(line.substr(0, colon))),
                                    trimmed(line.substr(colon + 1)));
    return true;
  }

  bool take_body(std::string_view bytes) {
    std::string& target = is_streaming() ? unread : response.body;
    if (!is_streaming() && target.size() + bytes.size() > request.max_response_bytes)
      return too_large = true, false;
    target.append(bytes);
    return true;
  }
};

std::size_t on_header(char* bytes, std::size_t one, std::size_t size, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_header({bytes, one * size}) ? one * size : 0;
}

std::size_t on_body(char* bytes, std::size_t one, std::size_t size, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_body({bytes, one * size}) ? one * size : 0;
}

void set_blob(CURL* easy, CURLoption option, std::string pem) {
  if (pem.empty()) return;
  curl_blob blob{pem.data(), pem.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

void set_tls_options(CURL* easy, const TlsIdentity& tls) {
  set_blob(easy, CURLOPT_CAINFO_BLOB, tls.ca_pem);  // instead of the system's, not beside them
  // The system's are in its file, too. Without a folder curl reads that once and shares it; with
  // one, each connection has a megabyte of its own.
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  if (tls.insecure_skip_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  set_blob(easy, CURLOPT_SSLCERT_BLOB, tls.client_certificate_pem);
  set_blob(easy, CURLOPT_SSLKEY_BLOB, tls.client_key_pem);
}

/// curl verifies the name in the URL and sends it as SNI. So another name goes into the URL, and
/// the connection to where the URL pointed.
void set_server_name(Handle& handle, const std::string& name) {
  const Authority& real = handle.authority;
  append(handle.connect_to, fmt::format("{}:{}:{}:{}", name, real.port, real.host, real.port));
  curl_url_set(handle.url.get(), CURLUPART_HOST, name.c_str(), 0);
  curl_easy_setopt(handle.easy.get(), CURLOPT_CONNECT_TO, handle.connect_to.get());
}

[[nodiscard]] bool has_server_name(const Handle& handle, const TlsIdentity& tls) {
  return !tls.server_name.empty() && handle.authority.scheme == "https";
}

/// To another URL, if it is one.
Status aim(Handle& handle, const std::string& url, const TlsIdentity& tls) {
  if (!url.empty() && handle.url_text == url) return {};
  handle.url_text.clear();
  handle.url.reset(curl_url());  // in one that has a URL, a relative one would count
  auto authority = authority_of(handle.url, url);
  if (!authority) return tl::unexpected(authority.error());
  handle.authority = *std::move(authority);
  curl_easy_setopt(handle.easy.get(), CURLOPT_CONNECT_TO, nullptr);
  handle.connect_to.reset();
  if (has_server_name(handle, tls)) set_server_name(handle, tls.server_name);
  curl_easy_setopt(handle.easy.get(), CURLOPT_CURLU, handle.url.get());
  handle.url_text = url;
  return {};
}

/// The same for every request of a client.
void set_common_options(Handle& handle, const HttpClientOptions& options) {
  CURL* easy = handle.easy.get();
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options.user_agent.c_str());
  if (!options.proxy_url.empty()) curl_easy_setopt(easy, CURLOPT_PROXY, options.proxy_url.c_str());
  curl_easy_setopt(easy, CURLOPT_SOCKS5_AUTH, static_cast<long>(CURLAUTH_BASIC));  // not GSS-API
  set_tls_options(easy, options.tls);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBuffer);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kSendBuffer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handle.error_text.data());
}

void set_method(CURL* easy, const HttpRequest& request) {
  const std::string& method = request.method;
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);  // undoes what an earlier request has set
  if (!request.body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method == "GET" ? nullptr : method.c_str());
}

void set_headers(Transfer& transfer, const TlsIdentity& tls) {
  const Authority& real = transfer.handle->authority;
  if (has_server_name(*transfer.handle, tls))
    append(transfer.header_list, fmt::format("Host: {}:{}", real.host, real.port));
  append(transfer.header_list, "Expect:");  // no waiting for "100 Continue"
  for (const auto& [name, value] : transfer.request.headers)
    append(transfer.header_list, fmt::format("{}: {}", name, value));
  curl_easy_setopt(transfer.handle->easy.get(), CURLOPT_HTTPHEADER, transfer.header_list.get());
}

void set_request_options(Transfer& transfer, const TlsIdentity& tls) {
  CURL* easy = transfer.handle->easy.get();
  set_method(easy, transfer.request);
  set_headers(transfer, tls);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  transfer.handle->error_text[0] = '\0';
}

tl::unexpected<Error> failed(const Transfer& transfer, CURLcode code) {
  const std::string where = transfer.handle->authority.text();
  if (transfer.too_large)
    return failure(ErrorCode::corrupt, "the answer of " + where + " is too large",
                   "check that this address is the right server");
  const auto& text = transfer.handle->error_text;
  const std::string why = text[0] != '\0' ? text.data() : curl_easy_strerror(code);
  if (code == CURLE_SSL_CERTPROBLEM)
    return failure(ErrorCode::invalid_argument,
                   fmt::format("the client certificate for {} cannot be used: {}", where, why),
                   "check that certificate and key are PEM and belong together");
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    return failure(ErrorCode::unavailable, fmt::format("{} is not trusted: {}", where, why),
                   "check the certificate authority and the server's name");
  return failure(ErrorCode::unavailable, fmt::format("cannot reach {}: {}", where, why));
}

class Client final : public HttpClient {
 public:
  Client(Loop& loop, HttpClientOptions options, CURLM* multi)
      : loop_(loop), options_(std::move(options)), multi_(multi), alive_(std::make_shared<char>()) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    // Otherwise four for each request that is running: those of a burst would be closed after it,
    // and the next one would begin with handshakes.
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kKeptConnections);
  }
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(HttpRequest request, Done done) override {
    start(std::move(request), {}, std::move(done));
  }
  std::unique_ptr<Stream> stream(HttpRequest request, Data data, Done done) override;
  void set_tls(TlsIdentity tls) override {
    options_.tls = std::move(tls);
    ++identity_;
    idle_.clear();
  }

 private:
  class OpenStream;
  using Transfers = std::map<std::uint64_t, std::unique_ptr<Transfer>>;

  static int on_socket(CURL*, curl_socket_t fd, int what, void* client, void*);
  static int on_timer(CURLM*, long milliseconds, void* client);

  std::uint64_t start(HttpRequest request, Data data, Done done);
  void begin(Transfer& transfer);
  void begin_waiting();
  std::unique_ptr<Handle> take_handle();
  void act(curl_socket_t fd, int events);
  void hand_over();
  void finish(std::uint64_t id, Result<HttpResponse> result);
  void give_up(std::uint64_t id);
  void drop(std::uint64_t id);

  Loop& loop_;
  HttpClientOptions options_;
  CURLM* const multi_;
  std::uint64_t identity_ = 0;  // which of those that set_tls() has set
  std::vector<std::unique_ptr<Handle>> idle_;
  Transfers transfers_;
  std::uint64_t last_id_ = 0;
  std::size_t requests_ = 0;  // that curl has, without the streams
  RequestLimit limit_;        // of these
  std::vector<std::uint64_t> waiting_;
  Loop::TimerId timer_ = 0;
  const std::shared_ptr<char> alive_;
};

class Client::OpenStream final : public Stream {
 public:
  OpenStream(Client& client, std::uint64_t id) : client_(client), alive_(client.alive_), id_(id) {}
  ~OpenStream() override {
    if (!alive_.expired()) client_.drop(id_);
  }
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

 private:
  Client& client_;
  const std::weak_ptr<char> alive_;
  const std::uint64_t id_;
};

Client::~Client() {
  waiting_.clear();
  while (!transfers_.empty()) drop(transfers_.begin()->first);
  curl_multi_cleanup(multi_);  // calls on_socket for what is still open
  loop_.cancel(timer_);
}

std::unique_ptr<HttpClient::Stream> Client::stream(HttpRequest request, Data data, Done done) {
  return std::make_unique<OpenStream>(*this,
                                      start(std::move(request), std::move(data), std::move(done)));
}

std::uint64_t Client::start(HttpRequest request, Data data, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->id = ++last_id_;
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  transfer->data = std::move(data);
  Transfer& started = *transfer;
  transfers_.emplace(started.id, std::move(transfer));
  started.deadline = loop_.at(started.request.deadline, [this, id = started.id] { give_up(id); });
  if (started.data) {
    begin(started);
  } else {
    waiting_.push_back(started.id);
    begin_waiting();
  }
  return started.id;
}

void Client::begin(Transfer& transfer) {
  if (!transfer.data) ++requests_;
  transfer.handle = take_handle();
  const Status aimed = aim(*transfer.handle, transfer.request.url, options_.tls);
  if (aimed) {
    set_request_options(transfer, options_.tls);
    curl_multi_add_handle(multi_, transfer.handle->easy.get());
  } else {
    loop_.cancel(transfer.deadline);
    transfer.deadline = loop_.at(loop_.now().mono, [this, id = transfer.id, error = aimed.error()] {
      finish(id, tl::unexpected(error));
    });
  }
}

/// The newest first: of a server that is too slow for all of them the oldest are about to be given
/// up, and to give up one that runs costs its connection, so that soon none would come in time.
void Client::begin_waiting() {
  while (!waiting_.empty() && requests_ < limit_.at(loop_.now().mono)) {
    Transfer& next = *transfers_.at(waiting_.back());
    waiting_.pop_back();
    begin(next);
  }
}

std::unique_ptr<Handle> Client::take_handle() {
  if (!idle_.empty()) {
    auto handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
  }
  auto handle = std::make_unique<Handle>();
  handle->identity = identity_;
  set_common_options(*handle, options_);
  return handle;
}

int Client::on_socket(CURL*, curl_socket_t fd, int what, void* client, void*) {
  auto& self = *static_cast<Client*>(client);
  if (what == CURL_POLL_REMOVE) return self.loop_.unwatch(fd), 0;
  const Readiness wanted{.readable = (what & CURL_POLL_IN) != 0,
                         .writable = (what & CURL_POLL_OUT) != 0};
  const Status watched = self.loop_.watch(fd, wanted, [&self, fd](Readiness ready) {
    self.act(fd, (ready.readable ? CURL_CSELECT_IN : 0) | (ready.writable ? CURL_CSELECT_OUT : 0));
  });
  return watched ? 0 : -1;  // curl then fails the transfer
}

int Client::on_timer(CURLM*, long milliseconds, void* client) {
  auto& self = *static_cast<Client*>(client);
  self.loop_.cancel(std::exchange(self.timer_, 0));
  if (milliseconds < 0) return 0;
  self.timer_ = self.loop_.at(self.loop_.now().mono + std::chrono::milliseconds(milliseconds),
                              [&self] { self.act(CURL_SOCKET_TIMEOUT, 0); });
  return 0;
}

void Client::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  hand_over();
}

/// Outside of curl's own callbacks, in which a user may not start or end anything.
void Client::hand_over() {
  const std::weak_ptr<char> alive = alive_;
  std::vector<std::pair<std::uint64_t, CURLcode>> ended;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    char* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    ended.emplace_back(reinterpret_cast<Transfer*>(transfer)->id,  // NOLINT: curl's own type
                       message->data.result);
  }
  std::vector<std::uint64_t> fed;
  for (const auto& [id, transfer] : transfers_)
    if (!transfer->unread.empty()) fed.push_back(id);
  for (const std::uint64_t id : fed) {
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) continue;
    const std::string bytes = std::exchange(found->second->unread, {});
    const Data data = found->second->data;  // the stream may end itself
    data(bytes);
    if (alive.expired()) return;
  }
  for (const auto& [id, code] : ended) {
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) continue;
    Transfer& transfer = *found->second;
    transfer.ended_well = code == CURLE_OK;
    finish(id, code == CURLE_OK ? Result<HttpResponse>(std::move(transfer.response))
                                : Result<HttpResponse>(failed(transfer, code)));
    if (alive.expired()) return;
  }
}

void Client::give_up(std::uint64_t id) {
  const Transfer& transfer = *transfers_.at(id);
  if (!transfer.handle) limit_.starved(loop_.now().mono);
  const auto where = transfer.handle ? Result<Authority>(transfer.handle->authority)
                                     : authority_of(Url(curl_url()), transfer.request.url);
  finish(id, where ? failure(ErrorCode::unavailable,
                             fmt::format("{} did not answer in time", where->text()))
                   : tl::unexpected(where.error()));
}

void Client::finish(std::uint64_t id, Result<HttpResponse> result) {
  const Done done = std::move(transfers_.at(id)->done);
  drop(id);
  done(std::move(result));
}

void Client::drop(std::uint64_t id) {
  const auto found = transfers_.find(id);
  if (found == transfers_.end()) return;
  Transfer& transfer = *found->second;
  loop_.cancel(transfer.deadline);
  if (auto handle = std::move(transfer.handle)) {
    if (!transfer.data) --requests_;
    curl_multi_remove_handle(multi_, handle->easy.get());
    // It still points to headers and body, which nobody reads before the next request sets its own.
    if (transfer.ended_well && handle->identity == identity_ && idle_.size() < kMaxIdle)
      idle_.push_back(std::move(handle));
  } else {
    std::erase(waiting_, id);
  }
  transfers_.erase(found);
  begin_waiting();
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [&](const auto& header) { return header.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<WallTime> http_date(std::string_view text) {
  std::tm date{};
  const std::string copy(text);
  const char* end = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return WallTime::from_ns(0) + std::chrono::seconds(timegm(&date));
}

std::string percent_encoded(std::string_view text, std::string_view also_kept) {
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    if (kUnreserved.find(c) != kUnreserved.npos || also_kept.find(c) != also_kept.npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

Result<std::unique_ptr<HttpClient>> HttpClient::create(Loop& loop, HttpClientOptions options) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM* multi = started == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) return failure(ErrorCode::internal, "cannot start the HTTP client");
  return std::make_unique<Client>(loop, std::move(options), multi);
}

}  // namespace tenure
