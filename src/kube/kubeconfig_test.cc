// What one kubeconfig means: the shapes that the usual tools write, and each thing that can be
// wrong.
#include "kube/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/testing/temp_files.h"
#include "kube/testing/kubeconfig_samples.h"

namespace tenure::kube {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

class KubeconfigTest : public testing::Test {
 protected:
  Result<ClusterConfig> load(const std::string& text, const std::string& context = "") {
    return load_kubeconfig({.path = files_.write("config", filled_in(text)), .context = context});
  }
  ClusterConfig loaded(const std::string& text, const std::string& context = "") {
    auto config = load(text, context);
    EXPECT_TRUE(config) << config.error().to_string();
    return config ? *config : ClusterConfig{};
  }

  /// A whole kubeconfig around the fields of one cluster and one user, in YAML's flow style.
  static std::string around(const std::string& cluster, const std::string& user) {
    return "clusters: [{name: c, cluster: {" + cluster + "}}]\nusers: [{name: u, user: {" + user +
           "}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
  }
  static std::string with_user(const std::string& user) {
    return around("server: 'https://a:6443'", user);
  }
  static std::string with_exec(const std::string& exec) {
    return with_user("exec: {command: p, apiVersion: client.authentication.k8s.io/v1beta1" + exec +
                     "}");
  }

  const TempFiles files_;
};

TEST_F(KubeconfigTest, Kind) {
  const ClusterConfig config = loaded(kKind);
  EXPECT_EQ(config.server, "https://127.0.0.1:35689");
  EXPECT_EQ(config.ca_pem, kCa);
  EXPECT_EQ(config.client_certificate_pem, kCertificate);
  EXPECT_EQ(config.client_key_pem, kKey);
  EXPECT_EQ(config.namespace_name, "default");
  EXPECT_EQ(config.source, "context kind-kind of " + files_.path("config"));
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST_F(KubeconfigTest, MinikubeWithFilesBesideIt) {
  files_.write(".minikube/ca.crt", kCa);
  files_.write(".minikube/profiles/minikube/client.crt", kCertificate);
  files_.write(".minikube/profiles/minikube/client.key", kKey);
  const ClusterConfig config = loaded(kMinikube);
  EXPECT_EQ(config.server, "https://192.168.49.2:8443");
  EXPECT_EQ(config.ca_pem, kCa);
  EXPECT_EQ(config.client_certificate_pem, kCertificate);
  EXPECT_EQ(config.client_key_pem, kKey);
  EXPECT_EQ(config.namespace_name, "staging");
}

TEST_F(KubeconfigTest, GkeWithAnExecPlugin) {
  const ClusterConfig config = loaded(kGke);
  EXPECT_EQ(config.server, "https://203.0.113.7");
  ASSERT_TRUE(config.exec);
  EXPECT_EQ(config.exec->command, "gke-gcloud-auth-plugin");
  EXPECT_THAT(config.exec->arguments, IsEmpty());
  EXPECT_EQ(config.exec->api_version, "client.authentication.k8s.io/v1beta1");
  EXPECT_EQ(config.exec->install_hint,
            "Install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin");
  EXPECT_TRUE(config.exec->provide_cluster_info);
}

TEST_F(KubeconfigTest, EksWithArgumentsAndEnvironment) {
  const ClusterConfig config = loaded(kEks);
  ASSERT_TRUE(config.exec);
  EXPECT_THAT(config.exec->arguments, ElementsAre("--region", "eu-central-1", "eks", "get-token",
                                                  "--cluster-name", "main", "--output", "json"));
  EXPECT_THAT(config.exec->environment, ElementsAre(Pair("AWS_PROFILE", "production")));
  EXPECT_FALSE(config.exec->provide_cluster_info);
}

TEST_F(KubeconfigTest, K3s) {
  EXPECT_EQ(loaded(kK3s).server, "https://127.0.0.1:6443");
}

TEST_F(KubeconfigTest, RancherWithAPathInTheServersUrl) {
  const ClusterConfig config = loaded(kRancher);
  EXPECT_EQ(config.server, "https://rancher.example.com/k8s/clusters/c-m-4x7b9k2p");
  EXPECT_EQ(config.token, "kubeconfig-user-abc12:s3cr3t");
  EXPECT_EQ(config.ca_pem, "");
  const ClusterConfig node = loaded(kRancher, "edge-node1");
  EXPECT_EQ(node.server, "https://198.51.100.20:6443");
  EXPECT_EQ(node.ca_pem, kCa);
  EXPECT_EQ(node.token, config.token);
}

TEST_F(KubeconfigTest, JsonWithEverythingRare) {
  const ClusterConfig config = loaded(kJson);
  EXPECT_EQ(config.tls_server_name, "kubernetes");
  EXPECT_EQ(config.proxy_url, "socks5://localhost:1080");
  EXPECT_TRUE(config.insecure_skip_tls_verify);
  EXPECT_TRUE(config.disable_compression);
  EXPECT_EQ(config.username, "admin");
  EXPECT_EQ(config.password, "pa:ss wörd");
  EXPECT_EQ(config.namespace_name, "election");
  EXPECT_EQ(config.impersonate.user, "jane");
  EXPECT_EQ(config.impersonate.uid, "4711");
  EXPECT_THAT(config.impersonate.groups, ElementsAre("dev", "ops"));
  EXPECT_THAT(config.impersonate.extra,
              ElementsAre(Pair("reason", ElementsAre("night shift", "ticket 12"))));
  EXPECT_THAT(config.warnings, ElementsAre(AllOf(HasSubstr("insecure-skip-tls-verify is true"),
                                                 Not(HasSubstr("pa:ss")))));
}

TEST_F(KubeconfigTest, AnExecPluginsOwnSettingForTheClusterIsPassedOn) {
  const ClusterConfig config =
      loaded(around("server: 'https://a', extensions: [{name: other, extension: 1}, "
                    "{name: client.authentication.k8s.io/exec, extension: {audience: 'x\"y', n: 7, "
                    "on: yes, quoted: 'yes', list: [1.5, null]}}]",
                    "exec: {command: ./bin/p, apiVersion: client.authentication.k8s.io/v1, "
                    "interactiveMode: Never}"));
  ASSERT_TRUE(config.exec);
  EXPECT_EQ(config.exec->command, files_.path("bin/p"));
  EXPECT_EQ(config.exec->cluster_extension,
            R"({"audience":"x\"y","n":7,"on":true,"quoted":"yes","list":[1.5,null]})");
}

TEST_F(KubeconfigTest, DataWinsOverAFileWhichNeedNotExist) {
  const ClusterConfig config = loaded(around(
      "server: 'https://a', certificate-authority: missing.crt, certificate-authority-data: @CA@",
      "token: t"));
  EXPECT_EQ(config.ca_pem, kCa);
  EXPECT_THAT(config.warnings, ElementsAre(HasSubstr("certificate-authority is not used")));
}

TEST_F(KubeconfigTest, ATokenFileIsKeptAsAFile) {
  files_.write("secrets/token", "abc\n");
  const ClusterConfig config = loaded(with_user("tokenFile: secrets/token"));
  EXPECT_EQ(config.token_file, files_.path("secrets/token"));
  EXPECT_EQ(config.token, "");
}

TEST_F(KubeconfigTest, OtherCredentialsWinOverAPlugin) {
  const ClusterConfig config = loaded(with_user("token: t, exec: {command: p}"));
  EXPECT_FALSE(config.exec);
  EXPECT_EQ(config.token, "t");
  EXPECT_THAT(config.warnings, ElementsAre(HasSubstr("exec is not run")));
}

TEST_F(KubeconfigTest, ToAServerWithoutEncryptionNoCredentialsGo) {
  const ClusterConfig config = loaded(around("server: 'http://localhost:8080/'", "token: s3cr3t"));
  EXPECT_EQ(config.server, "http://localhost:8080");
  EXPECT_EQ(config.token, "");
  EXPECT_THAT(config.warnings,
              ElementsAre(AllOf(HasSubstr("not encrypted"), Not(HasSubstr("s3cr3t")))));
}

TEST_F(KubeconfigTest, AContextWithoutAUserGoesWithoutCredentials) {
  const ClusterConfig config = loaded(
      "clusters: [{name: c, cluster: {server: 'https://a'}}]\n"
      "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x");
  EXPECT_EQ(config.server, "https://a");
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST_F(KubeconfigTest, AFileThatEverybodyCanReadIsAWarning) {
  const auto config =
      load_kubeconfig({.path = files_.write("config", with_user("token: t"), 0644)});
  ASSERT_TRUE(config);
  EXPECT_THAT(config->warnings, ElementsAre(HasSubstr("chmod 600")));
}

TEST_F(KubeconfigTest, QueriesAndCaseInTheServersUrlAreCleanedAsInKubectl) {
  EXPECT_EQ(loaded(around("server: 'HTTPS://Host:1/p/?q#f'", "")).server, "https://Host:1/p");
  EXPECT_EQ(loaded(around("server: 'https://[::1]:6443'", "")).server, "https://[::1]:6443");
}

// --- What can be wrong ------------------------------------------------------------------------

struct Wrong {
  const char* name;
  std::string text;
  ErrorCode code;
  const char* message;  // a part of it
  const char* remedy;   // a part of it
};

class WrongKubeconfigTest : public KubeconfigTest, public testing::WithParamInterface<int> {
 public:
  static std::vector<Wrong> all() {
    using enum ErrorCode;
    const std::string with_context =
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
    const std::string with_cluster = "clusters: [{name: c, cluster: {server: 'https://a'}}]\n";
    return {
        {"NotYaml", "a: [s3cr3t", invalid_argument, "line 1: cannot be read as YAML", "correct"},
        {"ATextOnly", "s3cr3t", invalid_argument, "config: is a text, not a map", "correct"},
        {"AnUndefinedAnchor", with_user("token: *s3cr3t"), invalid_argument,
         "line 2: cannot be read as YAML: the referenced anchor is not defined", "correct"},
        {"AKeyTwice", with_user("token: a, token: s3cr3t"), invalid_argument,
         "line 2: cannot be read as YAML: a key appears twice", "correct"},
        {"AMergeKey", "<<: {a: s3cr3t}", invalid_argument, "merge keys", "correct"},
        {"AnotherKind", "kind: Pod\napiVersion: v1", invalid_argument, "no kubeconfig",
         "name a kubeconfig"},
        {"ANameTwice", "users: [{name: a}, {name: a}]", invalid_argument, "users has \"a\" twice",
         "rename"},
        {"AListThatIsNone", "users: {a: b}", invalid_argument, "users is a map, not a list",
         "correct"},
        {"ANameThatIsNone", "users: [{name: [a]}]", invalid_argument,
         "users[0].name is a list, not a text", "quotes"},
        {"ANumberForAText", with_user("token: 123456"), invalid_argument,
         "users[u].user.token is a number, not a text", "quotes"},
        {"ATextForAFlag", around("server: 'https://a', insecure-skip-tls-verify: 'true'", ""),
         invalid_argument, "insecure-skip-tls-verify is a text, not true or false", "correct"},
        {"Nothing", "", not_found, "there is no kubeconfig", "KUBECONFIG"},
        {"NoContextChosen", "contexts: [{name: a}, {name: b}]", not_found, "no context is chosen",
         "choose one of: a, b"},
        {"AnUnknownContext", "contexts: [{name: a}, {name: b}]\ncurrent-context: s", not_found,
         "there is no context \"s\"", "choose one of: a, b"},
        {"NoContextAtAll", "current-context: s", not_found, "there is no context \"s\"",
         "there is no context at all"},
        {"AnUnknownCluster", "users: [{name: u}]\n" + with_context, not_found,
         "contexts[x].context.cluster is \"c\", which no file has", "there is no cluster at all"},
        {"AnUnknownUser", "users: [{name: v}]\n" + with_cluster + with_context, not_found,
         "contexts[x].context.user is \"u\", which no file has", "choose one of: v"},
        {"NoServer", around("", ""), invalid_argument, "clusters[c].cluster.server is missing",
         "https://host:port"},
        {"AServerWithoutScheme", around("server: 'host:6443'", ""), invalid_argument,
         "has no https:// in front", "https://host:port"},
        {"AServerWithoutHost", around("server: 'https:///x'", ""), invalid_argument,
         "names no host", "https://host:port"},
        {"AServerWithAUser", around("server: 'https://me:s3cr3t@a'", ""), invalid_argument,
         "has a user name in it", "https://host:port"},
        {"AServerWithABlank", around("server: 'https://a b'", ""), invalid_argument, "blanks",
         "https://host:port"},
        {"AnUnknownProxy", around("server: 'https://a', proxy-url: 'ftp://me:s3cr3t@p'", ""),
         invalid_argument, "proxy-url is neither", "http://host:port"},
        {"InsecureWithACa",
         around("server: 'https://a', insecure-skip-tls-verify: true, "
                "certificate-authority-data: @CA@",
                ""),
         invalid_argument, "there is a certificate-authority, too", "remove one"},
        {"AnAuthProvider", with_user("auth-provider: {name: gcp, config: {access-token: s3cr3t}}"),
         unsupported, "\"gcp\" is a thing of the past", "gke-gcloud-auth-plugin"},
        {"AnAuthProviderOfAzure", with_user("auth-provider: {name: azure}"), unsupported,
         "\"azure\" is", "kubelogin"},
        {"ATokenAndAPassword", with_user("token: s3cr3t, username: me, password: s3cr3t"),
         invalid_argument, "users[u].user has a token and a username", "remove one"},
        {"ATokenThatBreaksTheHeader", with_user("token: \"s3cr3t\\r\\nHost: x\""), invalid_argument,
         "token has blanks or control characters", "correct"},
        {"DataThatIsNotBase64", with_user("client-certificate-data: '-----BEGIN s3cr3t'"),
         invalid_argument, "client-certificate-data is not base64", "client-certificate"},
        {"DataThatIsNotPem", with_user("client-key-data: czNjcjN0"), invalid_argument,
         "client-key-data is not PEM", "openssl"},
        {"ACertificateWithoutAKey", with_user("client-certificate-data: @CERT@"), invalid_argument,
         "client-key is missing", "add the key"},
        {"AMissingFile", with_user("client-certificate: missing.crt, client-key-data: @KEY@"),
         not_found, "client-certificate, ", "check the path"},
        {"AMissingTokenFile", with_user("tokenFile: missing"), not_found, "users[u].user.tokenFile",
         "check the path"},
        {"AFolderForAFile", with_user("tokenFile: /"), invalid_argument, "not a regular file",
         "another file"},
        {"AnEndlessFile", with_user("tokenFile: /dev/zero"), invalid_argument, "not a regular file",
         "another file"},
        {"GroupsWithoutAUser", with_user("as-groups: [a]"), invalid_argument, "as is missing",
         "say who"},
        {"AGroupThatIsANumber", with_user("as: a, as-groups: [1]"), invalid_argument,
         "as-groups holds a number", "quotes"},
        {"ANamespaceThatIsNone",
         with_cluster + "contexts: [{name: x, context: {cluster: c, namespace: ../../etc}}]\n"
                        "current-context: x",
         invalid_argument, "namespace is not the name", "small letters"},
        {"AnInteractivePlugin", with_exec(", interactiveMode: Always"), unsupported,
         "exec.interactiveMode is Always", "service account"},
        {"AnUnknownMode", with_exec(", interactiveMode: Sometimes"), invalid_argument,
         "exec.interactiveMode is neither", "Never"},
        {"ModeIsNeededInV1",
         with_user("exec: {command: p, apiVersion: client.authentication.k8s.io/v1}"),
         invalid_argument, "exec.interactiveMode is neither", "Never"},
        {"AnOldPlugin",
         with_user("exec: {command: p, apiVersion: client.authentication.k8s.io/v1alpha1}"),
         unsupported, "exec.apiVersion is \"client.authentication.k8s.io/v1alpha1\"", "update"},
        {"APluginWithoutACommand",
         with_user("exec: {apiVersion: client.authentication.k8s.io/v1beta1}"), invalid_argument,
         "exec.command is missing", "name the"},
        {"AVariableWithoutAName", with_exec(", env: [{value: s3cr3t}]"), invalid_argument,
         "exec.env.name is not the name", "correct"},
        {"TooMuch", std::string((1U << 20U) + 1, '#'), invalid_argument, "longer than 1024 KiB",
         "another file"},
    };
  }
};

TEST_P(WrongKubeconfigTest, IsToldInOneLineWithoutSecrets) {
  const Wrong wrong = all()[static_cast<std::size_t>(GetParam())];
  const auto config = load(wrong.text);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, wrong.code) << config.error().to_string();
  EXPECT_THAT(config.error().message, HasSubstr(wrong.message));
  EXPECT_THAT(config.error().message, HasSubstr(files_.path("")));
  EXPECT_THAT(config.error().remedy, HasSubstr(wrong.remedy));
  EXPECT_THAT(config.error().to_string(), Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(config.error().to_string(), Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongKubeconfigTest,
    testing::Range(0, static_cast<int>(WrongKubeconfigTest::all().size())), [](const auto& test) {
      return std::string(WrongKubeconfigTest::all()[static_cast<std::size_t>(test.param)].name);
    });

}  // namespace
}  // namespace tenure::kube
