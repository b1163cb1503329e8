// `tenure run` and its relatives on objects of a storage server.
#include <algorithm>
#include <csignal>

#include "base/duration.h"
#include "gcs_test.h"

namespace tenure::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// {"holderIdentity":"","leaseTransitions":7}, as gzip(1) writes it.
constexpr std::string_view kCompressed(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xca\xc8\xcf\x49\x49\x2d\xf2\x4c"
    "\x49\xcd\x2b\xc9\x2c\xa9\x54\xb2\x52\x52\xd2\x51\xca\x49\x4d\x2c\x4e\x0d\x29\x4a"
    "\xcc\x2b\xce\x2c\xc9\xcc\xcf\x2b\x56\xb2\x32\xaf\x05\x00\x7c\x27\x99\xc6\x2a\x00"
    "\x00\x00",
    62);

class GcsRun : public GcsTest {};

TEST_F(GcsRun, OneWorksTheOtherWaitsAndFollows) {
  Program first(run(kPatient, "first"), emulator());
  ASSERT_TRUE(first.prints("working with 1"));
  Program second(run(kPatient, "second"), emulator());
  ASSERT_TRUE(second.reports("held by first (epoch 1)"));
  first.signal(SIGTERM);
  EXPECT_EQ(first.exit_code(), 128 + SIGTERM);
  ASSERT_TRUE(second.prints("working with 2"));
  const Json found = record();
  EXPECT_EQ(found["holderIdentity"], "second");
  EXPECT_EQ(found["leaseTransitions"], 2);
  EXPECT_EQ(found["leaseDurationSeconds"], 20);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(GcsRun, AKilledHoldersLeaseIsWaitedOut) {
  Program killed(run(kHasty, "killed"), emulator());
  ASSERT_TRUE(killed.prints("working with 1"));
  Program other(run(kHasty, "other"), emulator());
  ASSERT_TRUE(other.reports("held by killed (epoch 1)"));
  killed.signal(SIGKILL);
  EXPECT_EQ(killed.exit_code(), 128 + SIGKILL);
  const auto last_renewal = parse_rfc3339(renewed_at());
  ASSERT_TRUE(other.prints("working with 2"));
  const auto began = parse_rfc3339(record()["acquireTime"].get<std::string>());
  ASSERT_TRUE(last_renewal && began);
  EXPECT_GE(*began - *last_renewal, kHastyDuration);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(GcsRun, TheObjectIsJsonThatNobodyMayCache) {
  ASSERT_EQ(finish({"run", "--lock", lock(kPatient), "job", "--", "true"}, emulator()).code, 0);
  const auto described = server_->describe("app/job");
  ASSERT_TRUE(described) << described.error().to_string();
  const Json resource = Json::parse(*described);
  EXPECT_EQ(resource["contentType"], "application/json");
  EXPECT_EQ(resource["cacheControl"], "no-cache, no-store, must-revalidate");
}

// As gke-labs/multicluster-leader-election leaves it behind.
TEST_F(GcsRun, ALockThatAnotherControllerReleasedIsTakenWithTheNextEpoch) {
  ASSERT_TRUE(server_->put(
      "leases/default/my-lease",
      R"({"holderIdentity":"","renewTime":"2026-01-02T03:04:05.123456789Z","leaseTransitions":41})"));
  const std::string url = std::string("gs://") + GcsServer::kBucket + "?" + kPatient;
  Program candidate(witness_.candidate(url, "me", "leases/default/my-lease"), emulator());
  ASSERT_TRUE(candidate.prints("working with 42"));
}

TEST_F(GcsRun, StatusListsThePrefix) {
  for (const char* name : {"b", "a", "leases/default/c"})
    EXPECT_EQ(finish({"run", "--lock", lock(kPatient), name, "--", "true"}, emulator()).code, 0);
  ASSERT_TRUE(server_->put("app/picture", std::string(100'000, 'x')));
  ASSERT_TRUE(server_->put("app/compressed", kCompressed, "gzip"));
  ASSERT_TRUE(server_->put("elsewhere", "{}"));
  const Finished result = finish({"status", "--lock", lock(kPatient), "-o", "json"}, emulator());
  ASSERT_EQ(result.code, 0) << result.errors;
  Words shown;
  const Json listed = Json::parse(result.output);
  for (const Json& one : listed["locks"])
    shown.push_back(one["name"].get<std::string>() + ' ' + one["state"].get<std::string>() + ' ' +
                    std::to_string(one["epoch"].get<int>()));
  EXPECT_THAT(shown, ElementsAre("a free 1", "b free 1", "compressed free 7",
                                 "leases/default/c free 1", "picture unreadable 0"));
}

TEST_F(GcsRun, DoctorSeesThatConditionalWritesAreHonoured) {
  const Finished result = finish({"doctor", "--lock", lock(kPatient), "-o", "json"}, emulator());
  Words passed;
  const Json report = Json::parse(result.output);
  for (const Json& check : report["checks"])
    if (check["ok"]) passed.push_back(check["name"]);
  for (const char* name : {"url", "clock", "settings", "store", "conditional-writes"})
    EXPECT_THAT(passed, ::testing::Contains(name)) << result.output;
}

TEST_F(GcsRun, AMissingBucketIsNamed) {
  const std::string url = std::string("gs://no-such-bucket/app?") + kPatient;
  Program candidate(witness_.candidate(url, "me"), emulator());
  ASSERT_TRUE(candidate.reports("create the bucket, or correct its name"));
  candidate.signal(SIGTERM);
  EXPECT_THAT(candidate.output(), Not(HasSubstr("working")));
  const Finished status = finish({"status", "--lock", url}, emulator());
  EXPECT_EQ(status.code, 4);
  EXPECT_THAT(status.errors, HasSubstr("no-such-bucket"));
}

TEST_F(GcsRun, ANameThatNoObjectCanHaveIsRefused) {
  const std::string url = std::string("gs://") + GcsServer::kBucket + "?" + kPatient;
  const Finished result = finish({"run", "--lock", url, "..", "--", "true"}, emulator());
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("cannot be the name of an object"));
}

TEST_F(GcsRun, ARetryPeriodBelowTheStoresLimitIsRefused) {
  const Finished result =
      finish({"run", "--lock", lock("lease-duration=8s&renew-deadline=4s&retry-period=500ms"),
              "job", "--", "true"},
             emulator());
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("takes no more writes of one lock"));
}

}  // namespace
}  // namespace tenure::test
