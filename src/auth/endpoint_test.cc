#include "auth/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string host_of(const std::string& url, PlainHttp allowed = PlainHttp::on_loopback) {
  return check_endpoint("token_uri", url, allowed).value_or("refused");
}

TEST(Endpoint, HttpsAnywhereAndHttpOnLoopback) {
  EXPECT_EQ(host_of("https://oauth2.googleapis.com/token"), "oauth2.googleapis.com");
  EXPECT_EQ(host_of("https://a.example:8443?q"), "a.example:8443");
  EXPECT_EQ(host_of("https://[2001:db8::1]:443/"), "[2001:db8::1]:443");
  EXPECT_EQ(host_of("http://127.0.0.1:80/x"), "127.0.0.1:80");
  EXPECT_EQ(host_of("http://127.255.0.9/x"), "127.255.0.9");
  EXPECT_EQ(host_of("http://localhost:1"), "localhost:1");
  EXPECT_EQ(host_of("http://[::1]:1/x"), "[::1]:1");
}

TEST(Endpoint, SecretsTravelNoOtherWay) {
  for (const char* url :
       {"http://oauth2.googleapis.com/token", "http://10.0.0.1/", "http://127.1/",
        "http://2130706433/", "http://127.0.0.1.example.com/", "http://localhost.example.com/",
        "http://example.com#@127.0.0.1/", "http://169.254.169.254/", "http://[::ffff:127.0.0.1]/",
        "http://128.0.0.1/"})
    EXPECT_EQ(host_of(url), "refused") << url;
}

TEST(Endpoint, WhatProgramsReadDifferentlyIsRefused) {
  for (const char* url :
       {"", "https://", "https:///path", "ftp://a/", "HTTPS://a/", "//a/", "https://a b/",
        "https://a\r\nX: y/", "https://me:word@a/", "https://127.0.0.1\\@a/", "https://a:/",
        "https://a:123456/", "https://a:b/", "https://[::1", "https://[::1]x/", "https://%61/",
        "https://\xc3\xbc/", "file:///etc/passwd"})
    EXPECT_EQ(host_of(url), "refused") << url;
  EXPECT_EQ(host_of("https://a/" + std::string(5000, 'x')), "refused");
}

TEST(Endpoint, MetadataServersOfCloudsAreLinkLocal) {
  const auto allowed = PlainHttp::on_loopback_and_link_local;
  EXPECT_EQ(host_of("http://169.254.169.254/metadata/x?y=z", allowed), "169.254.169.254");
  EXPECT_EQ(host_of("http://169.253.0.1/", allowed), "refused");
  EXPECT_EQ(host_of("http://example.com/", allowed), "refused");
}

TEST(Endpoint, TheErrorNamesTheFieldAndNotTheUrl) {
  const auto checked = check_endpoint("token_uri", "http://a/?key=s3cr3t", PlainHttp::on_loopback);
  EXPECT_EQ(checked.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(checked.error().to_string(), HasSubstr("token_uri is an http URL"));
  EXPECT_THAT(checked.error().to_string(), Not(HasSubstr("s3cr3t")));
}

TEST(Endpoint, AHostWithOrWithoutAPort) {
  for (const char* good : {"metadata.google.internal", "127.0.0.1:8080", "[fd20:ce::254]:80", "a"})
    EXPECT_TRUE(is_authority(good)) << good;
  for (const char* bad : {"", ":80", "a:", "a/b", "a b", "http://a", "a@b", "a:1:2", "[::1", "a?b"})
    EXPECT_FALSE(is_authority(bad)) << bad;
}

}  // namespace
}  // namespace tenure
