#include "store/store_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const StateFolders kFolders{"", "/home/napoleon"};

std::string error_of(std::string_view url) {
  const auto parsed = parse_store_url(url, kFolders);
  return parsed ? "no error" : parsed.error().to_string();
}

TEST(StoreUrl, NamesASqliteFile) {
  const auto url = parse_store_url("sqlite:///var/lib/app/locks.db", kFolders);
  ASSERT_TRUE(url) << url.error().to_string();
  EXPECT_EQ(url->kind, StoreUrl::Kind::sqlite);
  EXPECT_EQ(url->path, "/var/lib/app/locks.db");
  EXPECT_FALSE(url->in_state_folder);
  EXPECT_EQ(url->overrides, SettingsOverrides{});
  EXPECT_EQ(parse_store_url("SQLite:////srv/a.db", kFolders)->path, "/srv/a.db");
}

TEST(StoreUrl, DecodesPercentSignsInThePath) {
  EXPECT_EQ(parse_store_url("sqlite:///a%20b/100%25%3f.db", kFolders)->path, "/a b/100%?.db");
  EXPECT_THAT(error_of("sqlite:///a%2"), HasSubstr("hexadecimal"));
  EXPECT_THAT(error_of("sqlite:///a%zz"), HasSubstr("hexadecimal"));
  EXPECT_THAT(error_of("sqlite:///a%00b"), HasSubstr("NUL"));
}

TEST(StoreUrl, DefaultsToTheStateFolder) {
  for (const char* text : {"", "sqlite:", "?retry-period=1s"}) {
    const auto url = parse_store_url(text, kFolders);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->path, "/home/napoleon/.local/state/tenure/locks.db");
    EXPECT_TRUE(url->in_state_folder);
  }
  EXPECT_EQ(parse_store_url("sqlite:", {"/state", "/home/x"})->path, "/state/tenure/locks.db");
  EXPECT_EQ(parse_store_url("sqlite:", {"relative", "/h"})->path,
            "/h/.local/state/tenure/locks.db");
  const auto homeless = parse_store_url("sqlite:", {});
  ASSERT_FALSE(homeless);
  EXPECT_THAT(homeless.error().to_string(), HasSubstr("HOME and XDG_STATE_HOME are not set"));
}

TEST(StoreUrl, RefusesARelativePathAndShowsTheRightSpelling) {
  for (const char* text : {"sqlite://relative/path.db", "sqlite:path.db", "sqlite:/a.db"})
    EXPECT_THAT(error_of(text), HasSubstr("sqlite:///absolute/path/locks.db")) << text;
  EXPECT_THAT(error_of("sqlite:///var/lib/"), HasSubstr("folder"));
  EXPECT_THAT(error_of("sqlite:///"), HasSubstr("folder"));
}

TEST(StoreUrl, CarriesDurations) {
  const auto url = parse_store_url(
      "memory:?lease-duration=30s&renew-deadline=20s&retry-period=2s&request-timeout=1.5s"
      "&stop-margin=250ms",
      kFolders);
  ASSERT_TRUE(url) << url.error().to_string();
  Settings settings;
  url->overrides.apply_to(settings);
  EXPECT_EQ(settings.lease_duration, seconds(30));
  EXPECT_EQ(settings.renew_deadline, seconds(20));
  EXPECT_EQ(settings.retry_period, seconds(2));
  EXPECT_EQ(settings.request_timeout, milliseconds(1500));
  EXPECT_EQ(settings.stop_margin, milliseconds(250));

  Settings partly;
  parse_store_url("memory:?retry-period=1s", kFolders)->overrides.apply_to(partly);
  EXPECT_EQ(partly.retry_period, seconds(1));
  EXPECT_EQ(partly.lease_duration, Settings{}.lease_duration);
}

TEST(StoreUrl, RefusesSettingsThatItDoesNotKnow) {
  EXPECT_THAT(error_of("memory:?lease=15s"),
              HasSubstr("unknown setting \"lease\"; known are lease-duration, renew-deadline"));
  EXPECT_THAT(error_of("memory:?retry-period=2"), HasSubstr("retry-period is not a duration"));
  EXPECT_THAT(error_of("memory:?retry-period"), HasSubstr("retry-period is not a duration"));
  EXPECT_THAT(error_of("memory:?retry-period=2s&retry-period=3s"), HasSubstr("twice"));
}

TEST(StoreUrl, SaysWhichStoresThisBuildLacks) {
  for (const char* text : {"s3://bucket", "azblob://a/c", "etcd://h1:2379", "etcds://h",
                           "postgres://h/db", "gist://1234"}) {
    const auto url = parse_store_url(text, kFolders);
    ASSERT_FALSE(url);
    EXPECT_EQ(url.error().code, ErrorCode::unsupported) << text;
    EXPECT_THAT(url.error().to_string(), HasSubstr("not available in this build"));
  }
  EXPECT_THAT(error_of("redis://h"), HasSubstr("no known kind of store"));
  EXPECT_THAT(error_of("/var/locks.db"), HasSubstr("no known kind of store"));
  EXPECT_THAT(error_of("memory:x"), HasSubstr("write memory:"));
}

TEST(StoreUrl, NamesANamespaceOfACluster) {
  const auto url = parse_store_url("k8s://prod/team-a?kubeconfig=%2Fhome%2Fme%2Fconfig", kFolders);
  ASSERT_TRUE(url) << url.error().to_string();
  EXPECT_EQ(url->kind, StoreUrl::Kind::k8s);
  EXPECT_EQ(url->context, "prod");
  EXPECT_EQ(url->namespace_name, "team-a");
  EXPECT_EQ(url->kubeconfig, "/home/me/config");

  const auto alone = parse_store_url("k8s://default?retry-period=1s", kFolders);
  ASSERT_TRUE(alone) << alone.error().to_string();
  EXPECT_EQ(alone->context, "");
  EXPECT_EQ(alone->namespace_name, "default");
  EXPECT_EQ(alone->overrides.retry_period, seconds(1));

  EXPECT_EQ(parse_store_url("k8s:///default", kFolders)->namespace_name, "default");
  EXPECT_EQ(parse_store_url("k8s:", kFolders)->namespace_name, "");
  EXPECT_EQ(parse_store_url("K8S://arn:aws:eks:eu:1:cluster%2Fa/ns", kFolders)->context,
            "arn:aws:eks:eu:1:cluster/a");
  EXPECT_EQ(parse_store_url("k8s://admin@kind/ns", kFolders)->context, "admin@kind");
  EXPECT_EQ(redact_url("k8s://admin@kind/ns"), "k8s://admin@kind/ns");
}

TEST(StoreUrl, NamesTheMultiClusterLeasesOfANamespace) {
  const auto url = parse_store_url("mcl://admin@kind/team?kubeconfig=/config", kFolders);
  ASSERT_TRUE(url) << url.error().to_string();
  EXPECT_EQ(url->kind, StoreUrl::Kind::mcl);
  EXPECT_EQ(url->context, "admin@kind");
  EXPECT_EQ(url->namespace_name, "team");
  EXPECT_EQ(url->kubeconfig, "/config");
  EXPECT_EQ(redact_url("mcl://admin@kind/team"), "mcl://admin@kind/team");
  EXPECT_THAT(error_of("mcl://Team"), HasSubstr("write mcl://namespace or mcl://context"));
}

TEST(StoreUrl, RefusesWhatIsNoNamespace) {
  for (const char* text : {"k8s://Default", "k8s://a/b/c", "k8s://-a", "k8s://a_b", "k8s://ctx/..",
                           "k8s://ctx/a?b", "k8s:default", "k8s://%zz/a"})
    EXPECT_THAT(error_of(text), HasSubstr("k8s:")) << text;
  EXPECT_THAT(error_of("k8s://Default"), HasSubstr("cannot be the name of a namespace"));
  EXPECT_THAT(error_of("k8s://a?kubeconfig="), HasSubstr("kubeconfig is not a path"));
  EXPECT_THAT(error_of("k8s://a?kubeconfig=/a&kubeconfig=/b"), HasSubstr("twice"));
  EXPECT_THAT(error_of("sqlite:?kubeconfig=/a"), HasSubstr("unknown setting \"kubeconfig\""));
}

TEST(StoreUrl, NamesABucketAndAPrefix) {
  const auto url = parse_store_url("gs://my-locks/team%20a/prod?retry-period=2s", kFolders);
  ASSERT_TRUE(url) << url.error().to_string();
  EXPECT_EQ(url->kind, StoreUrl::Kind::gs);
  EXPECT_EQ(url->bucket, "my-locks");
  EXPECT_EQ(url->prefix, "team a/prod/");
  EXPECT_EQ(url->endpoint, "");
  EXPECT_EQ(url->overrides.retry_period, seconds(2));
  for (const char* text : {"gs://my-locks", "gs://my-locks/", "GS://my-locks"})
    EXPECT_EQ(parse_store_url(text, kFolders)->prefix, "") << text;
  EXPECT_EQ(parse_store_url("gs://my-locks/a/", kFolders)->prefix, "a/");
  EXPECT_EQ(parse_store_url("gs://b.example.com/a", kFolders)->bucket, "b.example.com");
}

TEST(StoreUrl, BucketNamesFollowGooglesRules) {
  const std::string part(63, 'x');
  for (const std::string& name :
       {std::string("abc"), std::string("0-0"), std::string("a_b"), part,
        part + "." + part + "." + part, std::string("1.2.3.4.5"), std::string("1.2.3.a")})
    EXPECT_TRUE(parse_store_url("gs://" + name, kFolders)) << name;
  for (const std::string& name :
       {std::string(), std::string("ab"), std::string("Abc"), std::string("-abc"),
        std::string("abc-"), std::string("_abc"), std::string("a..b"), std::string("a b"),
        std::string("192.168.5.4"), part + "x", part + "x.a", std::string("a%62c"),
        std::string("me@abc"), part + "." + part + "." + part + "." + part})
    EXPECT_THAT(error_of("gs://" + name + "/prefix"), HasSubstr("cannot be the name of a bucket"))
        << name;
  EXPECT_THAT(error_of("gs:my-locks"), HasSubstr("write gs://bucket"));
  EXPECT_THAT(error_of("gs:"), HasSubstr("write gs://bucket"));
}

TEST(StoreUrl, APrefixIsTextThatLeavesRoomForNames) {
  EXPECT_TRUE(parse_store_url("gs://abc/" + std::string(512, 'x'), kFolders));
  EXPECT_THAT(error_of("gs://abc/" + std::string(513, 'x')), HasSubstr("at most 512"));
  EXPECT_THAT(error_of("gs://abc/%zz"), HasSubstr("hexadecimal"));
  EXPECT_THAT(error_of("gs://abc/a%0ab"), HasSubstr("control character at byte 2"));
  EXPECT_THAT(error_of("gs://abc/%ff"), HasSubstr("not UTF-8"));
}

TEST(StoreUrl, AnEndpointIsOnlyAnAddress) {
  const auto endpoint = [](const std::string& value) {
    const auto url = parse_store_url("gs://abc?endpoint=" + value, kFolders);
    return url ? url->endpoint : url.error().to_string();
  };
  EXPECT_EQ(endpoint("https://storage.me-central2.rep.googleapis.com"),
            "https://storage.me-central2.rep.googleapis.com");
  EXPECT_EQ(endpoint("http%3A%2F%2F127.0.0.1%3A4443%2F"), "http://127.0.0.1:4443");
  EXPECT_EQ(endpoint("http://[::1]:4443"), "http://[::1]:4443");
  for (const char* bad :
       {"", "127.0.0.1:4443", "ftp://host", "https://", "https://host/path", "https://user@host",
        "https://host%3Fx", "https://host%20x", "https://h%00"})
    EXPECT_THAT(endpoint(bad), HasSubstr("endpoint is not an address")) << bad;
  EXPECT_THAT(error_of("gs://abc?endpoint=http://a&endpoint=http://b"), HasSubstr("twice"));
  EXPECT_THAT(error_of("k8s://abc?endpoint=http://a"), HasSubstr("unknown setting \"endpoint\""));
  EXPECT_THAT(error_of("gs://abc?kubeconfig=/a"), HasSubstr("known are endpoint, lease-duration"));
}

TEST(StoreUrl, ErrorsShowNoSecret) {
  for (const char* text : {"postgres://user:se/cr@et@host/db?password=secret", "sqlite://secret@x",
                           "redis://:secret@host?token=secret", "memory:?lease-duration=secret"})
    EXPECT_THAT(error_of(text), Not(HasSubstr("secret"))) << text;
  EXPECT_THAT(error_of("postgres://user:pass@host/db"), HasSubstr("postgres://***@host/db"));
  EXPECT_EQ(redact_url("sqlite:///srv/a@b.db"), "sqlite:///srv/a@b.db");
}

TEST(LockName, MayBeAlmostAnything) {
  for (std::string_view name : {"a", "team/backup job", "Πηνελόπη", "猫", "👑", "'; DROP TABLE"})
    EXPECT_TRUE(check_lock_name(name)) << name;
  EXPECT_TRUE(check_lock_name(std::string(253, 'x')));
}

TEST(LockName, RefusalSaysWhichRule) {
  const auto why = [](std::string_view name) {
    const Status status = check_lock_name(name);
    return status ? "accepted" : status.error().to_string();
  };
  EXPECT_THAT(why(""), HasSubstr("is empty"));
  EXPECT_THAT(why(std::string(254, 'x')), HasSubstr("254 bytes"));
  EXPECT_THAT(why(std::string_view("a\0b", 3)), HasSubstr("control character at byte 2"));
  EXPECT_THAT(why("a\tb"), HasSubstr("control character"));
  EXPECT_THAT(why("a\x7f"), HasSubstr("control character"));
  EXPECT_THAT(why("\xc2\x85"), HasSubstr("control character"));
  for (std::string_view bad : {"a\xff", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
                               "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "\x80"})
    EXPECT_THAT(why(bad), HasSubstr("not UTF-8")) << testing::PrintToString(bad);
}

}  // namespace
}  // namespace tenure
