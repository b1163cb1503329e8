// What each kind of credentials sends and what it makes of the answers, without a network.
#include "auth/google_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "auth/testing/google_samples.h"
#include "auth/testing/temp_files.h"
#include "base/base64.h"
#include "base/duration.h"

namespace tenure {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr const char* kScope = "https://www.googleapis.com/auth/devstorage.read_write";
constexpr const char* kServer = "https://tokens.example";
constexpr const char* kCloudPlatform =
    "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform";
const WallTime kNow = parse_rfc3339("2026-01-02T03:04:05Z").value();

std::string decoded(std::string text) {
  text = replaced(replaced(std::move(text), "-", "+"), "_", "/");
  text.append((4 - text.size() % 4) % 4, '=');
  return base64_decoded(text).value_or("no base64");
}

HttpResponse ok(const std::string& body) {
  return {.status = 200, .headers = {}, .body = body};
}
HttpResponse token_answer(const std::string& token) {
  return ok(R"({"access_token": ")" + token + R"(", "expires_in": 600})");
}

class GoogleFileTest : public testing::Test {
 protected:
  void open(const std::string& text) {
    auto file = parse_google_file(text, kScope);
    ASSERT_TRUE(file) << file.error().to_string();
    file_ = std::move(*file);
  }
  HttpRequest begin() { return request_of(file_.exchange->begin(kNow)); }
  HttpRequest next(const HttpResponse& answer) {
    return request_of(file_.exchange->answered(answer, kNow));
  }
  AccessToken last(const HttpResponse& answer) {
    const auto step = file_.exchange->answered(answer, kNow);
    if (step && std::holds_alternative<AccessToken>(*step)) return std::get<AccessToken>(*step);
    return {.token = step ? "another request" : step.error().to_string(), .life = {}};
  }
  static HttpRequest request_of(const Result<TokenStep>& step) {
    if (step && std::holds_alternative<HttpRequest>(*step)) return std::get<HttpRequest>(*step);
    ADD_FAILURE() << (step ? "a token already" : step.error().to_string());
    return {};
  }

  const TempFiles files_;
  GoogleFile file_;
};

TEST_F(GoogleFileTest, AServiceAccountSignsWhoItIs) {
  open(service_account_file(kServer));
  EXPECT_TRUE(file_.is_secret);
  const HttpRequest request = begin();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://tokens.example/token");
  const std::string prefix =
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
  ASSERT_THAT(request.body, testing::StartsWith(prefix));
  const std::string jwt = request.body.substr(prefix.size());
  const std::size_t dot = jwt.find('.');
  EXPECT_EQ(decoded(jwt.substr(0, dot)), R"({"alg":"RS256","typ":"JWT","kid":"key-1"})");
  EXPECT_EQ(decoded(jwt.substr(dot + 1, jwt.rfind('.') - dot - 1)),
            R"({"iss":"robot@p.iam.gserviceaccount.com",)"
            R"("scope":"https://www.googleapis.com/auth/devstorage.read_write",)"
            R"("aud":"https://tokens.example/token","iat":1767323035,"exp":1767326635})");
  EXPECT_EQ(decoded(jwt.substr(jwt.rfind('.') + 1)).size(), 256U);
  const AccessToken token = last(token_answer("ya29.a"));
  EXPECT_EQ(token.token, "ya29.a");
  EXPECT_EQ(token.life, minutes(10));
}

TEST_F(GoogleFileTest, AServiceAccountWithoutATokenUriAsksGoogle) {
  open(replaced(service_account_file("x"), R"("token_uri": "x/token",)", ""));
  EXPECT_EQ(begin().url, "https://oauth2.googleapis.com/token");
}

TEST_F(GoogleFileTest, APersonsLogin) {
  open(authorized_user_file(kServer));
  EXPECT_TRUE(file_.is_secret);
  const HttpRequest request = begin();
  EXPECT_EQ(request.url, "https://tokens.example/token");
  EXPECT_EQ(request.body,
            "grant_type=refresh_token&client_id=me.apps.example.com&client_secret=s3cr3t%2F1&"
            "refresh_token=1%2F%2Fr3fr3sh%2Btoken");
  EXPECT_EQ(last(token_answer("ya29.b")).token, "ya29.b");
  const HttpResponse revoked{
      .status = 400,
      .headers = {},
      .body = R"({"error": "invalid_grant", "error_description": "1//r3fr3sh+token is revoked"})"};
  EXPECT_EQ(last(revoked).token,
            "tokens.example answered with status 400: invalid_grant: (secret) is revoked; log in "
            "again: gcloud auth application-default login");
  open(replaced(authorized_user_file("x"), R"(, "token_uri": "x/token")", ""));
  EXPECT_EQ(begin().url, "https://oauth2.googleapis.com/token");
}

TEST_F(GoogleFileTest, AFederatedTokenFromAFileThatIsRotated) {
  const std::string path = files_.write("token", "\n one.two.three \n");
  open(external_account_file(kServer, R"({"file": ")" + path + R"("})"));
  EXPECT_FALSE(file_.is_secret) << "it only says where the token is";
  const HttpRequest request = begin();
  EXPECT_EQ(request.url, "https://tokens.example/v1/token");
  EXPECT_EQ(request.body,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&"
            "audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2F"
            "workloadIdentityPools%2Fa%2Fproviders%2Fb&"
            "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_write&"
            "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&"
            "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&"
            "subject_token=one.two.three");
  EXPECT_EQ(last(token_answer("ya29.c")).token, "ya29.c");
  files_.write("token", "four");
  EXPECT_THAT(begin().body, HasSubstr("&subject_token=four"));
}

TEST_F(GoogleFileTest, AFederatedTokenInsideJson) {
  const std::string path = files_.write("token", R"({"a/b": "five", "x": 1})");
  open(external_account_file(
      kServer, R"({"file": ")" + path +
                   R"(", "format": {"type": "json", "subject_token_field_name": "a/b"}})"));
  EXPECT_THAT(begin().body, HasSubstr("&subject_token=five"));
  for (const char* text : {"", "five", "{}", R"({"a/b": 5})", R"({"a/b": ""})", R"(["five"])"}) {
    files_.write("token", text);
    const auto step = file_.exchange->begin(kNow);
    ASSERT_FALSE(step) << text;
    EXPECT_THAT(step.error().message, AllOf(HasSubstr(path), HasSubstr("holds no token")));
  }
}

TEST_F(GoogleFileTest, AFederatedTokenFromAUrl) {
  open(external_account_file(
      kServer, R"({"url": "http://169.254.169.254/identity?a=b", "headers": {"Metadata": "True",
          "X-Key": "k3y"}, "format": {"type": "json", "subject_token_field_name": "access_token"}})"));
  const HttpRequest request = begin();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, "http://169.254.169.254/identity?a=b");
  EXPECT_THAT(request.headers, Contains(Pair("Metadata", "True")));
  const HttpRequest exchange = next(ok(R"({"access_token": "six"})"));
  EXPECT_EQ(exchange.url, "https://tokens.example/v1/token");
  EXPECT_THAT(exchange.body, HasSubstr("&subject_token=six"));
  EXPECT_EQ(last(token_answer("ya29.d")).token, "ya29.d");
  begin();
  EXPECT_THAT(last({.status = 403, .headers = {}, .body = R"({"error": "no k3y"})"}).token,
              HasSubstr("169.254.169.254 answered with status 403: no (secret)"));
  EXPECT_THAT(last(ok("six")).token, HasSubstr("169.254.169.254 holds no token"));
}

TEST_F(GoogleFileTest, AFederatedClientShowsItsSecretInAHeader) {
  open(external_account_file(kServer, R"({"file": ")" + files_.write("token", "t") + R"("})",
                             R"(, "client_id": "Aladdin", "client_secret": "open sesame")"));
  EXPECT_TRUE(file_.is_secret);
  EXPECT_THAT(begin().headers,
              Contains(Pair("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")));
}

TEST_F(GoogleFileTest, AFederatedIdentityActsAsAServiceAccount) {
  const std::string source = R"({"file": ")" + files_.write("token", "t") + R"("})";
  open(external_account_file(
      kServer, source,
      impersonation_of_robot(kServer) +
          R"(, "service_account_impersonation": {"token_lifetime_seconds": 1200})"));
  EXPECT_THAT(begin().body, HasSubstr(kCloudPlatform)) << "to be allowed to act as somebody";
  const HttpRequest request = next(token_answer("federated"));
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url,
            "https://tokens.example/v1/projects/-/serviceAccounts/"
            "robot@p.iam.gserviceaccount.com:generateAccessToken");
  EXPECT_THAT(request.headers, Contains(Pair("Authorization", "Bearer federated")));
  EXPECT_EQ(request.body, R"({"scope":["https://www.googleapis.com/auth/devstorage.read_write"],)"
                          R"("lifetime":"1200s"})");
  const AccessToken token =
      last(ok(R"({"accessToken": "robots", "expireTime": "2026-01-02T03:24:05Z"})"));
  EXPECT_EQ(token.token, "robots");
  EXPECT_EQ(token.life, minutes(20));
}

TEST_F(GoogleFileTest, TheEndOfAnImpersonationIsReadByTheServersCalendar) {
  open(impersonated_file(kServer, authorized_user_file(kServer)));
  begin();
  next(token_answer("mine"));
  HttpResponse answer = ok(R"({"accessToken": "robots", "expireTime": "2031-01-01T01:00:00Z"})");
  answer.headers = {{"date", "Wed, 01 Jan 2031 00:00:00 GMT"}};
  EXPECT_EQ(last(answer).life, minutes(60)) << "whatever year this machine thinks it is";
}

TEST_F(GoogleFileTest, GarbageFromAnImpersonation) {
  open(impersonated_file(kServer, authorized_user_file(kServer)));
  begin();
  next(token_answer("mine"));
  for (const char* body : {"", "s3cr3t", "{}", R"({"accessToken": "s3cr3t"})",
                           R"({"accessToken": "s3cr3t", "expireTime": "tomorrow"})",
                           R"({"accessToken": "s3cr3t", "expireTime": 7})",
                           R"({"accessToken": "s3cr3t x", "expireTime": "2026-01-02T03:24:05Z"})",
                           R"({"accessToken": "s3cr3t", "expireTime": "2026-01-02T03:04:05Z"})",
                           R"({"expireTime": "2026-01-02T03:24:05Z"})"}) {
    const std::string error = last(ok(body)).token;
    EXPECT_THAT(error, AllOf(HasSubstr("the answer of tokens.example"), Not(HasSubstr("s3cr3t"))));
  }
  const HttpResponse denied{
      .status = 403,
      .headers = {},
      .body = R"({"error": {"status": "PERMISSION_DENIED", "message": "not for mine"}})"};
  EXPECT_THAT(last(denied).token, AllOf(HasSubstr("PERMISSION_DENIED: not for (secret)"),
                                        HasSubstr("serviceAccountTokenCreator")));
}

TEST_F(GoogleFileTest, EachKindCanActAsAServiceAccount) {
  const std::string token = files_.write("token", "t");
  const std::string sources[] = {service_account_file(kServer), authorized_user_file(kServer),
                                 external_account_file(kServer, R"({"file": ")" + token + R"("})")};
  for (const std::string& source : sources) {
    open(replaced(impersonated_file(kServer, source), R"("delegates": [])",
                  R"("delegates": ["first", "second", "third"])"));
    EXPECT_EQ(file_.is_secret, &source != &sources[2]);
    const HttpRequest first = begin();
    if (&source == &sources[2]) {
      EXPECT_THAT(first.body, HasSubstr(kCloudPlatform));
    }
    const HttpRequest request = next(token_answer("mine"));
    EXPECT_THAT(request.body,
                HasSubstr(R"("lifetime":"3600s","delegates":["first","second","third"])"));
    // From the beginning again, as for the next token.
    EXPECT_THAT(begin().url, Not(HasSubstr("generateAccessToken")));
    EXPECT_THAT(next(token_answer("mine")).url, HasSubstr("generateAccessToken"));
  }
}

struct Wrong {
  std::string text;
  const char* message;
  ErrorCode code = ErrorCode::invalid_argument;
};

TEST_F(GoogleFileTest, AWrongFileIsToldByTheFieldAndWithoutItsValues) {
  const std::string account = service_account_file(kServer);
  const std::string user = authorized_user_file(kServer);
  const auto federated = [](const std::string& source, const std::string& more = "") {
    return external_account_file(kServer, source, more);
  };
  const std::string file = R"({"file": "/s3cr3t"})";
  const Wrong wrongs[] = {
      {"", "it is not a JSON object"},
      {"s3cr3t", "it is not a JSON object"},
      {"{}", "type is missing"},
      {R"({"type": 7})", "type is missing"},
      {R"({"type": "gdch_service_account"})", "type \"gdch_service_account\" is not supported",
       ErrorCode::unsupported},
      {R"({"type": "\u001b[2J"})", "type \"?[2J\" is not supported", ErrorCode::unsupported},
      {replaced(account, "client_email", "x"), "client_email is missing"},
      {replaced(account, "private_key\"", "x\""), "private_key is missing"},
      {service_account_file("http://tokens.example"), "token_uri is an http URL"},
      {service_account_file("s3cr3t"), "token_uri is not an https URL"},
      {replaced(user, "client_id", "x"), "client_id is missing"},
      {replaced(user, "client_secret", "x"), "client_secret is missing"},
      {replaced(user, "refresh_token", "x"), "refresh_token is missing"},
      {authorized_user_file("http://10.0.0.1"), "token_uri is an http URL"},
      {replaced(federated(file), "audience", "x"), "audience is missing"},
      {replaced(federated(file), "subject_token_type", "x"), "subject_token_type is missing"},
      {replaced(federated(file), "token_url", "x"), "token_url is missing"},
      {external_account_file("http://tokens.example", file), "token_url is an http URL"},
      {federated("{}"), "credential_source has neither a file nor a url, or both"},
      {federated("7"), "credential_source has neither a file nor a url, or both"},
      {federated(R"({"file": "a", "url": "https://a"})"), "or both"},
      {federated(R"({"url": "http://example.com/?s3cr3t"})"), "credential_source.url is an http"},
      {federated(R"({"url": "https://a", "headers": {"a": 1}})"), "credential_source.headers"},
      {federated(R"({"url": "https://a", "headers": {"a b": "c"}})"), "credential_source.headers"},
      {federated(R"({"url": "https://a", "headers": {"a": "s3cr3t\r\nb: c"}})"),
       "credential_source.headers"},
      {federated(R"({"file": "a", "format": {"type": "xml"}})"), "credential_source.format.type"},
      {federated(R"({"file": "a", "format": {"type": "json"}})"),
       "credential_source.format.subject_token_field_name is missing"},
      {federated(R"({"executable": {"command": "s3cr3t"}})"),
       "credential_source.executable is not supported", ErrorCode::unsupported},
      {federated(R"({"environment_id": "aws1", "url": "http://169.254.169.254/"})"),
       "credential_source.environment_id is not supported", ErrorCode::unsupported},
      {federated(R"({"certificate": {}})"), "credential_source.certificate is not supported",
       ErrorCode::unsupported},
      {federated(file, impersonation_of_robot("http://a")),
       "service_account_impersonation_url is an http URL"},
      {federated(file, impersonation_of_robot(kServer) +
                           R"(, "service_account_impersonation": {"token_lifetime_seconds": 599})"),
       "token_lifetime_seconds is not between 600 and 43200"},
      {federated(file,
                 impersonation_of_robot(kServer) +
                     R"(, "service_account_impersonation": {"token_lifetime_seconds": "1h"})"),
       "token_lifetime_seconds is not between 600 and 43200"},
      {replaced(impersonated_file(kServer, user), "service_account_impersonation_url", "x"),
       "service_account_impersonation_url is missing"},
      {impersonated_file(kServer, "null"), "source_credentials is missing"},
      {impersonated_file(kServer, "{}"), "source_credentials.type is missing"},
      {impersonated_file(kServer, replaced(user, "client_id", "x")),
       "source_credentials: client_id is missing"},
      {impersonated_file(kServer, impersonated_file(kServer, user)),
       "source_credentials.type \"impersonated_service_account\" is not supported",
       ErrorCode::unsupported},
      {impersonated_file("http://a", user), "service_account_impersonation_url is an http URL"},
      {replaced(impersonated_file(kServer, user), R"("delegates": [])", R"("delegates": ["a", 7])"),
       "delegates[1] is missing"}};
  for (const Wrong& wrong : wrongs) {
    const auto opened = parse_google_file(wrong.text, kScope);
    ASSERT_FALSE(opened) << wrong.text;
    EXPECT_THAT(opened.error().message, HasSubstr(wrong.message));
    EXPECT_EQ(opened.error().code, wrong.code) << wrong.message;
    EXPECT_THAT(opened.error().to_string(), Not(HasSubstr("s3cr3t")));
    EXPECT_NE(opened.error().remedy, "") << wrong.message;
  }
}

TEST_F(GoogleFileTest, ABrokenKeyIsToldWhenItIsUsed) {
  open(replaced(service_account_file(kServer), "MII", "XXX"));
  const auto step = file_.exchange->begin(kNow);
  ASSERT_FALSE(step);
  EXPECT_THAT(step.error().to_string(),
              AllOf(HasSubstr("the private key is not"), Not(HasSubstr("XXX"))));
}

}  // namespace
}  // namespace tenure
