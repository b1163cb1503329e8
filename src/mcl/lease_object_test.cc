#include "mcl/lease_object.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tenure::mcl {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// As the Go lock writes it.
constexpr const char* kObject = R"({
  "apiVersion": "multicluster.core.cnrm.cloud.google.com/v1alpha1", "kind": "MultiClusterLease",
  "metadata": {"name": "lock", "namespace": "team", "uid": "u", "resourceVersion": "42", "generation": 7},
  "spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 60, "retryPeriodSeconds": 10,
           "renewTime": "2026-01-02T03:04:05.123456Z"},
  "status": {"observedGeneration": 6, "globalHolderIdentity": "pod-1", "globalRenewTime": "2026-01-02T03:04:03Z",
             "globalLeaseTransitions": 3,
             "conditions": [{"type": "BackendHealthy", "status": "True", "reason": "BackendHealthy", "message": "fine",
                             "lastTransitionTime": "2026-01-01T00:00:00Z"},
                            {"type": "Audited", "status": "True", "reason": "Yes", "message": "",
                             "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})";

TEST(LeaseObject, ReadsWhatTheGoLockWrites) {
  const auto object = decode_lease_object(kObject);
  ASSERT_TRUE(object);
  EXPECT_EQ(object->name_space, "team");
  EXPECT_EQ(object->lock, "lock");
  EXPECT_EQ(object->candidate.identity, "pod-1");
  EXPECT_EQ(object->candidate.version, "42");
  EXPECT_EQ(object->candidate.generation, 7);
  EXPECT_EQ(object->candidate.renew_time, "2026-01-02T03:04:05.123456Z");
  EXPECT_EQ(object->candidate.timing.lease_duration, 60s);
  EXPECT_EQ(object->candidate.timing.retry_period, 10s);
  EXPECT_EQ(object->status.observed_generation, 6);
  EXPECT_EQ(object->status.holder, "pod-1");
  EXPECT_EQ(object->status.epoch, 3);
  EXPECT_TRUE(object->status.backend_healthy.holds);
}

TEST(LeaseObject, TimesThatItDoesNotStateAreNone) {
  EXPECT_EQ(decode_lease_object(kObject)->candidate.timing.renew_deadline, 0s);
  Json json = Json::parse(kObject);
  json["spec"] = {{"renewDeadlineSeconds", 40}, {"retryPeriodSeconds", "7"}};
  const CandidateTiming timing = decode_lease_object(json.dump())->candidate.timing;
  EXPECT_EQ(timing.lease_duration, 15s) << "what the protocol takes for it";
  EXPECT_EQ(timing.renew_deadline, 40s);
  EXPECT_EQ(timing.retry_period, 0s);
}

TEST(LeaseObject, ALockMayHaveAnotherNameThanTheObject) {
  Json json = Json::parse(kObject);
  json["spec"]["lockName"] = "shared";
  json["spec"]["priority"] = 5;
  const auto object = decode_lease_object(json.dump());
  EXPECT_EQ(object->lock, "shared");
  EXPECT_EQ(object->candidate.priority, 5);
}

TEST(LeaseObject, OneThatIsBeingDeletedIsNoCandidate) {
  Json json = Json::parse(kObject);
  json["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z";
  EXPECT_EQ(decode_lease_object(json.dump())->candidate.identity, "");
}

TEST(LeaseObject, WhatIsNoLeaseIsNothing) {
  for (const char* bad : {"", "{", "[]", "{}", R"({"metadata":{"name":"a"}})",
                          R"({"metadata":{"namespace":"a"},"spec":7})"})
    EXPECT_FALSE(decode_lease_object(bad)) << bad;
  EXPECT_TRUE(decode_lease_object(
      R"({"metadata":{"name":"a","namespace":"b"},"spec":{"leaseDurationSeconds":"x"},"status":[]})"));
}

Json patch_of(const std::string& json, const LeaseStatus& status, const LockPlace& place) {
  const auto object = decode_lease_object(json);
  if (!object) return nullptr;
  return Json::parse(
      encode_status_patch(status, object->candidate, place, object->foreign_conditions));
}

TEST(LeaseObject, APatchReadsAsWhatItSays) {
  LeaseStatus status;
  status.observed_generation = 7;
  status.holder = "pod-1";
  status.renewed_seconds = 1'767'323'045;
  status.lease_duration_seconds = 60;
  status.epoch = 4;
  status.is_leader = true;
  status.heartbeat_seconds = 1'767'323'044;
  status.backend_healthy = {false, "cannot reach the store", 1'767'323'000};
  status.leader = {true, "leads", 1'767'323'001};
  const Json patch = patch_of(kObject, status, {.store = "gs://b", .key = "leases/team/lock"});
  EXPECT_EQ(patch["metadata"]["resourceVersion"], "42");
  EXPECT_EQ(patch["status"]["globalRenewTime"], "2026-01-02T03:04:05Z") << "whole seconds";
  EXPECT_EQ(patch["status"]["fencingToken"], 4);
  EXPECT_EQ(patch["status"]["currentLeader"], "pod-1");
  EXPECT_EQ(patch["status"]["lock"]["key"], "leases/team/lock");

  Json merged = Json::parse(kObject);
  merged.merge_patch(patch);
  const auto read = decode_lease_object(merged.dump());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, status);
  EXPECT_EQ(read->status.backend_healthy.since_seconds, 1'767'323'000);
  bool kept = false;
  for (const Json& condition : merged["status"]["conditions"])
    kept = kept || condition["type"] == "Audited";
  EXPECT_TRUE(kept) << "a condition of somebody else";
}

TEST(LeaseObject, AFreeLockHasNoHolder) {
  Json merged = Json::parse(kObject);
  merged.merge_patch(patch_of(kObject, {}, {}));
  EXPECT_FALSE(merged["status"].contains("globalHolderIdentity"));
  EXPECT_FALSE(merged["status"].contains("fencingToken"));
  EXPECT_EQ(merged["status"]["isLeader"], false);
  EXPECT_EQ(merged["status"]["observedGeneration"], 6) << "not taken back";
}

TEST(LeaseObject, ConditionsOfOthersAreKeptAsTheyAre) {
  Json json = Json::parse(kObject);
  Json& conditions = json["status"]["conditions"];
  const Json audited = conditions[1];
  conditions.insert(conditions.begin(), Json({{"type", 7}, {"why", {{"a", {1, "\"]}"}}}}}));
  conditions.insert(conditions.begin() + 1, "no condition");
  const Json written = patch_of(json.dump(), {}, {})["status"]["conditions"];
  ASSERT_EQ(written.size(), 6U);
  EXPECT_EQ(written[0]["type"], "BackendHealthy");
  EXPECT_EQ(written[0]["observedGeneration"], 7);
  EXPECT_EQ(written[4], conditions[0]);
  EXPECT_EQ(written[5], audited);
  conditions = Json::array();
  EXPECT_EQ(decode_lease_object(json.dump())->foreign_conditions, "");
  EXPECT_EQ(patch_of(json.dump(), {}, {})["status"]["conditions"].size(), 4U);
}

TEST(LeaseObject, DamagedTextIsHarmless) {
  const std::string whole = Json::parse(kObject).dump();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_lease_object(whole.substr(0, size))) << whole.substr(0, size);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char c : std::string_view("{}[]\",:\\0t \x01\xff\0", 14)) {
      std::string damaged = whole;
      damaged[at] = c;
      const auto object = decode_lease_object(damaged);
      EXPECT_FALSE(object && (object->candidate.name.empty() || object->name_space.empty()))
          << damaged;
    }
  }
}

TEST(LeaseObject, HostileTextIsHarmless) {
  const auto with = [](const std::string& what) {
    return R"({"metadata":{"name":"a","namespace":"b"},"status":{"conditions":)" + what + "}}";
  };
  const std::size_t levels = 1'000'000;
  const std::string deep = std::string(levels, '[') + std::string(levels, ']');
  EXPECT_TRUE(decode_lease_object(with(deep)));
  EXPECT_TRUE(decode_lease_object(with(R"([{"type":"deep","why":)" + deep + "}]")));
  EXPECT_FALSE(decode_lease_object(std::string(levels, ']') + with(deep)));
  EXPECT_FALSE(decode_lease_object(with(std::string(levels, '['))));
  EXPECT_TRUE(decode_lease_object(with('"' + std::string(100, '[') + R"(\"{{\\")")));
  EXPECT_FALSE(decode_lease_object(with("[]") + std::string("\0", 1)));
  EXPECT_FALSE(decode_lease_object(with("\"\xff\"")));
  EXPECT_FALSE(decode_lease_object(with(R"([{"type":"x")")));
  EXPECT_FALSE(decode_lease_object(with(R"([{"type":"x" "status":"True"}])")));
  const auto odd = decode_lease_object(
      R"({"metadata":{"name":"a","namespace":"b","generation":18446744073709551615,"generation":1.5},)"
      R"("spec":{"leaseDurationSeconds":-1,"holderIdentity":"x","holderIdentity":"y"}})");
  ASSERT_TRUE(odd);
  const auto twice = decode_lease_object(with(R"([{"type":"a"}],"conditions":[{"type":"b"}])"));
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->foreign_conditions, R"([{"type":"b"}])");
  EXPECT_EQ(odd->candidate.generation, 0);
  EXPECT_EQ(odd->candidate.identity, "y");
}

}  // namespace
}  // namespace tenure::mcl
