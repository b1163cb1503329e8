// `tenure controller` in two clusters while controllers, API servers, the bucket, the way to it and
// clocks fail, or somebody meddles. The work of the candidates notices when two of it are there.
#include <poll.h>

#include <csignal>

#include "base/duration.h"
#include "integration/witness.h"
#include "interop/multi_cluster.h"
#include "runtime/clock.h"
#include "servers/lossy_proxy.h"

namespace tenure::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Mode = LossyProxy::Mode;

constexpr const char* kShort = "lease-duration=8s&renew-deadline=5s&retry-period=1s";
/// 15, 10 and 2 seconds.
constexpr const char* kUsual = "lease-duration=15s";
constexpr const char* kNoAnswer = "the lock store gave no clear answer in time";
constexpr int kLockLost = 3;
/// What a machine that does something else may add to what tenure promises.
constexpr Duration kSlack = seconds(3);

class MultiClusterFault : public MultiCluster {
 protected:
  void SetUp() override {
    MultiCluster::SetUp();
    ASSERT_TRUE(store_);
    auto proxy = LossyProxy::start(store_->url());
    ASSERT_TRUE(proxy) << proxy.error().to_string();
    proxy_ = std::move(*proxy);
  }

  /// A controller behind the proxy.
  [[nodiscard]] std::unique_ptr<Program> far(const Cluster& cluster,
                                             const std::string& name) const {
    return controller(cluster, name, {}, {"STORAGE_EMULATOR_HOST=" + proxy_->url()});
  }
  /// One whose calendar is wrong.
  [[nodiscard]] std::unique_ptr<Program> shifted(const Cluster& cluster, const std::string& name,
                                                 seconds shift) const {
    return controller(cluster, name, {},
                      {std::string("LD_PRELOAD=") + SHIFTED_CLOCK,
                       "SHIFTED_CLOCK_SECONDS=" + std::to_string(shift.count())});
  }
  [[nodiscard]] std::unique_ptr<Program> candidate(const Cluster& cluster,
                                                   const std::string& identity,
                                                   const std::string& settings = kShort) const {
    return std::make_unique<Program>(words(cluster, identity, settings));
  }
  /// One that exits when its work has ended.
  [[nodiscard]] std::unique_ptr<Program> candidate_once(const Cluster& cluster,
                                                        const std::string& identity) const {
    Words once = words(cluster, identity, kShort);
    once.insert(once.begin() + 1, "--once");
    return std::make_unique<Program>(once);
  }

  [[nodiscard]] std::string key() const { return "leases/" + namespace_ + "/lock"; }
  /// How long others wait after the last renewal.
  [[nodiscard]] Duration lease() const {
    const Json now = record();
    return seconds(now.value("leaseDurationSeconds", 0)) +
           milliseconds(now.value("graceMilliseconds", 0));
  }
  /// By the bucket's clock, which is ours.
  [[nodiscard]] WallTime renewed_at() const {
    const auto about = store_->describe(key());
    EXPECT_TRUE(about) << about.error().to_string();
    const auto at = parse_rfc3339(about ? Json::parse(*about).value("updated", "") : "");
    EXPECT_TRUE(at) << *about;
    return at.value_or(WallTime());
  }
  struct Renewal {
    WallTime at;
    Duration lease;
  };
  [[nodiscard]] Renewal last_renewal() const { return {renewed_at(), lease()}; }
  /// For who has just begun, after a holder that gave nothing back.
  [[nodiscard]] static ::testing::AssertionResult is_in_time(const Program& next,
                                                             const Renewal& last) {
    const Duration waited = wall_now() - last.at;
    if (waited >= last.lease && waited <= promised_by(next) + kSlack)
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "it began " << format_duration(waited) << " after a renewal that was good for "
           << format_duration(last.lease);
  }
  [[nodiscard]] bool is_leader(const Cluster& cluster) const {
    return status(cluster).value("isLeader", false);
  }
  [[nodiscard]] ::testing::AssertionResult health_becomes(const Cluster& cluster,
                                                          const std::string& wanted) const {
    if (eventually([&] { return condition(cluster, "BackendHealthy") == wanted; }))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "BackendHealthy did not become " << wanted << ": " << object(cluster);
  }
  /// As many tenures have begun, whoever leads.
  [[nodiscard]] ::testing::AssertionResult has_begun(std::size_t tenures) const {
    const auto is_so = [&] { return witness_.said().size() >= tenures; };
    if (eventually(is_so) || eventually(is_so)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "nobody began tenure " << tenures << "; the record is " << record();
  }
  static void lasts_until(Instant end) {
    while (boot_now() < end) poll(nullptr, 0, 20);
  }
  /// "a new leader within 15.4s of a crash", which each candidate says at its start.
  [[nodiscard]] static Duration promised_by(const Program& candidate) {
    const std::string before = "a new leader within ";
    const std::size_t at = candidate.errors().find(before);
    const std::string rest =
        at == std::string::npos ? "" : candidate.errors().substr(at + before.size());
    const auto promise = parse_duration(rest.substr(0, rest.find(' ')));
    EXPECT_TRUE(promise) << candidate.errors();
    return promise.value_or(Duration(0));
  }

  std::unique_ptr<LossyProxy> proxy_;
  Witness witness_{folder_.file("witness")};

 private:
  [[nodiscard]] Words words(const Cluster& cluster, const std::string& identity,
                            const std::string& settings) const {
    return witness_.candidate(
        "mcl://" + namespace_ + "?" + settings + "&kubeconfig=" + cluster.kubeconfig, identity,
        "lock");
  }
};

// -------------------------------------------------------------------------------------------------
// a controller, an API server

TEST_F(MultiClusterFault, AControllerThatComesBackTooLateFindsTheLeaderElsewhere) {
  auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  in_east->signal(SIGKILL);
  ASSERT_EQ(in_east->exit_code(), 128 + SIGKILL);
  const Renewal last = last_renewal();
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_TRUE(is_in_time(*second, last));
  EXPECT_THAT(status(east())["globalHolderIdentity"], StartsWith("first_")) << "nobody is there";

  in_east = controller(east(), "east");
  ASSERT_TRUE(names(east(), record()["holderIdentity"]));
  EXPECT_FALSE(is_leader(east()));
  ASSERT_TRUE(first->reports("held by second_"));
  ASSERT_TRUE(is_acknowledged(west_));
  EXPECT_EQ(record()["leaseTransitions"], 2);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(MultiClusterFault, AnApiServerThatIsFrozenForLongHandsTheLockToTheOtherCluster) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate(west_, "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(east(), "second");
  ASSERT_TRUE(second->reports("held by first_"));
  const Duration lease_of_first = lease();
  west_plane_->stop(Server::api_server);
  const Instant frozen_at = boot_now();
  EXPECT_TRUE(first->reports("lost leadership"));
  EXPECT_TRUE(second->prints("working with 2"));
  EXPECT_LE(boot_now() - frozen_at, promised_by(*second) + kSlack);
  lasts_until(frozen_at + lease_of_first);
  west_plane_->resume(Server::api_server);

  ASSERT_TRUE(names(west_, record()["holderIdentity"]));
  EXPECT_FALSE(is_leader(west_));
  ASSERT_TRUE(first->reports("held by second_"));
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
  second->signal(SIGTERM);
  ASSERT_TRUE(first->prints("working with 3")) << "it takes part again";
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2", "3"));
}

// -------------------------------------------------------------------------------------------------
// the bucket

TEST_F(MultiClusterFault, ABucketThatIsAwayForLongEndsTheTenureAndItsReturnBeginsAnother) {
  const auto in_east = far(east(), "east");
  const auto in_west = far(west_, "west");
  const auto first = candidate_once(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  proxy_->set(Mode::cut);
  const Instant cut_at = boot_now();
  const Renewal last = last_renewal();
  ASSERT_TRUE(health_becomes(west_, "False"));
  EXPECT_EQ(first->exit_code(), kLockLost);
  EXPECT_LT(wall_now() - last.at, last.lease) << "its work has ended by now";
  ASSERT_TRUE(health_becomes(east(), "False"));
  EXPECT_FALSE(is_leader(east()));
  lasts_until(cut_at + last.lease + seconds(1));
  EXPECT_THAT(witness_.said(), ElementsAre("1"));
  EXPECT_THAT(record()["holderIdentity"], StartsWith("first_")) << "nobody could give it back";

  proxy_->set(Mode::pass);
  const Instant back_at = boot_now();
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_LE(boot_now() - back_at, promised_by(*second) + kSlack);
  ASSERT_TRUE(health_becomes(east(), "True"));
  ASSERT_TRUE(health_becomes(west_, "True"));
  EXPECT_EQ(record()["leaseTransitions"], 2);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

// Just when a renewal is due, which lands late.
TEST_F(MultiClusterFault, ABucketThatIsAwayForAMomentCostsNobodyTheLock) {
  const auto in_east = far(east(), "east");
  const auto in_west = far(west_, "west");
  const auto first = candidate(east(), "first", kUsual);
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second", kUsual);
  ASSERT_TRUE(second->reports("held by first_"));
  proxy_->set_at_next_write(Mode::requests_held);
  ASSERT_TRUE(proxy_->wait_for_write());
  const Instant away_at = boot_now();
  const WallTime before = renewed_at();
  lasts_until(away_at + milliseconds(2800));
  EXPECT_EQ(renewed_at(), before);
  proxy_->set(Mode::pass);
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_TRUE(is_leader(east()));
  EXPECT_GT(renewed_at(), before);
  EXPECT_EQ(record()["leaseTransitions"], 1);
  first->signal(SIGTERM);
  EXPECT_EQ(first->exit_code(), 128 + SIGTERM);
  EXPECT_THAT(first->errors(), Not(HasSubstr("lost leadership")));
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

class MultiClusterUnclear : public MultiClusterFault, public testing::WithParamInterface<Mode> {};

TEST_P(MultiClusterUnclear, AnAcquisitionWithoutItsAnswerIsFoundAgain) {
  const Duration late = seconds(4);  // longer than a controller waits for an answer
  proxy_->set_at_next_write(GetParam(), late);
  const auto in_east = far(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate(east(), "first", kUsual);
  ASSERT_TRUE(proxy_->wait_for_write());
  const auto second = candidate(west_, "second", kUsual);
  ASSERT_TRUE(second->reports("held by first_")) << "it was written";
  ASSERT_TRUE(in_east->reports(kNoAnswer));
  EXPECT_THAT(witness_.said(), ElementsAre()) << "its controller does not know that yet";
  proxy_->set(Mode::pass);
  ASSERT_TRUE(first->prints("working with 1"));
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_EQ(record()["leaseTransitions"], 1);
  first->signal(SIGTERM);
  EXPECT_EQ(first->exit_code(), 128 + SIGTERM);
  EXPECT_THAT(first->errors(), Not(HasSubstr("lost leadership")));
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

INSTANTIATE_TEST_SUITE_P(Of, MultiClusterUnclear,
                         testing::Values(Mode::answers_lost, Mode::answers_late),
                         [](const auto& test) -> std::string {
                           return test.param == Mode::answers_lost ? "LostAnswers" : "LateAnswers";
                         });

TEST_F(MultiClusterFault, AnAcquisitionWhoseControllerIsKilledBeforeItsAnswerIsFoundByTheNext) {
  proxy_->set_at_next_write(Mode::answers_lost);
  auto in_east = far(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate(east(), "first", kUsual);
  ASSERT_TRUE(proxy_->wait_for_write());
  ASSERT_TRUE(eventually([&] { return record()["leaseTransitions"] == 1; })) << record();
  in_east->signal(SIGKILL);
  ASSERT_EQ(in_east->exit_code(), 128 + SIGKILL);
  EXPECT_THAT(witness_.said(), ElementsAre());
  proxy_->set(Mode::pass);
  in_east = far(east(), "east");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second", kUsual);
  ASSERT_TRUE(second->reports("held by first_"));
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_EQ(record()["leaseTransitions"], 1);
  EXPECT_THAT(witness_.said(), ElementsAre("1"));
}

// -------------------------------------------------------------------------------------------------
// clocks

// The certificate that an API server makes for itself begins an hour before its start.
TEST_F(MultiClusterFault, ControllersWhoseClocksAreAnHourApartTakeTurns) {
  const seconds half_an_hour(1800);
  auto in_east = shifted(east(), "east", half_an_hour);
  auto in_west = shifted(west_, "west", -half_an_hour);
  const auto first = candidate(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto ahead = parse_rfc3339(record().value("renewTime", ""));
  ASSERT_TRUE(ahead) << record();
  EXPECT_GT(*ahead - renewed_at(), half_an_hour - seconds(60)) << "the clock is really wrong";
  const auto second = candidate(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));

  // To the one in the west, this record is not over for an hour.
  in_east->signal(SIGKILL);
  ASSERT_EQ(in_east->exit_code(), 128 + SIGKILL);
  const Renewal last_of_east = last_renewal();
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_TRUE(is_in_time(*second, last_of_east));

  // To the one in the east, this one was over before it began.
  in_east = shifted(east(), "east", half_an_hour);
  ASSERT_TRUE(first->reports("held by second_"));
  ASSERT_TRUE(is_acknowledged(west_));
  in_west->signal(SIGKILL);
  ASSERT_EQ(in_west->exit_code(), 128 + SIGKILL);
  const Renewal last_of_west = last_renewal();
  ASSERT_TRUE(first->prints("working with 3"));
  EXPECT_TRUE(is_in_time(*first, last_of_west));

  in_west = shifted(west_, "west", -half_an_hour);
  ASSERT_TRUE(names(west_, record()["holderIdentity"]));
  first->signal(SIGTERM);
  ASSERT_TRUE(second->prints("working with 4")) << "what a wrong clock gives back is free";
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2", "3", "4"));
}

// -------------------------------------------------------------------------------------------------
// people

TEST_F(MultiClusterFault, ADeletedRecordIsWaitedForAndItsEpochIsNotRepeated) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  ASSERT_TRUE(is_acknowledged(east()));
  const Duration lease_of_first = lease();
  const Instant deleted_at = boot_now();
  ASSERT_TRUE(store_->remove(key()));
  ASSERT_TRUE(has_begun(2));
  EXPECT_GE(boot_now() - deleted_at, lease_of_first) << "the holder may not know yet";
  EXPECT_LE(boot_now() - deleted_at, promised_by(*second) + kSlack);
  ASSERT_TRUE(eventually([&] { return is_leader(east()) || is_leader(west_); }));
  ASSERT_TRUE(is_acknowledged(is_leader(east()) ? east() : west_));
  EXPECT_EQ(record()["leaseTransitions"], 2);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(MultiClusterFault, AnOldCopyOfTheRecordIsWaitedForAndNoEpochIsRepeated) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto old_copy = store_->get(key());
  ASSERT_TRUE(old_copy);
  const auto second = candidate_once(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  first->signal(SIGTERM);
  ASSERT_TRUE(second->prints("working with 2"));
  const auto third = candidate(east(), "third");
  ASSERT_TRUE(third->reports("held by second_"));
  ASSERT_TRUE(is_acknowledged(west_));
  const Duration lease_of_second = lease();
  const Instant replaced_at = boot_now();
  ASSERT_TRUE(store_->put(key(), *old_copy));
  EXPECT_EQ(second->exit_code(), kLockLost);
  EXPECT_EQ(store_->get(key()).value_or(""), *old_copy)
      << "until its work has ended, nobody writes";
  ASSERT_TRUE(third->prints("working with 3"));
  EXPECT_GE(boot_now() - replaced_at, lease_of_second);
  EXPECT_LE(boot_now() - replaced_at, promised_by(*third) + kSlack);
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_EQ(record()["leaseTransitions"], 3);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2", "3"));
}

TEST_F(MultiClusterFault, ALeaderWhoseObjectIsDeletedStopsBeforeItsLockPassesOn) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = candidate_once(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  ASSERT_TRUE(is_acknowledged(east()));
  const Instant deleted_at = boot_now();
  ASSERT_EQ(east().kubectl({"delete", "mcl", "lock", "-n", namespace_, "--wait=false"}).code, 0);
  EXPECT_EQ(first->exit_code(), kLockLost);
  EXPECT_THAT(record()["holderIdentity"], StartsWith("first_")) << "held until its work has ended";
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_LE(boot_now() - deleted_at, promised_by(*second) + kSlack);
  ASSERT_TRUE(in_east->reports("stopped leading of " + namespace_ + "/lock"));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(MultiClusterFault, TwoControllersOfOneClusterBothSaySoAndNobodyIsLedTwice) {
  const auto one = controller(east(), "east");
  const auto other = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  // Both see the candidate come. One that finds it there waits for its heartbeat, and may meanwhile
  // unname whom the other has just named, until its next look.
  for (const auto* each : {&one, &other}) ASSERT_TRUE((*each)->reports(R"("event":"synced")"));
  const auto first = candidate(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = candidate(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  ASSERT_TRUE(one->reports(R"("event":"rival")"));
  ASSERT_TRUE(other->reports(R"("event":"rival")"));
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_EQ(record()["leaseTransitions"], 1);
  EXPECT_THAT(witness_.said(), ElementsAre("1"));
  first->signal(SIGTERM);
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

}  // namespace
}  // namespace tenure::test
