// Google's credentials from real files and over real HTTP, on loopback.
#include "auth/google.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/testing/google_samples.h"
#include "auth/testing/temp_files.h"
#include "net/testing/scripted_server.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr Duration kPatience = seconds(20);

std::string http(int status, const std::string& body, const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " x\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string token(const std::string& name, int life = 3600) {
  return http(200, R"({"access_token": ")" + name + R"(", "expires_in": )" + std::to_string(life) +
                       R"(, "token_type": "Bearer"})");
}

class GoogleTest : public testing::Test {
 protected:
  using Connection = ScriptedServer::Connection;

  GoogleTest()
      : loop_(std::move(Loop::create().value())),
        server_(*loop_, [this](Connection& connection, const std::string& request) {
          requests_.push_back(request);
          connection.say(answer_(request));
        }) {}

  [[nodiscard]] std::string url() const { return server_.url(); }
  [[nodiscard]] std::string host() const { return url().substr(std::string("http://").size()); }

  /// A file that GOOGLE_APPLICATION_CREDENTIALS names.
  Result<std::unique_ptr<CredentialSource>> create(GoogleRequest request) {
    request.scope = "https://scope.example/a";
    request.user_agent = "tenure-test/1";
    request.warn = [this](const std::string& line) { warnings_.push_back(line); };
    return google_credentials(*loop_, request);
  }
  void open(GoogleRequest request) {
    auto source = create(std::move(request));
    ASSERT_TRUE(source) << source.error().to_string();
    source_ = std::move(*source);
  }
  void open_file(const std::string& text, mode_t mode = 0600) {
    open({.credentials_file = files_.write("credentials.json", text, mode)});
  }
  std::string error_of_file(const std::string& text) {
    const auto source = create({.credentials_file = files_.write("credentials.json", text)});
    return source ? "none" : source.error().to_string();
  }

  void run_until(const std::function<bool()>& done, const std::string& waiting_for) {
    const Instant limit = boot_now() + kPatience;
    while (!done()) {
      ASSERT_LT(boot_now(), limit) << "waited in vain for " << waiting_for;
      loop_->at(boot_now() + milliseconds(5), [this] { loop_->stop(); });
      loop_->run();
    }
  }
  Result<Credential> get() {
    std::optional<Result<Credential>> answer;
    source_->get([&](Result<Credential> credential) { answer = std::move(credential); });
    EXPECT_FALSE(answer) << "from inside get()";
    run_until([&] { return answer.has_value(); }, "a credential");
    return answer ? *answer : failure(ErrorCode::internal, "no answer");
  }
  std::string authorization() {
    const auto credential = get();
    return credential ? credential->authorization : credential.error().to_string();
  }
  /// Asks until the answer is this one.
  void await(const std::string& wanted) {
    std::string last;
    const Instant limit = boot_now() + kPatience;
    while ((last = authorization()) != wanted)
      ASSERT_LT(boot_now(), limit) << "still " << last << " instead of " << wanted;
  }

  const TempFiles files_;
  const std::unique_ptr<Loop> loop_;
  std::function<std::string(const std::string&)> answer_ = [](const std::string&) {
    return token("a");
  };
  std::vector<std::string> requests_;
  std::vector<std::string> warnings_;
  ScriptedServer server_;
  std::unique_ptr<CredentialSource> source_;
};

TEST_F(GoogleTest, AServiceAccountsKey) {
  open_file(service_account_file(url()));
  EXPECT_EQ(authorization(), "Bearer a");
  EXPECT_EQ(authorization(), "Bearer a");
  ASSERT_EQ(requests_.size(), 1U) << "it lasts for an hour";
  EXPECT_THAT(requests_[0], AllOf(StartsWith("POST /token HTTP/1.1\r\n"),
                                  HasSubstr("User-Agent: tenure-test/1\r\n"),
                                  HasSubstr("Content-Type: application/x-www-form-urlencoded\r\n"),
                                  HasSubstr("jwt-bearer&assertion=eyJ")));
  EXPECT_THAT(warnings_, ElementsAre());
}

TEST_F(GoogleTest, APersonsLogin) {
  files_.write("gcloud/application_default_credentials.json", authorized_user_file(url()));
  open({.gcloud_folder = files_.path("gcloud")});
  EXPECT_EQ(authorization(), "Bearer a");
  EXPECT_THAT(requests_, ElementsAre(HasSubstr("\r\n\r\ngrant_type=refresh_token&")));
}

TEST_F(GoogleTest, AFederatedIdentityThatActsAsAServiceAccount) {
  answer_ = [](const std::string& request) {
    if (request.starts_with("GET /subject")) return http(200, R"({"id": "six"})");
    if (request.starts_with("POST /v1/token")) return token("federated");
    return http(200, R"({"accessToken": "robots", "expireTime": "2031-01-01T01:00:00Z"})",
                "Date: Wed, 01 Jan 2031 00:00:00 GMT\r\n");
  };
  open_file(external_account_file(url(), R"({"url": ")" + url() + R"(/subject", "headers":
      {"X-Key": "k"}, "format": {"type": "json", "subject_token_field_name": "id"}})",
                                  impersonation_of_robot(url())));
  EXPECT_EQ(authorization(), "Bearer robots");
  EXPECT_THAT(requests_,
              ElementsAre(AllOf(StartsWith("GET /subject "), HasSubstr("X-Key: k\r\n")),
                          AllOf(StartsWith("POST /v1/token "), HasSubstr("subject_token=six")),
                          AllOf(HasSubstr(":generateAccessToken HTTP"),
                                HasSubstr("Authorization: Bearer federated\r\n"))));
}

TEST_F(GoogleTest, APersonWhoActsAsAServiceAccount) {
  answer_ = [](const std::string& request) {
    if (request.starts_with("POST /token")) return token("mine");
    return http(200, R"({"accessToken": "robots", "expireTime": "2131-01-01T01:00:00Z"})");
  };
  open_file(impersonated_file(url(), authorized_user_file(url())));
  EXPECT_EQ(authorization(), "Bearer robots");
  EXPECT_EQ(requests_.size(), 2U);
}

TEST_F(GoogleTest, TheMetadataServerOfAMachine) {
  answer_ = [](const std::string& request) {
    EXPECT_THAT(request, AllOf(StartsWith("GET /computeMetadata/v1/instance/service-accounts/"
                                          "default/token?scopes=https%3A%2F%2Fscope.example%2Fa "),
                               HasSubstr("Metadata-Flavor: Google\r\n")));
    return http(200, R"({"access_token": "machines", "expires_in": 3600})",
                "Metadata-Flavor: Google\r\n");
  };
  open({.gcloud_folder = files_.path("nobody-logged-in"), .metadata_host = host()});
  EXPECT_EQ(authorization(), "Bearer machines");
}

TEST_F(GoogleTest, AMetadataServerThatBeginsAfterThePod) {
  answer_ = [this](const std::string&) {
    if (requests_.size() < 3) return http(503, "");
    return http(200, R"({"access_token": "machines", "expires_in": 3600})",
                "Metadata-Flavor: Google\r\n");
  };
  open({.metadata_host = host()});
  EXPECT_EQ(authorization(), "Bearer machines");
  EXPECT_EQ(requests_.size(), 3U);
}

TEST_F(GoogleTest, TheVariableComesBeforeTheLoginAndTheLoginBeforeTheMachine) {
  files_.write("application_default_credentials.json", authorized_user_file(url()));
  open({.credentials_file = files_.write("key", service_account_file(url())),
        .gcloud_folder = files_.path(""),
        .metadata_host = host()});
  authorization();
  open({.gcloud_folder = files_.path(""), .metadata_host = host()});
  authorization();
  EXPECT_THAT(requests_, ElementsAre(HasSubstr("jwt-bearer"), HasSubstr("refresh_token")));
}

TEST_F(GoogleTest, WhoHasNothingIsToldWhatToDo) {
  server_.stop_listening();
  open({.gcloud_folder = files_.path("nobody-logged-in"), .metadata_host = host()});
  const std::string error = authorization();
  EXPECT_THAT(error, AllOf(HasSubstr("no access token from Google with the metadata server"),
                           HasSubstr("GOOGLE_APPLICATION_CREDENTIALS is not set"),
                           HasSubstr("cannot reach " + url()),
                           HasSubstr("gcloud auth application-default login")));
}

TEST_F(GoogleTest, AFileThatTheVariableNamesMustBeThereAndBeOfUse) {
  const auto missing =
      create({.credentials_file = files_.path("missing"), .metadata_host = host()});
  ASSERT_FALSE(missing) << "no other credentials than those that were asked for";
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr(files_.path("missing")));
  EXPECT_THAT(error_of_file("not JSON"),
              AllOf(HasSubstr(files_.path("credentials.json")), HasSubstr("not a JSON object")));
  EXPECT_THAT(error_of_file(std::string(10U << 20U, ' ')), HasSubstr("longer than 64 KiB"));
  EXPECT_THAT(error_of_file(R"({"type": "x"})"), HasSubstr("type \"x\" is not supported"));
  EXPECT_THAT(error_of_file(service_account_file("http://10.0.0.1")), HasSubstr("token_uri"));
  EXPECT_THAT(create({.credentials_file = files_.path("")}).error().message,
              HasSubstr("not a regular file"));
  files_.write("application_default_credentials.json", "not JSON");
  EXPECT_THAT(create({.gcloud_folder = files_.path(""), .metadata_host = host()}).error().message,
              HasSubstr("not a JSON object"))
      << "a broken login is not passed over";
  EXPECT_THAT(create({.metadata_host = "http://a/"}).error().message, HasSubstr("not a host"));
  EXPECT_EQ(requests_.size(), 0U);
}

TEST_F(GoogleTest, AKeyThatEverybodyCanReadIsWarnedOf) {
  open_file(service_account_file(url()), 0644);
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr(files_.path("credentials.json")),
                                           HasSubstr("chmod o-r"))));
  open_file(external_account_file(url(), R"({"file": "/a"})"), 0644);
  EXPECT_EQ(warnings_.size(), 1U) << "there is no secret in it";
}

TEST_F(GoogleTest, OneFetchServesAllWhoWait) {
  open_file(authorized_user_file(url()));
  int answers = 0;
  for (int i = 0; i < 100; ++i)
    source_->get([&](const Result<Credential>& credential) {
      ASSERT_TRUE(credential);
      EXPECT_EQ(credential->authorization, "Bearer a");
      ++answers;
    });
  run_until([&] { return answers == 100; }, "a hundred answers");
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(GoogleTest, TheNextTokenIsFetchedEarlyAndNobodyWaitsForIt) {
  answer_ = [this](const std::string&) {
    return requests_.size() == 1 ? token("a", 3) : std::string();  // and then silence
  };
  bool went_on = false;
  // Again, should this machine have stalled in the part of a second that matters.
  for (int i = 0; i < 5 && !went_on; ++i) {
    requests_.clear();
    open_file(authorized_user_file(url()));
    EXPECT_EQ(authorization(), "Bearer a");
    for (const Instant end = boot_now() + seconds(3); !went_on && boot_now() < end;) {
      source_->get([&](const Result<Credential>& credential) {
        went_on = requests_.size() == 2 && credential && credential->authorization == "Bearer a";
      });
      loop_->at(boot_now() + milliseconds(5), [this] { loop_->stop(); });
      loop_->run();
    }
    source_.reset();
  }
  EXPECT_TRUE(went_on) << "no fetch before the end, or nothing to go on with meanwhile";
}

TEST_F(GoogleTest, ATokenThatHasExpiredIsNotHandedOut) {
  answer_ = [this](const std::string&) {
    return requests_.size() == 1 ? token("a", 1) : token("b");
  };
  open_file(authorized_user_file(url()));
  EXPECT_EQ(authorization(), "Bearer a");
  loop_->at(boot_now() + milliseconds(1010), [this] { loop_->stop(); });
  loop_->run();
  EXPECT_EQ(authorization(), "Bearer b");
}

TEST_F(GoogleTest, ATokenThatAServerRejectsIsReplaced) {
  answer_ = [this](const std::string&) { return token("t" + std::to_string(requests_.size())); };
  open_file(authorized_user_file(url()));
  EXPECT_EQ(authorization(), "Bearer t1");
  source_->rejected({.authorization = "Bearer t1"});
  await("Bearer t2");
  source_->rejected({.authorization = "Bearer t1"});  // of an older request
  EXPECT_EQ(authorization(), "Bearer t2");
  EXPECT_EQ(requests_.size(), 2U);
}

TEST_F(GoogleTest, AServerThatFailsForAMomentIsAskedAgain) {
  answer_ = [this](const std::string&) {
    return requests_.size() < 3 ? http(requests_.size() == 1 ? 500 : 429, "") : token("a");
  };
  open_file(service_account_file(url()));
  EXPECT_EQ(authorization(), "Bearer a");
  EXPECT_EQ(requests_.size(), 3U);
}

TEST_F(GoogleTest, AServerThatFailsForLongerIsTold) {
  answer_ = [](const std::string&) { return http(503, R"({"error": "maintenance"})"); };
  open_file(authorized_user_file(url()));
  const auto credential = get();
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, ErrorCode::unavailable);
  EXPECT_EQ(credential.error().message, "no access token from Google with " +
                                            files_.path("credentials.json") + ": " + host() +
                                            " answered with status 503: maintenance");
  EXPECT_EQ(requests_.size(), 5U);
}

TEST_F(GoogleTest, ARefusalIsNotRepeatedAndComesWithWhatToDo) {
  answer_ = [](const std::string&) {
    return http(400, R"({"error": "invalid_grant", "error_description": "Token revoked"})");
  };
  open_file(authorized_user_file(url()));
  const auto credential = get();
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, ErrorCode::permission_denied);
  EXPECT_THAT(credential.error().to_string(),
              AllOf(HasSubstr("invalid_grant: Token revoked"),
                    HasSubstr("gcloud auth application-default login"), Not(HasSubstr("s3cr3t")),
                    Not(HasSubstr("r3fr3sh"))));
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(GoogleTest, GarbageAndFloodsAreTold) {
  answer_ = [](const std::string&) { return http(200, "<html>s3cr3t</html>"); };
  open_file(authorized_user_file(url()));
  EXPECT_THAT(authorization(), AllOf(HasSubstr("is not a JSON object"), Not(HasSubstr("s3cr3t"))));
  answer_ = [](const std::string&) { return http(200, std::string(100'000, ' ')); };
  open_file(authorized_user_file(url()));
  EXPECT_THAT(authorization(), HasSubstr("too large"));
  answer_ = [](const std::string&) { return http(302, "", "Location: https://example.com/\r\n"); };
  open_file(authorized_user_file(url()));
  EXPECT_THAT(authorization(), HasSubstr("answered with status 302")) << "no secret goes elsewhere";
}

TEST_F(GoogleTest, AFileIsReadAgainForEachToken) {
  answer_ = [this](const std::string& request) {
    EXPECT_THAT(request, HasSubstr("client_id=" + std::to_string(requests_.size()) + "&"));
    return token("t" + std::to_string(requests_.size()));
  };
  const auto file = [this](const std::string& client) {
    return replaced(authorized_user_file(url()), "me.apps.example.com", client);
  };
  open_file(file("1"));
  EXPECT_EQ(authorization(), "Bearer t1");
  files_.write("credentials.json", file("2"));
  source_->rejected({.authorization = "Bearer t1"});
  await("Bearer t2");
}

TEST_F(GoogleTest, AFileThatVanishesIsToldOnceItIsNeededAndMayComeBack) {
  answer_ = [this](const std::string&) { return token("t" + std::to_string(requests_.size())); };
  open_file(authorized_user_file(url()));
  EXPECT_EQ(authorization(), "Bearer t1");
  std::filesystem::remove(files_.path("credentials.json"));
  EXPECT_EQ(authorization(), "Bearer t1");
  source_->rejected({.authorization = "Bearer t1"});
  std::string error = authorization();
  for (const Instant limit = boot_now() + kPatience; error == "Bearer t1" && boot_now() < limit;)
    error = authorization();
  EXPECT_THAT(error, AllOf(HasSubstr("No such file"), HasSubstr(files_.path("credentials.json"))));
  files_.write("credentials.json", authorized_user_file(url()));
  await("Bearer t2");
}

TEST_F(GoogleTest, DestroyingTheSourceTellsNobody) {
  answer_ = [](const std::string&) { return http(503, ""); };
  open_file(authorized_user_file(url()));
  source_->get([](const Result<Credential>&) { FAIL() << "after the source's end"; });
  run_until([&] { return !requests_.empty(); }, "the first request");
  loop_->at(boot_now() + milliseconds(50), [this] { loop_->stop(); });
  loop_->run();  // into the pause before the second
  source_.reset();
  const std::size_t before = requests_.size();
  loop_->at(boot_now() + milliseconds(800), [this] { loop_->stop(); });
  loop_->run();
  EXPECT_LE(requests_.size(), before + 1) << "one may have been on its way";
}

}  // namespace
}  // namespace tenure
