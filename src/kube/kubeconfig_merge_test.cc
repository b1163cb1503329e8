// Several kubeconfigs: which one decides, and what a list of contexts shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/testing/temp_files.h"
#include "kube/kubeconfig.h"
#include "kube/testing/kubeconfig_samples.h"

namespace tenure::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KubeconfigMergeTest : public testing::Test {
 protected:
  ClusterConfig loaded(const KubeconfigRequest& request) {
    auto config = load_kubeconfig(request);
    EXPECT_TRUE(config) << config.error().to_string();
    return config ? *config : ClusterConfig{};
  }
  Error error_of(const KubeconfigRequest& request) {
    const auto config = load_kubeconfig(request);
    EXPECT_FALSE(config);
    return config ? Error{} : config.error();
  }
  static std::string cluster(const std::string& name, const std::string& fields) {
    return "clusters: [{name: " + name + ", cluster: {" + fields + "}}]\n";
  }
  static std::string user(const std::string& name, const std::string& fields) {
    return "users: [{name: " + name + ", user: {" + fields + "}}]\n";
  }
  static std::string context(const std::string& name, const std::string& fields) {
    return "contexts: [{name: " + name + ", context: {" + fields + "}}]\n";
  }

  const TempFiles files_;
};

TEST_F(KubeconfigMergeTest, TheFirstFileDecidesOverEachNameAsAWhole) {
  const std::string a = files_.write("a", cluster("c", "server: 'https://first'") +
                                              user("red", "username: me") + "current-context: x\n");
  const std::string b = files_.write(
      "b", cluster("c", "server: 'https://second', tls-server-name: second") +
               user("red", "username: other, password: other") +
               context("x", "cluster: c, user: red, namespace: from-b") + "current-context: y\n");
  const ClusterConfig config = loaded({.kubeconfig_variable = a + ":" + b});
  EXPECT_EQ(config.server, "https://first");
  EXPECT_EQ(config.tls_server_name, "");
  EXPECT_EQ(config.username, "me");
  EXPECT_EQ(config.password, "");
  EXPECT_EQ(config.namespace_name, "from-b");
  EXPECT_EQ(config.source, "context x of " + b);
}

TEST_F(KubeconfigMergeTest, AnEmptyCurrentContextDoesNotDecide) {
  const std::string rest = cluster("c", "server: 'https://a'") + context("x", "cluster: c");
  const std::string a = files_.write("a", rest + "current-context: \"\"\n");
  const std::string b = files_.write("b", "current-context: x\n");
  EXPECT_EQ(loaded({.kubeconfig_variable = a + ":" + b}).server, "https://a");
}

TEST_F(KubeconfigMergeTest, RelativePathsAreMeantFromTheFileThatTheyStandIn) {
  files_.write("one/ca.crt", kCa);
  files_.write("two/token", "t");
  const std::string a = files_.write(
      "one/config", cluster("c", "server: 'https://a', certificate-authority: ca.crt"));
  const std::string b =
      files_.write("two/config", user("u", "tokenFile: ./token") +
                                     context("x", "cluster: c, user: u") + "current-context: x\n");
  const ClusterConfig config = loaded({.kubeconfig_variable = a + ":" + b});
  EXPECT_EQ(config.ca_pem, kCa);
  EXPECT_EQ(config.token_file, files_.path("two/token"));
}

TEST_F(KubeconfigMergeTest, MissingAndEmptyAndRepeatedFilesOfTheListDoNotMatter) {
  const std::string empty = files_.write("empty", "");
  const std::string comment = files_.write("comment", "# nothing yet\n---\n");
  const std::string good =
      files_.write("good", cluster("c", "server: 'https://a'") + context("x", "cluster: c") +
                               "current-context: x");
  const ClusterConfig config =
      loaded({.kubeconfig_variable = ":" + files_.path("missing") + "::" + empty +
                                     ":/dev/null:" + comment + ":" + good + ":" + good + ":"});
  EXPECT_EQ(config.server, "https://a");
}

TEST_F(KubeconfigMergeTest, ABrokenFileOfTheListIsAnErrorEvenWhenItIsNotNeeded) {
  const std::string good =
      files_.write("good", cluster("c", "server: 'https://a'") + context("x", "cluster: c") +
                               "current-context: x");
  const std::string broken = files_.write("broken", "users: [");
  EXPECT_THAT(error_of({.kubeconfig_variable = good + ":" + broken}).message, HasSubstr(broken));
}

TEST_F(KubeconfigMergeTest, WhatIsWrongInAnotherContextDoesNotMatter) {
  const std::string file = files_.write(
      "config", cluster("c", "server: 'https://a'") +
                    user("old", "auth-provider: {name: gcp}, client-key: missing") +
                    "contexts: [{name: x, context: {cluster: c}}, {name: old, context: {cluster: "
                    "gone, user: old}}]\ncurrent-context: x");
  EXPECT_EQ(loaded({.path = file}).server, "https://a");
}

TEST_F(KubeconfigMergeTest, TheOrderIsPathThenVariableThenHome) {
  const auto file = [&](const std::string& name) {
    return files_.write(name, cluster("c", "server: 'https://" + name + "'") +
                                  context("x", "cluster: c") + "current-context: x");
  };
  const std::string path = file("path");
  const std::string variable = file("variable");
  files_.write("home/.kube/config", files_.read("variable"));
  const std::string home = files_.path("home");
  files_.write("home/.kube/config", cluster("c", "server: 'https://home'") +
                                        context("x", "cluster: c") + "current-context: x");
  EXPECT_EQ(loaded({.path = path, .kubeconfig_variable = variable, .home = home}).server,
            "https://path");
  EXPECT_EQ(loaded({.kubeconfig_variable = variable, .home = home}).server, "https://variable");
  EXPECT_EQ(loaded({.home = home}).server, "https://home");
}

TEST_F(KubeconfigMergeTest, AnExplicitFileMustExist) {
  const Error error = error_of({.path = files_.path("missing"), .home = files_.path("")});
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_THAT(error.message, HasSubstr(files_.path("missing")));
}

TEST_F(KubeconfigMergeTest, NoFileAtAllSaysWhereWasLookedFor) {
  EXPECT_THAT(error_of({.home = files_.path("home")}).message,
              HasSubstr(files_.path("home/.kube/config")));
  EXPECT_THAT(error_of({.kubeconfig_variable = "/missing/a:/missing/b"}).message,
              HasSubstr("/missing/a, /missing/b"));
  EXPECT_THAT(error_of({}).message, HasSubstr("neither KUBECONFIG nor HOME is set"));
}

TEST_F(KubeconfigMergeTest, TooManyFilesAreAnError) {
  std::string list;
  for (int i = 0; i < 65; ++i) list += "/missing/" + std::to_string(i) + ":";
  EXPECT_THAT(error_of({.kubeconfig_variable = list}).remedy, HasSubstr("--flatten"));
}

TEST_F(KubeconfigMergeTest, ContextsOfAllFilesAreListedInOrder) {
  const std::string a = files_.write("a", context("zebra", ""));
  const std::string b = files_.write("b", "contexts: [{name: ape}, {name: zebra}]");
  const auto names = list_contexts({.kubeconfig_variable = a + ":" + b});
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, ElementsAre("ape", "zebra"));
  EXPECT_THAT(list_contexts({}).value(), IsEmpty());
  EXPECT_FALSE(list_contexts({.path = files_.path("missing")}));
}

TEST_F(KubeconfigMergeTest, OfManyContextsAnErrorListsSome) {
  std::string text = "contexts:\n";
  for (int i = 100; i < 200; ++i) text += "- name: n" + std::to_string(i) + "\n";
  const Error error = error_of({.path = files_.write("many", text), .context = "typo\x1b[31m"});
  EXPECT_THAT(error.message, HasSubstr("there is no context \"typo?[31m\" in"));
  EXPECT_THAT(error.remedy, HasSubstr("n100, n101"));
  EXPECT_THAT(error.remedy, HasSubstr("n119 and 80 more"));
}

}  // namespace
}  // namespace tenure::kube
