#include "readiness.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "runtime/clock.h"

namespace tenure::test {
namespace {

constexpr Duration kPatience = std::chrono::seconds(60);
constexpr Duration kBetweenProbes = std::chrono::milliseconds(50);
constexpr std::size_t kLogTail = 4000;

std::size_t ignore_body(char* /*data*/, std::size_t size, std::size_t count, void* /*context*/) {
  return size * count;
}

bool answers_200(CURL* curl, const Request& request) {
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
  if (!request.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, request.ca_file.c_str());
  if (!request.token.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request.token.c_str());
  }
  long status = 0;
  if (curl_easy_perform(curl) != CURLE_OK) return false;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status == 200;
}

tl::unexpected<Error> not_ready(const std::string& what, const std::string& log_file) {
  std::ifstream log(log_file);
  const std::string text(std::istreambuf_iterator<char>(log), {});
  std::cerr << "the end of " << log_file << ":\n"
            << text.substr(text.size() - std::min(text.size(), kLogTail)) << '\n';
  return failure(ErrorCode::unavailable, what, "see the end of its log on standard error");
}

}  // namespace

Result<PortReservation> PortReservation::make() {
  PortReservation made;
  made.socket_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const int yes = 1;
  // Shared only after it was bound alone: nobody else's reservation is the same port.
  if (bind(made.socket_.get(), generic, size) != 0 ||
      getsockname(made.socket_.get(), generic, &size) != 0 ||
      setsockopt(made.socket_.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0)
    return failure(ErrorCode::unavailable, "no free port on 127.0.0.1",
                   "see who uses all of them (ss -tln)");
  made.port_ = ntohs(address.sin_port);
  return made;
}

Status wait_until_ready(const ServerProcess& server, const std::string& log_file,
                        const std::vector<Request>& requests) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  const Instant end = boot_now() + kPatience;
  for (auto request = requests.begin(); request != requests.end();) {
    if (answers_200(curl.get(), *request)) {
      ++request;
    } else if (server.ended_within(kBetweenProbes)) {
      return not_ready("a server ended before it answered " + request->url, log_file);
    } else if (boot_now() >= end) {
      return not_ready("waited a minute in vain for " + request->url, log_file);
    }
  }
  return {};
}

}  // namespace tenure::test
