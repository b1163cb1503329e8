// Credentials from real files and real plugins, which here are shell scripts.
#include "kube/cluster_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "auth/testing/temp_files.h"
#include "base/duration.h"
#include "kube/testing/kubeconfig_samples.h"
#include "runtime/clock.h"
#include "runtime/testing/loop_for_tests.h"

namespace tenure::kube {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr Duration kPatience = std::chrono::seconds(20);

class CredentialSourceTest : public testing::Test {
 protected:
  void create(const ClusterConfig& config) {
    auto source = cluster_credentials(*loop_, config);
    ASSERT_TRUE(source) << source.error().to_string();
    source_ = std::move(*source);
  }
  Result<Credential> get() {
    std::optional<Result<Credential>> answer;
    source_->get([&](Result<Credential> credential) {
      answer = std::move(credential);
      loop_->stop();
    });
    EXPECT_FALSE(answer) << "from inside get()";
    run_until_stopped(*loop_, "a credential");
    return answer ? *answer : failure(ErrorCode::internal, "no answer");
  }
  std::string authorization() {
    const auto credential = get();
    return credential ? credential->authorization : credential.error().to_string();
  }

  /// A config with a plugin that runs `script`, which finds $DIR and writes a line to $DIR/runs
  /// before it does anything.
  ClusterConfig with_plugin(const std::string& script) {
    ClusterConfig config;
    config.server = "https://a";
    ExecPlugin plugin;
    plugin.command =
        files_.write("plugin", "#!/bin/sh\necho run >>\"$DIR/runs\"\n" + script + "\n", 0700);
    plugin.environment = {{"DIR", files_.path("")}};
    plugin.api_version = "client.authentication.k8s.io/v1";
    config.exec = plugin;
    return config;
  }
  /// What such a script prints for a token; `token` may contain shell expansions.
  static std::string token(const std::string& token, const std::string& more = "") {
    return R"(echo "{\"kind\":\"ExecCredential\",\"apiVersion\":)"
           R"(\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\")" +
           token + R"(\")" + more + R"(}}")";
  }
  static std::string expiring(WallTime when) {
    return R"(,\"expirationTimestamp\":\")" + format_rfc3339(when) + R"(\")";
  }
  std::ptrdiff_t runs() const {
    const std::string lines = files_.read("runs");
    return std::count(lines.begin(), lines.end(), '\n');
  }

  const TempFiles files_;
  const std::unique_ptr<Loop> loop_ = std::move(Loop::create().value());
  std::unique_ptr<CredentialSource> source_;
};

TEST_F(CredentialSourceTest, WhatDoesNotChangeIsGivenAsItIs) {
  ClusterConfig config;
  create(config);
  EXPECT_EQ(authorization(), "");
  config.client_certificate_pem = kCertificate;
  config.client_key_pem = kKey;
  create(config);
  EXPECT_EQ(get(), (Credential{"", kCertificate, kKey}));
  config.token = "abc";
  create(config);
  EXPECT_EQ(get(), (Credential{"Bearer abc", kCertificate, kKey}));
  source_->rejected({"Bearer abc", kCertificate, kKey});
  EXPECT_EQ(authorization(), "Bearer abc");
}

TEST_F(CredentialSourceTest, UserNameAndPasswordAsRfc7617HasThem) {
  ClusterConfig config;
  config.username = "Aladdin";
  config.password = "open sesame";
  create(config);
  EXPECT_EQ(authorization(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_F(CredentialSourceTest, ATokenFileThatIsRotatedIsReadAgainAfterA401) {
  ClusterConfig config;
  config.token_file = files_.write("token", "one\n");
  create(config);
  EXPECT_EQ(authorization(), "Bearer one");
  files_.write("token", "two\n");
  EXPECT_EQ(authorization(), "Bearer one");
  source_->rejected({"Bearer one", "", ""});
  EXPECT_EQ(authorization(), "Bearer two");
  files_.write("token", "");  // in the middle of being rotated
  source_->rejected({"Bearer two", "", ""});
  EXPECT_EQ(authorization(), "Bearer two");
}

TEST_F(CredentialSourceTest, ACertificateThatIsReplacedCountsOnceBothFilesAreThere) {
  const std::string next_certificate = std::string(kCertificate) + "# next\n";
  const std::string next_key = std::string(kKey) + "# next\n";
  ClusterConfig config;
  config.client_certificate_pem = kCertificate;
  config.client_key_pem = kKey;
  config.client_certificate_file = files_.write("tls.crt", kCertificate);
  config.client_key_file = files_.write("tls.key", kKey);
  create(config);
  const Credential first = *get();
  EXPECT_EQ(first, (Credential{"", kCertificate, kKey}));
  files_.write("tls.crt", next_certificate);
  source_->rejected(first);
  EXPECT_EQ(get(), first) << "this certificate and that key do not belong together";
  files_.write("tls.key", next_key);
  Credential now = first;
  for (const Instant end = boot_now() + kPatience; now == first && boot_now() < end;) now = *get();
  EXPECT_EQ(now, (Credential{"", next_certificate, next_key}));
}

TEST_F(CredentialSourceTest, AMissingTokenFileIsAnErrorUnlessThereIsAToken) {
  ClusterConfig config;
  config.token_file = files_.path("missing");
  const auto source = cluster_credentials(*loop_, config);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, ErrorCode::not_found);
  config.token = "first";
  create(config);
  EXPECT_EQ(authorization(), "Bearer first");
}

TEST_F(CredentialSourceTest, APluginRunsOnceForAllWhoWaitAndIsThenCached) {
  create(with_plugin(token("abc", expiring(wall_now() + hours(1)))));
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    source_->get([&](const Result<Credential>& credential) {
      EXPECT_EQ(credential->authorization, "Bearer abc");
      if (++answers == 5) loop_->stop();
    });
  }
  run_until_stopped(*loop_, "five answers");
  EXPECT_EQ(authorization(), "Bearer abc");
  EXPECT_EQ(runs(), 1);
}

TEST_F(CredentialSourceTest, APluginIsToldWhatItNeeds) {
  ClusterConfig config = with_plugin(
      "printf '%s\\n' \"$KUBERNETES_EXEC_INFO\" >\"$DIR/info\"\nprintf '[%s]' \"$@\" "
      ">\"$DIR/args\"\n"
      "cat >\"$DIR/stdin\"\n" +
      token("abc"));
  config.exec->arguments = {"--flag", "two words", "$HOME"};
  create(config);
  EXPECT_EQ(authorization(), "Bearer abc");
  EXPECT_EQ(files_.read("args"), "[--flag][two words][$HOME]");
  EXPECT_THAT(files_.read("info"), HasSubstr(R"("spec":{"interactive":false})"));
  EXPECT_EQ(files_.read("stdin"), "");
}

TEST_F(CredentialSourceTest, ARejectedTokenMakesThePluginRunAgain) {
  create(with_plugin("n=$(wc -l <\"$DIR/runs\")\n" + token("t$((n))")));
  EXPECT_EQ(authorization(), "Bearer t1");
  source_->rejected({"Bearer t1", "", ""});
  loop_->at(boot_now() + milliseconds(1010), [this] { loop_->stop(); });
  run_until_stopped(*loop_, "the pause's end");
  EXPECT_EQ(authorization(), "Bearer t2");
  source_->rejected({"Bearer t1", "", ""});  // of an older request
  EXPECT_EQ(authorization(), "Bearer t2");
  EXPECT_EQ(runs(), 2);
}

TEST_F(CredentialSourceTest, AFailureCarriesTheLastLineOfStandardErrorAndIsNotRepeatedAtOnce) {
  create(with_plugin("echo first >&2; printf 'please \\033[1mlog in\\n\\n' >&2; exit 7"));
  for (int i = 0; i < 100; ++i) {
    const auto credential = get();
    ASSERT_FALSE(credential);
    EXPECT_EQ(credential.error().code, ErrorCode::unavailable);
    EXPECT_THAT(credential.error().message,
                AllOf(HasSubstr("plugin\" exited with code 7: please ?[1mlog in"),
                      Not(HasSubstr("first"))));
  }
  EXPECT_LT(runs(), 20);  // one, unless this machine stalls
}

TEST_F(CredentialSourceTest, APluginEndedByASignalIsTold) {
  create(with_plugin("kill -KILL $$"));
  EXPECT_THAT(authorization(), HasSubstr("was ended by signal 9"));
}

TEST_F(CredentialSourceTest, ABadAnswerIsToldWithoutQuotingIt) {
  create(with_plugin("echo s3cr3t"));
  const auto credential = get();
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, ErrorCode::corrupt);
  EXPECT_THAT(credential.error().to_string(), Not(HasSubstr("s3cr3t")));
}

TEST_F(CredentialSourceTest, APluginThatPrintsWithoutEndIsStopped) {
  create(with_plugin("while :; do echo 0123456789012345678901234567890123456789; done"));
  EXPECT_THAT(authorization(), HasSubstr("printed more than a mebibyte"));
}

TEST_F(CredentialSourceTest, AMissingPluginComesWithItsInstallHint) {
  ClusterConfig config = with_plugin("");
  config.exec->command = "tenure-no-such-plugin";
  config.exec->install_hint = "Get it at example.com";
  create(config);
  const auto credential = get();
  ASSERT_FALSE(credential);
  EXPECT_EQ(credential.error().code, ErrorCode::not_found);
  EXPECT_THAT(credential.error().message, HasSubstr("\"tenure-no-such-plugin\""));
  EXPECT_EQ(credential.error().remedy, "Get it at example.com");
}

TEST_F(CredentialSourceTest, DestroyingTheSourceStopsThePluginAndTellsNobody) {
  create(with_plugin("sleep 1000"));
  source_->get([](const Result<Credential>&) { FAIL() << "after the source's end"; });
  source_.reset();
  ClusterConfig config;
  create(config);
  source_->get([](const Result<Credential>&) { FAIL() << "after the source's end"; });
  source_.reset();
  loop_->at(boot_now() + milliseconds(20), [this] { loop_->stop(); });
  run_until_stopped(*loop_, "a moment in which nothing happens");
}

TEST_F(CredentialSourceTest, ACallbackMayDestroyTheSourceAndAskAnotherOne) {
  create(with_plugin(token("abc")));
  source_->get([this](const Result<Credential>& credential) {
    EXPECT_EQ(credential->authorization, "Bearer abc");
    create(with_plugin(token("def")));
    source_->get([this](const Result<Credential>& next) {
      EXPECT_EQ(next->authorization, "Bearer def");
      loop_->stop();
    });
  });
  source_->get([](const Result<Credential>&) { FAIL() << "after the source's end"; });
  run_until_stopped(*loop_, "the second source");
}

}  // namespace
}  // namespace tenure::kube
