#include "net/http_text.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(HttpTextTest, ATargetIsDecodedAndNormalised) {
  const std::pair<const char*, const char*> paths[] = {{"/", "/"},
                                                       {"/api/leader", "/api/leader"},
                                                       {"/api/leader/", "/api/leader/"},
                                                       {"//api///leader", "/api/leader"},
                                                       {"/a%20b%c3%a9", "/a b\xc3\xa9"},
                                                       {"/a+b", "/a+b"},
                                                       {"/..a/...", "/..a/..."},
                                                       {"http://host:4040/api", "/api"},
                                                       {"HTTP://host", "/"},
                                                       {"http://host?a=b", "/"},
                                                       {"*", "*"}};
  for (const auto& [target, path] : paths) {
    HttpServerRequest request;
    EXPECT_TRUE(parse_target(target, request)) << target;
    EXPECT_EQ(request.path, path) << target;
  }
}

TEST(HttpTextTest, ATargetThatAProxyMayReadOtherwiseIsRefused) {
  for (const char* target :
       {"",       "a",     "host:80",   "https://host/", "http://", "http:///a", "/%",
        "/%2",    "/%zz",  "/%00",      "/%0d%0a",       "/%7f",    "/a%2Fb",    "/a%2fb",
        "/a%5cb", "/a\\b", "/.",        "/..",           "/a/../b", "/a/./b",    "/%2e%2e/b",
        "/.%2e",  "/a#b",  "/\xc3\xa9", "/a?b=%0a",      "/a?%",    "**"}) {
    HttpServerRequest request;
    EXPECT_FALSE(parse_target(target, request)) << target;
  }
}

TEST(HttpTextTest, AQueryIsDecodedInItsOrder) {
  HttpServerRequest request;
  ASSERT_TRUE(parse_target("/p?wait=7&timeout=30s&x=a%26b+c&flag&empty=&&wait=8&e=a=b", request));
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"wait", "7"}, {"timeout", "30s"}, {"x", "a&b c"}, {"flag", ""},
      {"empty", ""}, {"wait", "8"},      {"e", "a=b"}};
  EXPECT_EQ(request.query, expected);
  EXPECT_EQ(request.parameter("wait"), "7");
  EXPECT_EQ(request.parameter("Wait"), "");
}

TEST(HttpTextTest, AHeaderIsFoundInAnyCase) {
  HttpServerRequest request;
  request.headers = {{"Accept", "text/html"}, {"accept", "text/plain"}};
  EXPECT_EQ(request.header("ACCEPT"), "text/html");
  EXPECT_EQ(request.header("Accept-Language"), "");
}

TEST(HttpTextTest, AnAnswerCannotSmuggleAHeader) {
  const auto with_header = [](const char* name, const char* value) {
    return HttpServerResponse{.body = "", .headers = {{name, value}}};
  };
  EXPECT_EQ(why_unsendable(with_header("X-Leader", "a b\tc \xc3\xa9")), "");
  for (const auto& [name, value] :
       std::vector<std::pair<const char*, const char*>>{{"X-Leader", "a\r\nSet-Cookie: b"},
                                                        {"X-Leader", "a\nb"},
                                                        {"X-Leader", "a\rb"},
                                                        {"X\r\nY", "a"},
                                                        {"X:", "a"},
                                                        {"X Y", "a"},
                                                        {"", "a"},
                                                        {"content-LENGTH", "0"},
                                                        {"Transfer-Encoding", "chunked"},
                                                        {"Connection", "close"}})
    EXPECT_NE(why_unsendable(with_header(name, value)), "") << name << ": " << value;
  EXPECT_NE(why_unsendable({.content_type = "text/html\r\nX: y", .body = "", .headers = {}}), "");
  for (const int status : {0, 100, 101, 199, 600, -1})
    EXPECT_NE(why_unsendable({.status = status, .body = "", .headers = {}}), "") << status;
}

TEST(HttpTextTest, AHeadSaysWhatFollows) {
  const HttpServerResponse response{
      .content_type = "application/json", .body = "{}\n", .headers = {{"Allow", "GET"}}};
  EXPECT_EQ(head_text(response, Framing::length, Persistence::close),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nAllow: GET\r\n"
            "Connection: close\r\n\r\n");
  const std::string nothing =
      head_text({.status = 204, .body = "", .headers = {}}, Framing::length, Persistence::implied);
  EXPECT_EQ(nothing.find("Content-"), nothing.find("Content-Type-Options")) << nothing;
  EXPECT_EQ(chunk_text("hello, hello, hello"), "13\r\nhello, hello, hello\r\n");
}

}  // namespace
}  // namespace tenure
