#include "store/lease_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/duration.h"

namespace tenure {
namespace {

using testing::HasSubstr;
using testing::Not;

LeaderElectionRecord held_record() {
  LeaderElectionRecord record;
  record.holder_identity = "pod-a";
  record.lease_duration_seconds = 15;
  record.acquire_time = *parse_rfc3339("2026-01-02T03:04:05.000001Z");
  record.renew_time = *parse_rfc3339("2026-01-02T03:04:06.123456Z");
  record.leader_transitions = 7;
  record.write_id = {0x0123456789abcdef, 0xfedcba9876543211};
  record.cluster = "eu-west";
  return record;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// As the API server sends it back.
std::string stored(const LeaderElectionRecord& record) {
  return encode_lease(record, "default", "my-job", "41@u-1");
}

/// What client-go's LeaseLock makes of a Lease: it replaces the spec and leaves the rest alone.
/// k8s.io/client-go/tools/leaderelection/resourcelock/leaselock.go, Update.
std::string renewed_by_client_go(const std::string& lease) {
  return replaced(lease, R"("renewTime":"2026-01-02T03:04:06.123456Z")",
                  R"("renewTime":"2026-01-02T03:04:08.654321Z")");
}

TEST(LeaseCodec, WritesTheSpecAsClientGoDoes) {
  EXPECT_EQ(
      stored(held_record()),
      R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",)"
      R"("metadata":{"name":"my-job","namespace":"default","resourceVersion":"41","uid":"u-1","annotations":{)"
      R"("tenure.dev/format":"1","tenure.dev/cluster":"eu-west",)"
      R"("tenure.dev/write-id":"0123456789abcdeffedcba9876543211",)"
      R"("tenure.dev/write-of":"2026-01-02T03:04:06.123456Z 7 pod-a"}},)"
      R"("spec":{"holderIdentity":"pod-a","leaseDurationSeconds":15,)"
      R"("acquireTime":"2026-01-02T03:04:05.000001Z","renewTime":"2026-01-02T03:04:06.123456Z",)"
      R"("leaseTransitions":7}})");
}

TEST(LeaseCodec, AReleasedLeaseHasAnEmptyHolderNotAnAbsentOne) {
  auto record = held_record();
  record.holder_identity = "";
  record.lease_duration_seconds = 1;
  EXPECT_THAT(stored(record),
              HasSubstr(R"("spec":{"holderIdentity":"","leaseDurationSeconds":1,)"));
  EXPECT_TRUE(decode_lease(stored(record)).record.is_free());
}

TEST(LeaseCodec, ALeaseToBeCreatedHasNoVersion) {
  EXPECT_THAT(encode_lease(held_record(), "default", "my-job", ""),
              Not(HasSubstr("resourceVersion")));
}

TEST(LeaseCodec, WhatWasWrittenIsReadBack) {
  auto record = held_record();
  record.resign_epoch = 7;
  const Observation found = decode_lease(stored(record));
  ASSERT_EQ(found.kind, Observation::Kind::record) << found.problem;
  EXPECT_EQ(found.record, record);
  EXPECT_EQ(found.version, "41@u-1");
}

TEST(LeaseCodec, ReadsALeaseOfClientGo) {
  const Observation found = decode_lease(
      R"({"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"x",)"
      R"("namespace":"default","uid":"1-2","resourceVersion":"99","creationTimestamp":null,)"
      R"("managedFields":[{"manager":"go"}]},"spec":{"holderIdentity":"go-pod_1",)"
      R"("leaseDurationSeconds":15,"acquireTime":"2026-01-02T03:04:05.000000Z",)"
      R"("renewTime":"2026-01-02T03:04:06.000000Z","leaseTransitions":3}})");
  ASSERT_EQ(found.kind, Observation::Kind::record) << found.problem;
  EXPECT_EQ(found.record.holder_identity, "go-pod_1");
  EXPECT_EQ(found.record.leader_transitions, 3);
  EXPECT_EQ(found.record.lease_duration_seconds, 15);
  EXPECT_FALSE(found.record.write_id.present());
  EXPECT_EQ(found.record.unknown_json, "") << "what the server keeps by itself is not sent back";
}

TEST(LeaseCodec, ALeaseThatNobodyHasHeldIsFree) {
  for (const char* spec : {R"({})", R"({"spec":{}})", R"({"spec":null})",
                           R"({"spec":{"holderIdentity":null,"leaseTransitions":null}})"}) {
    const std::string lease = replaced(spec, "{",
                                       R"({"metadata":{"resourceVersion":"5","uid":"u"})" +
                                           std::string(std::string(spec) == "{}" ? "" : ","));
    const Observation found = decode_lease(lease);
    ASSERT_EQ(found.kind, Observation::Kind::record) << lease << ": " << found.problem;
    EXPECT_TRUE(found.record.is_free());
    EXPECT_EQ(found.record.leader_transitions, 0);
  }
}

TEST(LeaseCodec, C2_AWriteIdDoesNotOutliveAGoProgramsWrite) {
  const std::string ours = stored(held_record());
  EXPECT_TRUE(decode_lease(ours).record.write_id.present());
  for (const std::string& theirs :
       {renewed_by_client_go(ours),
        replaced(ours, R"("holderIdentity":"pod-a")", R"("holderIdentity":"pod-b")"),
        replaced(ours, R"("leaseTransitions":7)", R"("leaseTransitions":8)")}) {
    const Observation found = decode_lease(theirs);
    ASSERT_EQ(found.kind, Observation::Kind::record) << found.problem;
    EXPECT_FALSE(found.record.write_id.present()) << theirs;
  }
}

TEST(LeaseCodec, LabelsOwnersAndForeignAnnotationsSurviveAnUpdate) {
  const std::string lease =
      R"({"metadata":{"name":"my-job","namespace":"default","resourceVersion":"5","uid":"u",)"
      R"("labels":{"team":"a"},"ownerReferences":[{"kind":"Deployment","name":"d","uid":"1"}],)"
      R"("finalizers":["x/y"],"annotations":{"tenure.dev/write-id":"stale","note":"keep me"}},)"
      R"("spec":{"holderIdentity":"a","fromTheFuture":{"n":1}}})";
  auto record = decode_lease(lease).record;
  record.holder_identity = "pod-a";
  const std::string written = encode_lease(record, "default", "my-job", "5@u");
  for (const char* kept :
       {R"("labels":{"team":"a"})",
        R"("ownerReferences":[{"kind":"Deployment","name":"d","uid":"1"}])",
        R"("finalizers":["x/y"])", R"("note":"keep me")", R"("fromTheFuture":{"n":1})"})
    EXPECT_THAT(written, HasSubstr(kept));
  EXPECT_THAT(written, Not(HasSubstr("stale")));
}

TEST(LeaseCodec, StrategyAndPreferredHolderGoTogetherOrNotAtAll) {
  auto record = held_record();
  record.preferred_holder = "pod-b";
  EXPECT_THAT(stored(record), Not(HasSubstr("preferredHolder")));
  record.strategy = "OldestEmulationVersion";
  EXPECT_THAT(stored(record),
              HasSubstr(R"("strategy":"OldestEmulationVersion","preferredHolder":"pod-b")"));
}

TEST(LeaseCodec, ALeaseOfALaterFormatIsLeftAlone) {
  auto record = held_record();
  record.format = kRecordFormat + 1;
  EXPECT_EQ(decode_lease(stored(record)).kind, Observation::Kind::too_new);
}

TEST(LeaseCodec, WhatIsNoLeaseIsUnreadable) {
  const std::string good = stored(held_record());
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string("[1]"), std::string("<html>"),
        std::string(5000, '['), good.substr(0, good.size() - 1),
        replaced(good, R"("leaseTransitions":7)", R"("leaseTransitions":-1)"),
        replaced(good, R"("leaseTransitions":7)", R"("leaseTransitions":"7")"),
        replaced(good, R"("holderIdentity":"pod-a")", R"("holderIdentity":7)"),
        replaced(good, R"("tenure.dev/format":"1")", R"("tenure.dev/format":"one")")}) {
    const Observation found = decode_lease(bad);
    EXPECT_EQ(found.kind, Observation::Kind::unreadable) << bad.substr(0, 200);
    EXPECT_NE(found.problem, "");
  }
}

TEST(LeaseCodec, ReadsAPageOfAList) {
  const LeasePage page = decode_lease_list(
      R"({"kind":"LeaseList","metadata":{"resourceVersion":"9","continue":"abc"},"items":[)"
      R"({"metadata":{"name":"b","uid":"1","resourceVersion":"7"},"spec":{"holderIdentity":"x"}},)"
      R"({"metadata":{"name":"a","uid":"2","resourceVersion":"8"},"spec":{"holderIdentity":5}}]})");
  ASSERT_TRUE(page.readable);
  EXPECT_EQ(page.next, "abc");
  ASSERT_EQ(page.locks.size(), 2U);
  EXPECT_EQ(page.locks[0].name, "b");
  EXPECT_EQ(page.locks[0].observation.record.holder_identity, "x");
  EXPECT_EQ(page.locks[1].observation.kind, Observation::Kind::unreadable);
  EXPECT_FALSE(decode_lease_list("{}").readable);
  EXPECT_FALSE(decode_lease_list("busy").readable);
}

TEST(LeaseCodec, ReadsTheVersionInAnAnswer) {
  const std::string good = stored(held_record());
  EXPECT_EQ(lease_version(good), decode_lease(good).version);
  EXPECT_NE(lease_version(good), "");
  // Of the Lease itself only, wherever it stands.
  EXPECT_EQ(lease_version(R"({"spec":{"metadata":{"uid":"x","resourceVersion":"1"}},"uid":"y",)"
                          R"("a":[{"metadata":{"uid":"z","resourceVersion":"2"}}],"metadata":)"
                          R"({"labels":{"uid":"l"},"uid":"u","n":1,"resourceVersion":"12"}})"),
            "12@u");
  for (const char* bad : {"", "{}", "[]", R"({"metadata":"uid"})", R"({"metadata":{"uid":"u"}})",
                          R"({"metadata":{"uid":1,"resourceVersion":"1"}})",
                          R"({"object":{"metadata":{"uid":"u","resourceVersion":"1"}}})"})
    EXPECT_EQ(lease_version(bad), "") << bad;
}

TEST(LeaseCodec, ReadsTheRecordInAnEvent) {
  const std::string good = stored(held_record());
  const Observation changed = decode_watched_lease(R"({"type":"MODIFIED","object":)" + good + "}");
  EXPECT_EQ(changed.kind, Observation::Kind::record);
  EXPECT_EQ(changed.version, decode_lease(good).version);
  EXPECT_EQ(changed.record, decode_lease(good).record);
  const Observation gone = decode_watched_lease(R"({"type":"DELETED","object":)" + good + "}");
  EXPECT_EQ(gone.kind, Observation::Kind::absent);
  EXPECT_EQ(gone.version, "");
  EXPECT_EQ(decode_watched_lease("{").kind, Observation::Kind::unreadable);
}

TEST(LeaseCodec, ReadsTheVersionInAnEvent) {
  EXPECT_EQ(watched_version(
                R"({"type":"MODIFIED","object":{"metadata":{"uid":"u","resourceVersion":"12"}}})"),
            "12@u");
  EXPECT_EQ(watched_version(R"({"type":"ERROR","object":{"kind":"Status","code":410}})"), "");
  EXPECT_EQ(watched_version("{\"type\":"), "");
}

TEST(LeaseCodec, KnowsItsOwnVersions) {
  EXPECT_TRUE(may_be_lease_version("12@u"));
  for (const char* other : {"", "12", "@u", "12@", "no number"})
    EXPECT_FALSE(may_be_lease_version(other)) << other;
}

TEST(LeaseName, IsADnsSubdomain) {
  for (const std::string& name : {std::string("a"), std::string("my-job"), std::string("a.b-1.c"),
                                  std::string("0"), std::string(253, 'x')})
    EXPECT_TRUE(check_lease_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("A"), std::string("-a"), std::string("a-"), std::string(".a"),
        std::string("a."), std::string("a..b"), std::string("a.-b"), std::string("a-.b"),
        std::string("a b"), std::string("a/b"), std::string("../a"), std::string("ä"),
        std::string(254, 'x')})
    EXPECT_FALSE(check_lease_name(name)) << name;
}

}  // namespace
}  // namespace tenure
