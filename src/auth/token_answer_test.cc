#include "auth/token_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const Asked kAsked{.server = "tokens.example", .remedy = "log in again", .secrets = {"s3cr3t"}};

Result<AccessToken> read(int status, const std::string& body) {
  return read_token_answer({.status = status, .headers = {}, .body = body}, kAsked);
}

TEST(TokenAnswer, ATokenAndHowLongItLasts) {
  const auto token = read(
      200,
      R"({"access_token": "ya29.abc", "expires_in": 3599, "token_type": "Bearer", "more": 1})");
  ASSERT_TRUE(token) << token.error().to_string();
  EXPECT_EQ(token->token, "ya29.abc");
  EXPECT_EQ(token->life, seconds(3599));
  EXPECT_TRUE(read(200, R"({"access_token": "a", "expires_in": 1, "token_type": "bearer"})"));
  EXPECT_TRUE(read(200, R"({"access_token": "a", "expires_in": 1})"));
}

TEST(TokenAnswer, AnAbsurdPromiseIsCutToWhatGoogleGivesAtMost) {
  EXPECT_EQ(read(200, R"({"access_token": "a", "expires_in": 9223372036854775807})")->life,
            hours(12));
}

TEST(TokenAnswer, GarbageIsToldWithoutQuotingIt) {
  const std::string long_token(20'000, 'a');
  const std::string wrong[] = {
      "",
      "s3cr3t",
      "<html>s3cr3t</html>",
      "[]",
      "null",
      "{}",
      R"({"access_token": "s3cr3t"})",
      R"({"expires_in": 3600})",
      R"({"access_token": "", "expires_in": 3600})",
      R"({"access_token": 7, "expires_in": 3600})",
      R"({"access_token": "s3cr3t", "expires_in": "3600"})",
      R"({"access_token": "s3cr3t", "expires_in": 0})",
      R"({"access_token": "s3cr3t", "expires_in": -1})",
      R"({"access_token": "s3cr3t", "expires_in": 3600, "token_type": "mac"})",
      R"({"access_token": "s3cr3t\r\nX: y", "expires_in": 3600})",
      R"({"access_token": "s3cr3t two", "expires_in": 3600})",
      R"({"access_token": "s3cr3tü", "expires_in": 3600})",
      R"({"expires_in": 3600, "access_token": ")" + long_token + R"("})"};
  for (const std::string& body : wrong) {
    const auto token = read(200, body);
    ASSERT_FALSE(token) << body;
    EXPECT_EQ(token.error().code, ErrorCode::corrupt) << body;
    EXPECT_THAT(token.error().message, HasSubstr("the answer of tokens.example"));
    EXPECT_THAT(token.error().to_string(), Not(HasSubstr("s3cr3t"))) << body;
  }
}

struct Refusal {
  int status;
  const char* body;
  ErrorCode code;
  const char* message;
};

TEST(TokenAnswer, ARefusalIsInTheServersWords) {
  const Refusal refusals[] = {
      {400, R"({"error": "invalid_grant", "error_description": "Bad Request"})",
       ErrorCode::permission_denied,
       "tokens.example answered with status 400: invalid_grant: Bad Request"},
      {403,
       R"({"error": {"code": 403, "message": "Denied on\nresource", "status": "PERMISSION_DENIED"}})",
       ErrorCode::permission_denied,
       "tokens.example answered with status 403: PERMISSION_DENIED: Denied on resource"},
      {401, "<html>", ErrorCode::permission_denied, "tokens.example answered with status 401"},
      {400, R"({"error": "x", "error_description": "you sent s3cr3t, s3cr3t!"})",
       ErrorCode::permission_denied,
       "tokens.example answered with status 400: x: you sent (secret), (secret)!"},
      {400, "{\"error\": \"\\u001b[31mred\"}", ErrorCode::permission_denied,
       "tokens.example answered with status 400: ?[31mred"},
      {404, "", ErrorCode::not_found, "tokens.example answered with status 404"},
      {429, R"({"error": "slow_down"})", ErrorCode::unavailable,
       "tokens.example answered with status 429: slow_down"},
      {503, "", ErrorCode::unavailable, "tokens.example answered with status 503"},
      {302, "", ErrorCode::corrupt, "tokens.example answered with status 302"}};
  for (const Refusal& refusal : refusals) {
    const auto token = read(refusal.status, refusal.body);
    ASSERT_FALSE(token);
    EXPECT_EQ(token.error().message, refusal.message);
    EXPECT_EQ(token.error().code, refusal.code) << refusal.message;
  }
  EXPECT_EQ(read(400, "").error().remedy, "log in again");
  EXPECT_EQ(read(503, "").error().remedy, "") << "logging in again would not help";
}

TEST(TokenAnswer, AServersSpeechIsCut) {
  const std::string words(100'000, 'x');
  EXPECT_LT(read(400, R"({"error": ")" + words + R"("})").error().message.size(), 400U);
}

TEST(TokenAnswer, ASecretThatIsPartOfItsReplacementIsNoTrouble) {
  const Asked asked{.server = "a", .secrets = {"secret", ""}};
  const HttpResponse answer{.status = 400, .headers = {}, .body = R"({"error": "secret"})"};
  EXPECT_EQ(refused(answer, asked).value().message, "a answered with status 400: (secret)");
}

TEST(TokenAnswer, AFormIsPercentEncodedAndLeavesEmptyValuesOut) {
  const HttpRequest request =
      form_request("https://a/b", {{"x", "1//+ &="}, {"y", ""}, {"z", "2"}});
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://a/b");
  EXPECT_EQ(request.body, "x=1%2F%2F%2B%20%26%3D&z=2");
  EXPECT_EQ(request.headers[0].second, "application/x-www-form-urlencoded");
}

}  // namespace
}  // namespace tenure
