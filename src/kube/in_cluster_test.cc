#include "kube/in_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/testing/temp_files.h"
#include "kube/testing/kubeconfig_samples.h"

namespace tenure::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class InClusterTest : public testing::Test {
 protected:
  InClusterTest() {
    files_.write("sa/token", "t0ken");
    files_.write("sa/ca.crt", kCa);
    files_.write("sa/namespace", "team-a");
  }

  InClusterRequest in_pod() const {
    return {.host = "10.96.0.1", .port = "443", .folder = files_.path("sa")};
  }
  std::string kubeconfig(const std::string& name) const {
    return files_.write(name, "clusters: [{name: c, cluster: {server: 'https://" + name +
                                  "'}}]\ncontexts: [{name: x, context: {cluster: c}}, {name: y, "
                                  "context: {cluster: c}}]\ncurrent-context: x\n");
  }
  static std::string source_of(const ClusterRequest& request) {
    const auto config = discover_cluster(request);
    return config ? config->source : config.error().to_string();
  }

  const TempFiles files_;
};

TEST_F(InClusterTest, APodReachesItsCluster) {
  const auto config = load_in_cluster(in_pod());
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->server, "https://10.96.0.1:443");
  EXPECT_EQ(config->ca_pem, kCa);
  EXPECT_EQ(config->token_file, files_.path("sa/token"));
  EXPECT_EQ(config->namespace_name, "team-a");
  EXPECT_EQ(config->source, "in-cluster");
  EXPECT_THAT(config->warnings, IsEmpty());
}

TEST_F(InClusterTest, AnIpv6AddressIsPutInBrackets) {
  InClusterRequest request = in_pod();
  request.host = "fd00:10:96::1";
  EXPECT_EQ(load_in_cluster(request)->server, "https://[fd00:10:96::1]:443");
}

TEST_F(InClusterTest, OutsideOfAPodThatIsSaid) {
  for (const auto& [host, port] : {std::pair("", ""), {"10.0.0.1", ""}, {"", "443"}}) {
    const auto config = load_in_cluster({.host = host, .port = port});
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, ErrorCode::not_found);
    EXPECT_THAT(config.error().message, HasSubstr("does not run in a cluster"));
  }
}

TEST_F(InClusterTest, OddAddressesAreRefused) {
  for (const auto& [host, port] : {std::pair("a/b", "443"),
                                   {"a@b", "443"},
                                   {"a", "0"},
                                   {"a", "65536"},
                                   {"a", "44x"},
                                   {"a b", "443"}}) {
    const auto config = load_in_cluster({.host = host, .port = port, .folder = files_.path("sa")});
    ASSERT_FALSE(config) << host << port;
    EXPECT_EQ(config.error().code, ErrorCode::invalid_argument);
  }
}

TEST_F(InClusterTest, APodWithoutATokenIsToldWhatToDo) {
  std::filesystem::remove(files_.path("sa/token"));
  const auto config = load_in_cluster(in_pod());
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().remedy, HasSubstr("automountServiceAccountToken"));
}

TEST_F(InClusterTest, WithoutAUsableCaTheSystemsAuthoritiesAreAskedWithAWarning) {
  files_.write("sa/ca.crt", "garbage");
  EXPECT_THAT(load_in_cluster(in_pod())->warnings, ElementsAre(HasSubstr("is not PEM")));
  std::filesystem::remove(files_.path("sa/ca.crt"));
  const auto config = load_in_cluster(in_pod());
  EXPECT_EQ(config->ca_pem, "");
  EXPECT_THAT(config->warnings, ElementsAre(HasSubstr("the system's authorities")));
}

TEST_F(InClusterTest, WithoutANamespaceFileItIsDefault) {
  std::filesystem::remove(files_.path("sa/namespace"));
  EXPECT_EQ(load_in_cluster(in_pod())->namespace_name, "default");
}

TEST_F(InClusterTest, WhatIsGivenExplicitlyComesFirst) {
  const std::string path = kubeconfig("path");
  const std::string variable = kubeconfig("variable");
  kubeconfig("home/.kube/config");
  const std::string home = files_.path("home");
  const std::string from_home = "context x of " + files_.path("home/.kube/config");
  const InClusterRequest pod = in_pod();
  EXPECT_EQ(source_of({{.path = path, .kubeconfig_variable = variable, .home = home}, pod}),
            "context x of " + path);
  EXPECT_EQ(source_of({{.home = home, .context = "y"}, pod}),
            "context y of " + files_.path("home/.kube/config"));
  EXPECT_EQ(source_of({{.kubeconfig_variable = variable, .home = home}, pod}),
            "context x of " + variable);
  EXPECT_EQ(source_of({{.home = home}, pod}), "in-cluster");
  EXPECT_EQ(source_of({{.home = home}, {}}), from_home);
}

TEST_F(InClusterTest, AVariableThatLeadsNowhereCountsAsNotSet) {
  EXPECT_EQ(source_of({{.kubeconfig_variable = files_.path("missing")}, in_pod()}), "in-cluster");
  EXPECT_EQ(source_of({{.kubeconfig_variable = files_.write("empty", "")}, in_pod()}),
            "in-cluster");
}

TEST_F(InClusterTest, ABrokenKubeconfigIsNotPassedOver) {
  const std::string broken = files_.write("broken", "[");
  EXPECT_THAT(source_of({{.kubeconfig_variable = broken}, in_pod()}), HasSubstr(broken));
  files_.write("home/.kube/config", "[");
  EXPECT_THAT(source_of({{.home = files_.path("home")}, {}}), HasSubstr("as YAML"));
}

TEST_F(InClusterTest, APodWithoutATokenFallsBackToTheHomeFolder) {
  kubeconfig("home/.kube/config");
  std::filesystem::remove(files_.path("sa/token"));
  EXPECT_EQ(source_of({{.home = files_.path("home")}, in_pod()}),
            "context x of " + files_.path("home/.kube/config"));
  EXPECT_THAT(source_of({{}, in_pod()}), HasSubstr("automountServiceAccountToken"));
}

TEST_F(InClusterTest, NothingAnywhereIsSaidInOneLine) {
  const auto config = discover_cluster({{.home = "/missing"}, {}});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::not_found);
  EXPECT_THAT(config.error().message, HasSubstr("/missing/.kube/config"));
}

}  // namespace
}  // namespace tenure::kube
