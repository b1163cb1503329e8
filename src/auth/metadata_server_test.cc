#include "auth/metadata_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(MetadataServer, IsAskedAsGoogleWantsIt) {
  const auto exchange = metadata_exchange(kMetadataHost, "https://scope.example/a");
  const auto step = exchange.value()->begin({});
  const auto& request = std::get<HttpRequest>(step.value());
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url,
            "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/"
            "token?scopes=https%3A%2F%2Fscope.example%2Fa");
  EXPECT_THAT(request.headers, ElementsAre(Pair("Metadata-Flavor", "Google")));
}

TEST(MetadataServer, ItsAnswerIsKnownByItsHeader) {
  const auto exchange = metadata_exchange("127.0.0.1:1", "s");
  HttpResponse answer{.status = 200,
                      .headers = {},
                      .body = R"({"access_token": "a", "expires_in": 60, "token_type": "Bearer"})"};
  const auto stranger = exchange.value()->answered(answer, {});
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().code, ErrorCode::corrupt);
  EXPECT_THAT(stranger.error().message,
              HasSubstr("the metadata server 127.0.0.1:1 lacks the header Metadata-Flavor"));
  answer.headers = {{"metadata-flavor", "Google"}};
  const auto step = exchange.value()->answered(answer, {});
  ASSERT_TRUE(step) << step.error().to_string();
  EXPECT_EQ(std::get<AccessToken>(*step).token, "a");
  EXPECT_EQ(std::get<AccessToken>(*step).life, seconds(60));
}

TEST(MetadataServer, ARefusalSaysWhatIsMissing) {
  const auto exchange = metadata_exchange("a", "s");
  const auto step = exchange.value()->answered(
      {.status = 404, .headers = {{"metadata-flavor", "Google"}}, .body = "no account"}, {});
  EXPECT_THAT(step.error().to_string(),
              HasSubstr("the metadata server a answered with status 404; give the machine"));
}

TEST(MetadataServer, ItsNameIsAHost) {
  for (const char* host : {"http://a", "a/b", "a b", "a\r\nX: y", "me@a"}) {
    const auto exchange = metadata_exchange(host, "s");
    ASSERT_FALSE(exchange) << host;
    EXPECT_EQ(exchange.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(exchange.error().remedy, HasSubstr("GCE_METADATA_HOST"));
  }
}

}  // namespace
}  // namespace tenure
