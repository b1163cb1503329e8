// Requests as clients send them, and what becomes of them when bytes are lost, repeated or changed.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/random.h"

namespace tenure {

inline constexpr std::array<std::string_view, 14> kHttpCorpus = {
    "GET /healthz HTTP/1.1\r\nHost: 10.0.0.7:4040\r\nUser-Agent: kube-probe/1.30\r\n"
    "Accept: */*\r\nConnection: close\r\n\r\n",
    "GET /api/leader HTTP/1.1\r\nHost: localhost:4040\r\nUser-Agent: curl/7.88.1\r\n"
    "Accept: */*\r\n\r\n",
    "GET /api/leader?wait=41&timeout=30s HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n"
    "Cache-Control: no-cache\r\n\r\n",
    "HEAD /metrics HTTP/1.1\r\nHost: [::1]:4040\r\nAccept-Encoding: gzip\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: a:4040\r\nAccept: "
    "application/openmetrics-text;version=1.0.0\r\n"
    "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "POST /api/resign HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    "Content-Length: 13\r\n\r\n{\"to\":\"me\"}\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nTrailer: yes\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
    "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo?second HTTP/1.1\r\nHost: a\r\n\r\n"
    "GET /echo?third HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://proxy.example/echo?%41=%20 HTTP/1.1\r\nHost: proxy.example\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
};

/// One of the corpus with one to four changes.
inline std::string mutated_request(Random& random) {
  constexpr std::string_view kNul("\0", 1);
  constexpr std::string_view kTokens[] = {"\r\n",        "\r",
                                          "\n",          "\r\n\r\n",
                                          " ",           "\t",
                                          ":",           "0",
                                          kNul,          "%",
                                          "HTTP/1.1",    "Content-Length: 7\r\n",
                                          "ffffffff",    "Transfer-Encoding: chunked\r\n",
                                          "Host: b\r\n", "\xff"};
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.below(n)); };
  std::string text(kHttpCorpus[below(kHttpCorpus.size())]);
  for (std::size_t changes = 1 + below(4); changes > 0; changes--) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = below(12);
    switch (below(6)) {
      case 0: text.insert(at, kTokens[below(std::size(kTokens))]); break;
      case 1: text.erase(at, length); break;
      case 2: text.insert(at, text.substr(at, length)); break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(random.next());
        break;
      case 4:
        text.replace(at, std::min(length, text.size() - at), kTokens[below(std::size(kTokens))]);
        break;
      case 5: text += kHttpCorpus[below(kHttpCorpus.size())].substr(below(20)); break;
    }
  }
  return text;
}

}  // namespace tenure
