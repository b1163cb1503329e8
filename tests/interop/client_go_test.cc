// `tenure run` and client-go's leader election, of today and of 2023, as candidates for one Lease.
#include <csignal>
#include <fstream>
#include <memory>
#include <set>

#include "base/duration.h"
#include "integration/k8s_test.h"

namespace tenure::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::MatchesRegex;

// A lease that outlasts every wait of a test: whoever follows has seen that it was given back.
constexpr const char* kLong = "lease-duration=120s&renew-deadline=60s&retry-period=1s";
const Words kGoLong = {"--lease-duration=120s", "--renew-deadline=60s", "--retry-period=1s"};
// kHasty; client-go wants a longer renew deadline than that for the same retry period.
const Words kGoHasty = {"--lease-duration=8s", "--renew-deadline=5s", "--retry-period=1s"};
constexpr Duration kHastyDuration = std::chrono::seconds(8);

constexpr const char* kStarted = R"({"event":"started"})";
constexpr const char* kStopped = R"({"event":"stopped"})";

std::string saw(const std::string& leader) {
  return R"({"event":"leader","identity":")" + leader + "\"}";
}

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// How long after the last renewal that was seen of the one before the present holder began.
Duration wait_before(const Json& lease, const std::string& last_renewal) {
  const auto began = parse_rfc3339(lease["spec"]["acquireTime"].get<std::string>());
  const auto renewed = parse_rfc3339(last_renewal);
  if (began && renewed) return *began - *renewed;
  ADD_FAILURE() << lease << " after " << last_renewal;
  return Duration(0);
}

class SharedLease : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
  }
  [[nodiscard]] std::string holder() const { return lease()["spec"]["holderIdentity"]; }
  [[nodiscard]] int transitions() const { return lease()["spec"]["leaseTransitions"]; }
};

/// The parameter is the program with a client-go in it.
class ClientGo : public SharedLease, public ::testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] std::string elector() const { return admin_.programs + '/' + GetParam(); }
  /// Gives the Lease back when it is asked to end.
  [[nodiscard]] Words words(const std::string& identity, const Words& timing) const {
    return joined({"--kubeconfig=" + admin_.kubeconfig, "--namespace=" + namespace_, "--lease=job",
                   "--id=" + identity, "--release-on-cancel"},
                  timing);
  }
  [[nodiscard]] Program go(const std::string& identity, const Words& timing) const {
    return Program(words(identity, timing), {.path = elector()});
  }
};

TEST_P(ClientGo, WhatGoGivesBackTenureTakesAtOnce) {
  Program leader = go("go", kGoLong);
  ASSERT_TRUE(leader.prints(kStarted));
  Program waiting(run(lock(kLong), "tenure"));
  ASSERT_TRUE(waiting.reports("held by go"));
  const int before = transitions();
  leader.signal(SIGTERM);
  EXPECT_EQ(leader.exit_code(), 0);
  ASSERT_TRUE(waiting.prints("working with " + std::to_string(before + 1)));
  EXPECT_EQ(transitions(), before + 1);
  EXPECT_EQ(holder(), "tenure");
}

TEST_P(ClientGo, WhatTenureGivesBackGoTakesAtOnce) {
  Program leader(run(lock(kLong), "tenure"));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting = go("go", kGoLong);
  ASSERT_TRUE(waiting.prints(saw("tenure")));
  leader.signal(SIGTERM);
  EXPECT_EQ(leader.exit_code(), 128 + SIGTERM);
  ASSERT_TRUE(waiting.prints(kStarted));
  EXPECT_EQ(transitions(), 2);
  EXPECT_EQ(holder(), "go");
}

TEST_P(ClientGo, TenureFollowsAKilledGoProgramWhenItsLeaseHasRunOut) {
  Program leader = go("go", kGoHasty);
  ASSERT_TRUE(leader.prints(kStarted));
  Program waiting(run(lock(kHasty), "tenure"));
  ASSERT_TRUE(waiting.reports("held by go"));
  const int before = transitions();
  leader.signal(SIGKILL);
  EXPECT_EQ(leader.exit_code(), 128 + SIGKILL);
  const std::string last_renewal = renewed_at();
  ASSERT_TRUE(waiting.prints("working with " + std::to_string(before + 1)));
  EXPECT_EQ(transitions(), before + 1);
  EXPECT_GE(wait_before(lease(), last_renewal), kHastyDuration);
}

TEST_P(ClientGo, AGoProgramFollowsAKilledTenureWhenItsLeaseHasRunOut) {
  Program leader(run(lock(kHasty), "tenure"));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting = go("go", kGoHasty);
  ASSERT_TRUE(waiting.prints(saw("tenure")));
  leader.signal(SIGKILL);
  EXPECT_EQ(leader.exit_code(), 128 + SIGKILL);
  const std::string last_renewal = renewed_at();
  EXPECT_TRUE(leader.output_ends()) << "the guardians end the work";
  ASSERT_TRUE(waiting.prints(kStarted));
  EXPECT_EQ(transitions(), 2);
  EXPECT_GE(wait_before(lease(), last_renewal), kHastyDuration);
}

/// All append to one file what they print, so that its lines stand in the order of their writing.
class ClientGoTurns : public ClientGo {
 protected:
  using Candidate = std::unique_ptr<Program>;

  [[nodiscard]] Candidate candidate(const Words& command) const {
    return std::make_unique<Program>(
        joined({"-c", R"(exec "$@" >>"$0")", folder_.file("journal")}, command),
        Program::Setup{.path = "/bin/sh"});
  }
  [[nodiscard]] Candidate go_candidate(const std::string& identity) const {
    return candidate(joined({elector()}, words(identity, kGoLong)));
  }
  /// Its work takes longer to end than client-go waits between two looks at the Lease (2.2 s).
  [[nodiscard]] Candidate tenure_candidate(const std::string& identity) const {
    const char* work =
        R"(trap 'sleep 3; echo "$1"; exit' TERM; echo "$0"; while :; do sleep 0.1; done)";
    return candidate({TENURE_PROGRAM, "run", "--lock", lock(kLong), "--identity", identity, "job",
                      "--", "sh", "-c", work, kStarted, kStopped});
  }
  [[nodiscard]] Words journal() const {
    std::ifstream file(folder_.file("journal"));
    Words lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  /// The lines of that text, or of those texts.
  [[nodiscard]] Words noted(const std::set<std::string>& texts) const {
    Words found;
    for (const std::string& line : journal())
      if (texts.contains(line)) found.push_back(line);
    return found;
  }
};

TEST_P(ClientGoTurns, FiveHandOversWithoutOverlapRaiseTheTransitionsOneByOne) {
  Candidate leader;
  Words expected;
  for (int turn = 0; turn <= 5; ++turn) {
    const bool is_go = turn % 2 == 0;
    const std::string identity = "candidate-" + std::to_string(turn);
    Candidate next = is_go ? go_candidate(identity) : tenure_candidate(identity);
    if (leader) {
      const std::string before = "candidate-" + std::to_string(turn - 1);
      ASSERT_TRUE(is_go ? eventually([&] { return !noted({saw(before)}).empty(); })
                        : next->reports("held by " + before));
      leader->signal(SIGTERM);
      expected.emplace_back(kStopped);
    }
    expected.emplace_back(kStarted);
    ASSERT_TRUE(eventually([&] { return noted({kStarted}).size() == std::size_t(turn) + 1; }))
        << next->errors();
    EXPECT_THAT(noted({kStarted, kStopped}), ElementsAreArray(expected));
    EXPECT_EQ(transitions(), turn);  // client-go counts from 0 in a Lease that it has created
    EXPECT_EQ(holder(), identity);
    if (leader) leader->exit_code();
    leader = std::move(next);
  }
}

TEST_P(ClientGo, BothWriteTheSameFieldsAndLeaveTheRestAlone) {
  Program tenure(run(lock(kLong), "tenure"));
  ASSERT_TRUE(tenure.prints("working with 1"));
  kubectl({"label", "lease", "job", "team=blue"});
  ASSERT_TRUE(renews());
  const Json ours = lease();
  tenure.signal(SIGTERM);
  tenure.exit_code();
  const Json given_back = lease();
  Program go_program = go("go", kGoLong);
  ASSERT_TRUE(go_program.prints(kStarted));
  ASSERT_TRUE(renews());
  const Json theirs = lease();

  EXPECT_EQ(theirs["spec"].size(), ours["spec"].size());
  for (const auto& [key, value] : ours["spec"].items()) {
    ASSERT_TRUE(theirs["spec"].contains(key)) << key;
    EXPECT_EQ(theirs["spec"][key].type(), value.type()) << key;
  }
  for (const Json& spec : {ours["spec"], theirs["spec"]})
    for (const char* time : {"acquireTime", "renewTime"})
      EXPECT_THAT(
          spec[time].get<std::string>(),
          MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z"));
  EXPECT_EQ(theirs["spec"]["leaseDurationSeconds"], ours["spec"]["leaseDurationSeconds"]);
  EXPECT_TRUE(ours["metadata"]["annotations"].contains("tenure.dev/write-id"));
  EXPECT_EQ(theirs["metadata"]["annotations"], given_back["metadata"]["annotations"]);
  EXPECT_EQ(theirs["metadata"]["labels"], ours["metadata"]["labels"]);
}

// client-go takes a Lease with its own identity at once, as a renewal of its own: the transitions
// stay, and so do tenure's annotations.
TEST_P(ClientGo, AGoProgramOfTheSameIdentityIsAnotherHolder) {
  Program superseded(run(lock(kLong), "twin"));
  ASSERT_TRUE(superseded.prints("working with 1"));
  Program twin = go("twin", kGoLong);
  ASSERT_TRUE(twin.prints(kStarted));
  ASSERT_TRUE(superseded.reports("somebody else changed the lock"));
  EXPECT_EQ(transitions(), 1);
  ASSERT_TRUE(renews());
  superseded.signal(SIGTERM);
  superseded.exit_code();
  EXPECT_EQ(superseded.output().find("working"), superseded.output().rfind("working"));
  EXPECT_EQ(holder(), "twin") << "what is another's is not given back";

  Program restarted(run(lock(kLong), "twin"));
  ASSERT_TRUE(restarted.reports("held by twin (epoch 1), another process with this identity"));
  ASSERT_TRUE(renews());
  EXPECT_EQ(transitions(), 1);
  twin.signal(SIGTERM);
  ASSERT_TRUE(restarted.prints("working with 2"));
}

const auto kVersions = ::testing::Values("client_go", "client_go_2023");
const auto kName = [](const auto& test) { return std::string(test.param); };
INSTANTIATE_TEST_SUITE_P(Versions, ClientGo, kVersions, kName);
INSTANTIATE_TEST_SUITE_P(Versions, ClientGoTurns, kVersions, kName);

/// Leases as a program without tenure leaves them when its machine dies.
class AbandonedLease : public SharedLease {
 protected:
  void abandon(const std::string& name, WallTime renewed, int seconds) const {
    const Json spec = {{"holderIdentity", "gone"},
                       {"leaseDurationSeconds", seconds},
                       {"leaseTransitions", 7},
                       {"acquireTime", format_rfc3339(renewed)},
                       {"renewTime", format_rfc3339(renewed)}};
    const Json lease = {{"apiVersion", "coordination.k8s.io/v1"},
                        {"kind", "Lease"},
                        {"metadata", {{"name", name}, {"namespace", namespace_}}},
                        {"spec", spec}};
    const ProgramResult made = admin_.kubectl({"apply", "-f", "-"}, lease.dump());
    EXPECT_EQ(made.code, 0) << made.errors;
  }
  [[nodiscard]] Words candidate(const std::string& name) const {
    return {"run",        "--lock",
            lock(kHasty), "--identity",
            "tenure",     name,
            "--",         "sh",
            "-c",         "echo working with $TENURE_EPOCH; exec sleep 1000"};
  }
};

TEST_F(AbandonedLease, AClaimInTheFutureOutlastsTheSilenceOfItsHolder) {
  const Duration hour = std::chrono::hours(1);
  abandon("job", wall_now() + hour, 1);
  abandon("other", wall_now() - hour, 3);
  Program waiting(candidate("job"));
  ASSERT_TRUE(waiting.reports("held by gone (epoch 7)"));
  // It begins to wait later and has to wait longer, and yet it is not kept from working.
  Program unhindered(candidate("other"));
  ASSERT_TRUE(unhindered.prints("working with 8"));
  EXPECT_EQ(holder(), "gone");
  EXPECT_EQ(transitions(), 7);

  abandon("job", wall_now() - hour, 1);
  ASSERT_TRUE(waiting.prints("working with 8"));
}

}  // namespace
}  // namespace tenure::test
