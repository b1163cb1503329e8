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
  const Json patch = Json::parse(
      encode_status_patch(status, "42", {.store = "gs://b", .key = "leases/team/lock"}, kObject));
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
  merged.merge_patch(Json::parse(encode_status_patch({}, "42", {}, kObject)));
  EXPECT_FALSE(merged["status"].contains("globalHolderIdentity"));
  EXPECT_FALSE(merged["status"].contains("fencingToken"));
  EXPECT_EQ(merged["status"]["isLeader"], false);
  EXPECT_EQ(merged["status"]["observedGeneration"], 6) << "not taken back";
}

}  // namespace
}  // namespace tenure::mcl
