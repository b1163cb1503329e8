#include "net/http_request_parser.h"

#include <gtest/gtest.h>

#include "net/testing/http_corpus.h"

namespace tenure {
namespace {

using Outcome = HttpRequestParser::Outcome;

constexpr std::size_t kHeaderBytes = 1024;
constexpr std::size_t kBodyBytes = 256;

// What became of a text of one or several requests, given in pieces of `step` bytes.
std::string read_all(std::string_view text, std::size_t step) {
  HttpRequestParser parser(kHeaderBytes, kBodyBytes);
  std::string in;
  std::string seen;
  while (!text.empty()) {
    in += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
    for (bool again = true; again;) {
      std::size_t used = 0;
      const Outcome outcome = parser.parse(in, used);
      EXPECT_LE(used, in.size());
      in.erase(0, used);
      again = outcome == Outcome::complete;
      if (outcome == Outcome::refused) return seen + std::to_string(parser.refusal().status) + '\n';
      if (outcome == Outcome::complete)
        seen += parser.request().method + ' ' + parser.request().path + " {" +
                parser.request().body + "}\n";
      if (outcome == Outcome::more) {
        EXPECT_LE(in.size(), kHeaderBytes) << "unbounded";
      }
    }
  }
  return seen;
}

void expect_read(const std::string& text, const std::string& expected) {
  for (const std::size_t step : {text.size(), std::size_t{1}, std::size_t{7}})
    EXPECT_EQ(read_all(text, step), expected) << "in pieces of " << step << ":\n" << text;
}

std::string head(const std::string& lines, const std::string& start = "POST /a HTTP/1.1") {
  return start + "\r\nHost: h\r\n" + lines + "\r\n";
}

TEST(HttpRequestParserTest, RequestsInAnyPieces) {
  expect_read(head("", "GET /a HTTP/1.1"), "GET /a {}\n");
  expect_read("GET /a HTTP/1.0\r\n\r\n", "GET /a {}\n");
  expect_read(head("Content-Length: 3\r\n") + "abc" + head("", "GET /b HTTP/1.1"),
              "POST /a {abc}\nGET /b {}\n");
  expect_read(head("Content-Length: 3\r\n") + "abc\r\n" + head("", "GET /b HTTP/1.1"),
              "POST /a {abc}\nGET /b {}\n");
  expect_read(head("Transfer-Encoding: Chunked\r\n") +
                  "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\n"
                  "Trailer: x\r\n\r\n" +
                  head("", "GET /b HTTP/1.1"),
              "POST /a {abc0123456789}\nGET /b {}\n");
}

TEST(HttpRequestParserTest, ATrailerIsNoHeader) {
  HttpRequestParser parser(kHeaderBytes, kBodyBytes);
  std::size_t used = 0;
  ASSERT_EQ(
      parser.parse(head("Transfer-Encoding: chunked\r\n") + "0\r\nX-Admin: yes\r\n\r\n", used),
      Outcome::complete);
  EXPECT_EQ(parser.request().header("X-Admin"), "");
}

TEST(HttpRequestParserTest, WhereTwoReadersCouldDisagreeTheRequestIsRefused) {
  for (const char* lines : {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                            "Content-Length: 3\r\nContent-Length: 3\r\n",
                            "Content-Length: 3\r\nContent-Length: 4\r\n",
                            "Content-Length: 3, 3\r\n",
                            "Content-Length: +3\r\n",
                            "Content-Length: -3\r\n",
                            "Content-Length: 0x3\r\n",
                            "Content-Length: 3 3\r\n",
                            "Content-Length:\r\n",
                            "Content-Length: 99999999999999999999\r\n",
                            "Transfer-Encoding: gzip\r\n",
                            "Transfer-Encoding: chunked, gzip\r\n",
                            "Transfer-Encoding: gzip, chunked\r\n",
                            "Transfer-Encoding: identity\r\n",
                            "Transfer-Encoding: xchunked\r\n",
                            "Transfer-Encoding:\vchunked\r\n",
                            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
                            "Transfer-Encoding : chunked\r\n",
                            " Transfer-Encoding: chunked\r\n",
                            "X: a\r\n Transfer-Encoding: chunked\r\n",
                            "X: a\r\n\tb\r\n",
                            "X: a\nContent-Length: 3\r\n",
                            "X: a\rContent-Length: 3\r\n",
                            "Host: other\r\n",
                            "X: a\x01z\r\n",
                            "no colon\r\n",
                            ": no name\r\n",
                            "X Y: space\r\n"})
    expect_read(head(lines) + "0\r\n\r\n", "400\n");
  expect_read("GET /a HTTP/1.1\r\n\r\n", "400\n");
  expect_read("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400\n");
}

TEST(HttpRequestParserTest, BrokenChunksAreRefused) {
  for (const char* body :
       {"3\r\nabcd\r\n0\r\n\r\n", "x\r\n", "-1\r\n", "0x3\r\nabc\r\n", "\r\n", "3\nabc\r\n",
        "10000000000000000\r\n", "3\r\nabcXX0\r\n\r\n", "3\rabc\r\n", "3 \n\r\n",
        "0\r\nbad trailer\r\n\r\n", "0\r\n Folded: trailer\r\n\r\n", "3;a\x01\r\n", "3 x\r\n"})
    expect_read(head("Transfer-Encoding: chunked\r\n") + body, "400\n");
}

TEST(HttpRequestParserTest, BrokenRequestLinesAreRefused) {
  for (const char* start :
       {"GET  /a HTTP/1.1", "GET /a", "GET /a b HTTP/1.1", "GET /a HTTP/1.1 ", "G@T\t/a HTTP/1.1",
        "GET a HTTP/1.1", "CONNECT host:80 HTTP/1.1", "GET /a FTP/1.1", "GET /a HTTP/x.1",
        "\x16\x03\x01", "get", " GET /a HTTP/1.1"})
    expect_read(head("", start), "400\n");
  for (const char* start : {"GET /a HTTP/2.0", "GET /a HTTP/1.2", "GET /a HTTP/0.9"})
    expect_read(head("", start), "505\n");
  expect_read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505\n");
}

TEST(HttpRequestParserTest, EachSizeHasALimit) {
  const std::string long_text(kHeaderBytes, 'a');
  expect_read(head("", "GET /" + long_text + " HTTP/1.1"), "414\n");
  expect_read(head("X: " + long_text + "\r\n"), "431\n");
  expect_read("GET /" + long_text, "414\n");
  std::string many;
  for (int i = 0; i < 101; i++) many += "a:b\r\n";
  expect_read(head(many), "431\n");
  expect_read(head("Content-Length: 257\r\n"), "413\n");
  expect_read(head("Content-Length: 256\r\n") + std::string(256, 'b'),
              "POST /a {" + std::string(256, 'b') + "}\n");
  std::string chunks;
  for (int i = 0; i < 257; i++) chunks += "1\r\nb\r\n";
  expect_read(head("Transfer-Encoding: chunked\r\n") + chunks, "413\n");
  expect_read(
      head("Transfer-Encoding: chunked\r\n") + "100\r\n" + std::string(256, 'b') + "\r\n1\r\n",
      "413\n");
  const std::string extension = ";x=" + std::string(100, 'y');
  std::string padded;
  for (int i = 0; i < 30; i++) padded += "1" + extension + "\r\nb\r\n";
  expect_read(head("Transfer-Encoding: chunked\r\n") + padded, "413\n");
  EXPECT_EQ(read_all(head("Transfer-Encoding: chunked\r\n") + "1;" + long_text + long_text, 100),
            "400\n");
}

TEST(HttpRequestParserTest, AContinueIsAskedForOnce) {
  HttpRequestParser parser(kHeaderBytes, kBodyBytes);
  std::size_t used = 0;
  const std::string text = head("Expect: 100-Continue\r\nContent-Length: 3\r\n");
  EXPECT_EQ(parser.parse(text, used), Outcome::go_ahead);
  EXPECT_EQ(used, text.size());
  EXPECT_TRUE(parser.inside_request());
  EXPECT_EQ(parser.parse("ab", used), Outcome::more);
  EXPECT_EQ(parser.parse("c", used), Outcome::complete);
  EXPECT_EQ(parser.request().body, "abc");
}

TEST(HttpRequestParserTest, KeepAliveIsOfTheVersionAndTheConnectionHeader) {
  const std::pair<const char*, bool> requests[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}};
  for (const auto& [text, kept] : requests) {
    HttpRequestParser parser(kHeaderBytes, kBodyBytes);
    std::size_t used = 0;
    ASSERT_EQ(parser.parse(text, used), Outcome::complete) << text;
    EXPECT_EQ(parser.keep_alive(), kept) << text;
  }
}

// In which pieces the bytes come must not matter, however wrong they are.
TEST(HttpRequestParserTest, MutatedRequestsMeanTheSameInAnyPieces) {
  SplitMix random(20240611);
  for (int i = 0; i < 10'000; i++) {
    const std::string text = mutated_request(random);
    const std::string whole = read_all(text, text.size());
    const std::string bytewise = read_all(text, 1);
    EXPECT_EQ(whole, bytewise) << "request " << i << ":\n" << text;
  }
}

}  // namespace
}  // namespace tenure
