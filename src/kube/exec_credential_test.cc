#include "kube/exec_credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/duration.h"
#include "kube/testing/kubeconfig_samples.h"

namespace tenure::kube {
namespace {

using testing::HasSubstr;
using testing::Not;

ExecPlugin plugin() {
  ExecPlugin plugin;
  plugin.command = "login";
  plugin.api_version = "client.authentication.k8s.io/v1";
  return plugin;
}

std::string answer(const std::string& status) {
  return R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":)" +
         status + "}\n";
}

TEST(ExecInfo, SaysThatNobodyIsThereAndNoMoreThanAskedFor) {
  ClusterConfig config;
  config.server = "https://a";
  config.exec = plugin();
  EXPECT_EQ(exec_info(config),
            R"({"kind":"ExecCredential","apiVersion":)"
            R"("client.authentication.k8s.io/v1","spec":{"interactive":false}})");
}

TEST(ExecInfo, DescribesTheClusterWhenThePluginWantsIt) {
  ClusterConfig config;
  config.server = "https://a/p";
  config.ca_pem = kCa;
  config.tls_server_name = "b";
  config.proxy_url = "http://c";
  config.disable_compression = true;
  config.token = "s3cr3t";
  config.exec = plugin();
  config.exec->provide_cluster_info = true;
  config.exec->cluster_extension = R"({"audience":"x"})";
  EXPECT_EQ(exec_info(config),
            R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":)"
            R"({"cluster":{"server":"https://a/p","tls-server-name":"b",)"
            R"("certificate-authority-data":")" +
                base64_encoded(kCa) +
                R"(","proxy-url":"http://c","disable-compression":true,)"
                R"("config":{"audience":"x"}},"interactive":false}})");
  config.ca_pem = "";
  config.insecure_skip_tls_verify = true;
  config.exec->cluster_extension = "";
  EXPECT_THAT(exec_info(config), HasSubstr(R"("insecure-skip-tls-verify":true)"));
  EXPECT_THAT(exec_info(config), HasSubstr(R"("config":null)"));
}

TEST(ExecCredential, ATokenWithAnExpiry) {
  const auto parsed = parse_exec_credential(
      answer(R"({"token":"abc","expirationTimestamp":"2026-01-06T10:00:00Z"})"), plugin());
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->credential.authorization, "Bearer abc");
  EXPECT_EQ(parsed->expires, parse_rfc3339("2026-01-06T10:00:00Z").value());
}

TEST(ExecCredential, ACertificateWithoutAnExpiry) {
  const std::string cert = "-----BEGIN CERTIFICATE-----\\nQ0E=\\n-----END CERTIFICATE-----\\n";
  const auto parsed = parse_exec_credential(
      answer(R"({"clientCertificateData":")" + cert + R"(","clientKeyData":")" + cert +
             R"(","expirationTimestamp":null})"),
      plugin());
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->credential.authorization, "");
  EXPECT_EQ(parsed->credential.client_certificate_pem, kCa);
  EXPECT_FALSE(parsed->expires);
}

TEST(ExecCredential, WhatIsWrongIsSaidAndNothingIsQuoted) {
  const std::pair<std::string, const char*> wrong[] = {
      {"", "not a JSON object"},
      {"s3cr3t", "not a JSON object"},
      {"[]", "not a JSON object"},
      {std::string(100'000, '['), "not a JSON object"},
      {"{}", "kind is not ExecCredential"},
      {R"({"kind":7})", "kind is not ExecCredential"},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"})",
       "apiVersion is not client.authentication.k8s.io/v1,"},
      {R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"})", "no status"},
      {answer("7"), "no status"},
      {answer("{}"), "neither a token nor a certificate"},
      {answer(R"({"token":7})"), "status.token is not a text"},
      {answer(R"({"token":"s3cr3t\r\nX: y"})"), "status.token has blanks"},
      {answer(R"({"token":"s3cr3t","clientKeyData":"k"})"), "without the other"},
      {answer(R"({"clientCertificateData":"a","clientKeyData":"s3cr3t"})"), "not PEM"},
      {answer(R"({"token":"s3cr3t","expirationTimestamp":"tomorrow"})"), "not a time"},
  };
  for (const auto& [output, why] : wrong) {
    const auto parsed = parse_exec_credential(output, plugin());
    ASSERT_FALSE(parsed) << output;
    EXPECT_EQ(parsed.error().code, ErrorCode::corrupt);
    EXPECT_THAT(parsed.error().message, HasSubstr(why));
    EXPECT_THAT(parsed.error().message, HasSubstr("\"login\""));
    EXPECT_THAT(parsed.error().to_string(), Not(HasSubstr("s3cr3t")));
  }
}

}  // namespace
}  // namespace tenure::kube
