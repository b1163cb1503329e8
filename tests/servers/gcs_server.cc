#include "gcs_server.h"

#include <curl/curl.h>

#include <utility>

#include "cluster.h"

namespace tenure::test {
namespace {

constexpr const char* kLog = "fake-gcs-server.log";

struct CurlDelete {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
};

struct Answer {
  long status = 0;  // 0: none came
  std::string body;
};

std::size_t take(char* data, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(data, size * count);
  return size * count;
}

Answer ask(const char* method, const std::string& url, std::string_view body = {}) {
  const std::unique_ptr<CURL, CurlDelete> curl(curl_easy_init());
  const std::unique_ptr<curl_slist, CurlDelete> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"));
  Answer answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 20'000L);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer.body);
  if (std::string_view(method) == "POST") {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.data());
  }
  if (curl_easy_perform(curl.get()) == CURLE_OK)
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

std::string escaped(const std::string& text) {
  const std::unique_ptr<char, CurlDelete> out(
      curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())));
  return out.get();
}

std::string object_url(const std::string& server, const std::string& object) {
  return server + "/storage/v1/b/" + GcsServer::kBucket + "/o/" + escaped(object);
}

std::string upload_url(const std::string& server, const std::string& object) {
  return server + "/upload/storage/v1/b/" + GcsServer::kBucket +
         "/o?uploadType=media&name=" + escaped(object);
}

tl::unexpected<Error> unexpected_answer(const std::string& what, const Answer& answer) {
  return failure(answer.status == 404 ? ErrorCode::not_found : ErrorCode::unavailable,
                 "fake-gcs-server answered with " + std::to_string(answer.status) + " to " + what,
                 "see " + std::string(kLog) + " in its folder");
}

}  // namespace

Result<std::unique_ptr<GcsServer>> GcsServer::start() {
  const auto programs = server_programs();
  if (!programs) return tl::unexpected(programs.error());
  auto port = PortReservation::make();
  if (!port) return tl::unexpected(port.error());
  auto servers = KeptServers::create();
  if (!servers) return tl::unexpected(servers.error());

  std::unique_ptr<GcsServer> server(new GcsServer);
  server->port_ = std::move(*port);
  server->servers_ = std::move(*servers);
  server->url_ = "http://127.0.0.1:" + server->port_.port();
  auto process = server->servers_->start(
      kLog, {*programs + "/fake-gcs-server", "--port=" + server->port_.port(),
             std::string("--bucket=") + kBucket});
  if (!process) return tl::unexpected(process.error());
  server->process_ = std::move(*process);
  const Status ready = wait_until_ready(server->process_, server->servers_->folder() + '/' + kLog,
                                        {{server->url_ + "/storage/v1/b/" + kBucket}})
                           .and_then([&] { return server->honours_conditions(); });
  if (!ready) return tl::unexpected(ready.error());
  return server;
}

/// An emulator that ignores them would let every test of exclusion pass.
Status GcsServer::honours_conditions() const {
  const std::string probe = "conditional-writes";
  const std::string url = upload_url(url_, probe) + "&ifGenerationMatch=0";
  for (const long wanted : {200L, 412L}) {
    const Answer answer = ask("POST", url, "{}");
    if (answer.status != wanted) return unexpected_answer("a conditional write", answer);
  }
  return remove(probe);
}

Status GcsServer::put(const std::string& object, std::string_view bytes,
                      const std::string& content_encoding) const {
  std::string url = upload_url(url_, object);
  if (!content_encoding.empty()) url += "&contentEncoding=" + content_encoding;
  const Answer answer = ask("POST", url, bytes);
  if (answer.status != 200) return unexpected_answer("a write", answer);
  return {};
}

Result<std::string> GcsServer::get(const std::string& object) const {
  Answer answer = ask("GET", object_url(url_, object) + "?alt=media");
  if (answer.status != 200) return unexpected_answer("a read", answer);
  return std::move(answer.body);
}

Status GcsServer::remove(const std::string& object) const {
  const Answer answer = ask("DELETE", object_url(url_, object));
  if (answer.status != 200 && answer.status != 204) return unexpected_answer("a deletion", answer);
  return {};
}

Result<std::string> GcsServer::describe(const std::string& object) const {
  Answer answer = ask("GET", object_url(url_, object));
  if (answer.status != 200) return unexpected_answer("a question", answer);
  return std::move(answer.body);
}

}  // namespace tenure::test
