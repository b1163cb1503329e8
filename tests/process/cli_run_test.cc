// `tenure run` as its users meet it: real processes, signals and crashes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli_program.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Prints a line, then does nothing until it is told to end.
constexpr const char* kWorker = "echo working with $TENURE_EPOCH as $$; exec sleep 1000";

// False for a zombie, too.
bool runs(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  return std::getline(file, line) && line.substr(line.rfind(')') + 2, 1) != "Z";
}

class CliRun : public ::testing::Test {
 protected:
  [[nodiscard]] Words run(Words flags, const std::string& script) const {
    Words out = {"run", "--lock", folder_.lock_url()};
    out.insert(out.end(), flags.begin(), flags.end());
    out.insert(out.end(), {"job", "--", "sh", "-c", script});
    return out;
  }
  [[nodiscard]] nlohmann::json job() const {
    const Finished result = finish({"status", "--lock", folder_.lock_url(), "-o", "json", "job"});
    EXPECT_EQ(result.code, 0) << result.errors;
    return nlohmann::json::parse(result.output).at("locks").at(0);
  }
  TempFolder folder_;
};

// -------------------------------------------------------------------------------------------------
// the command's end

TEST_F(CliRun, CommandKnowsItsTenureAndItsExitCodeIsPassedOn) {
  const Finished result =
      finish(run({"--identity", "me"}, "echo $TENURE_LOCK $TENURE_IDENTITY $TENURE_EPOCH; exit 7"));
  EXPECT_EQ(result.code, 7);
  EXPECT_EQ(result.output, "job me 1\n");
  EXPECT_THAT(result.errors, HasSubstr("leading lock \"job\" with epoch 1"));
  EXPECT_EQ(job()["state"], "free");
}

TEST_F(CliRun, EveryTenureHasAHigherEpoch) {
  for (const char* epoch : {"1\n", "2\n", "3\n"})
    EXPECT_EQ(finish(run({}, "echo $TENURE_EPOCH")).output, epoch);
}

TEST_F(CliRun, CommandRunsOnWhileTheLeaseIsRenewed) {
  const Finished result = finish(run({}, "sleep 2.5; echo done"));  // longer than the lease
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, "done\n");
}

TEST_F(CliRun, CommandThatDiesOfASignal) {
  EXPECT_EQ(finish(run({}, "kill -9 $$")).code, 128 + SIGKILL);
}

TEST_F(CliRun, DaemonOfTheCommandDoesNotOutliveIt) {
  Program program(run({}, "setsid sh -c 'sleep 1000 & sleep 1000' & exit 0"));
  EXPECT_EQ(program.exit_code(), 0);
  EXPECT_TRUE(program.output_ends());
}

TEST_F(CliRun, CommandThatPrintsALot) {
  const Finished result = finish(run({}, "head -c 20000000 /dev/zero"));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output.size(), 20'000'000U);
}

// -------------------------------------------------------------------------------------------------
// others take over

class CliTakeOver : public CliRun {
 protected:
  Program first_{run({"--identity", "first", "--cluster", "here"}, kWorker)};
  bool first_works_ = first_.prints("working with 1 as");
  Program second_{run({"--identity", "second"}, kWorker)};
  bool second_waits_ = second_.reports("waiting: lock \"job\" is held by first (epoch 1)");
};

TEST_F(CliTakeOver, WhenTheFirstIsToldToEnd) {
  first_.signal(SIGTERM);
  EXPECT_EQ(first_.exit_code(), 128 + SIGTERM);
  EXPECT_TRUE(second_.prints("working with 2 "));
}

TEST_F(CliTakeOver, WhenTheFirstIsKilledAndOnlyOnceItsCommandHasEnded) {
  first_.signal(SIGKILL);
  EXPECT_TRUE(first_.output_ends());
  EXPECT_EQ(second_.output(), "");
  EXPECT_TRUE(second_.prints("working with 2 "));
  EXPECT_EQ(job()["holder"], "second");
}

TEST_F(CliTakeOver, WhenTheFirstIsFrozenAndItsCommandIsKilledInTime) {
  const std::string command = first_.output().substr(first_.output().rfind(' ') + 1);
  const std::string pid = command.substr(0, command.find('\n'));
  ASSERT_TRUE(runs(pid)) << pid;
  first_.signal(SIGSTOP);
  EXPECT_TRUE(second_.prints("working with 2 "));
  EXPECT_FALSE(runs(pid)) << "two commands at once";
  first_.signal(SIGCONT);
  EXPECT_TRUE(first_.reports("lost leadership of \"job\" (epoch 1)"));
  EXPECT_TRUE(first_.reports("is held by second (epoch 2)"));
}

TEST_F(CliTakeOver, WhenTheFirstResigns) {
  const Finished resign = finish({"resign", "--lock", folder_.lock_url(), "job"});
  ASSERT_EQ(resign.code, 0) << resign.errors;
  EXPECT_THAT(resign.output,
              StartsWith("lock \"job\": first (epoch 1) handed over to second (epoch 2) in "));
  EXPECT_TRUE(first_.reports("asked to hand over"));
  EXPECT_TRUE(second_.prints("working with 2 "));
}

TEST_F(CliRun, CrashOfTheCommandHandsOver) {
  Program first(run({}, "echo here; read line < /dev/fd/9"));  // fails: there is no such descriptor
  Program second(run({"--identity", "second"}, "echo $TENURE_EPOCH"));
  EXPECT_NE(first.exit_code(), 0);
  EXPECT_EQ(second.exit_code(), 0);
}

TEST_F(CliRun, SameIdentityTwiceIsTwoCandidates) {
  Program first(run({"--identity", "twin"}, kWorker));
  ASSERT_TRUE(first.prints("working with 1 "));
  Program second(run({"--identity", "twin"}, kWorker));
  EXPECT_TRUE(second.reports("another process with this identity"));
  EXPECT_EQ(second.output(), "");
  first.signal(SIGTERM);
  EXPECT_TRUE(second.prints("working with 2 "));
}

// -------------------------------------------------------------------------------------------------
// giving up

TEST_F(CliTakeOver, AcquireTimeoutGivesUp) {
  const Finished third = finish(run({"--acquire-timeout", "200ms"}, "true"));
  EXPECT_EQ(third.code, 1);
  EXPECT_THAT(third.errors, HasSubstr("was not acquired within 200ms"));
}

TEST_F(CliRun, OnceExitsWith3WhenLeadershipIsLost) {
  Program program(run({"--once"}, kWorker));
  ASSERT_TRUE(program.prints("working"));
  finish({"resign", "--lock", folder_.lock_url(), "--timeout", "100ms", "job"});
  EXPECT_EQ(program.exit_code(), 3);
}

TEST_F(CliRun, WithoutOnceItContendsAgain) {
  Program program(run({}, kWorker));
  ASSERT_TRUE(program.prints("working with 1 "));
  EXPECT_EQ(finish({"resign", "--lock", folder_.lock_url(), "job"}).code, 0);
  EXPECT_TRUE(program.prints("working with 2 "));
}

// -------------------------------------------------------------------------------------------------
// signals

TEST_F(CliTakeOver, InterruptWhileWaitingEndsAtOnce) {
  second_.signal(SIGINT);
  EXPECT_EQ(second_.exit_code(), 128 + SIGINT);
  EXPECT_EQ(second_.output(), "");
}

TEST_F(CliRun, SignalsGoToTheCommandWhichDecides) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGQUIT}) {
    Program program(run({},
                        "trap 'echo caught; exit 5' INT TERM HUP USR1 QUIT; echo ready; "
                        "while :; do sleep 0.01; done"));
    ASSERT_TRUE(program.prints("ready"));
    program.signal(number);
    EXPECT_EQ(program.exit_code(), 5) << number;
    EXPECT_THAT(program.output(), HasSubstr("caught")) << number;
  }
  EXPECT_EQ(job()["state"], "free");
}

TEST_F(CliRun, SecondTerminateKillsACommandThatIgnoresTheFirst) {
  Program program(run({}, "trap 'echo no' TERM; echo ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(program.prints("ready"));
  program.signal(SIGTERM);
  ASSERT_TRUE(program.prints("no\n"));
  EXPECT_EQ(job()["state"], "held") << "the command runs on, so the lock must be held";
  program.signal(SIGTERM);
  EXPECT_EQ(program.exit_code(), 128 + SIGKILL);
  EXPECT_EQ(job()["state"], "free");
}

TEST_F(CliRun, CommandThatIgnoresTerminateIsKilledWhenLeadershipIsLost) {
  Program program(run({"--once"}, "trap '' TERM; echo ready; while :; do sleep 0.01; done"));
  ASSERT_TRUE(program.prints("ready"));
  finish({"resign", "--lock", folder_.lock_url(), "job"});
  EXPECT_EQ(program.exit_code(), 3);
  EXPECT_TRUE(program.output_ends());
}

// -------------------------------------------------------------------------------------------------
// output

TEST_F(CliRun, ClosedOutputHarmsNothing) {
  EXPECT_EQ(finish(run({}, "echo to nobody && exit 3"), {.closed_output = true}).code, 3);
  EXPECT_EQ(job()["state"], "free");
}

TEST_F(CliRun, ReaderOfTheStatusLinesThatHangsHoldsNothingUp) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd read_end(fds[0]);
  const UniqueFd write_end(fds[1]);
  while (write(write_end.get(), "x", 1) == 1) {
  }
  fcntl(write_end.get(), F_SETFL, 0);
  EXPECT_EQ(finish(run({}, "exit 3"), {.error_fd = write_end.get()}).code, 3);
}

TEST_F(CliRun, ReaderOfTheStatusLinesThatIsGone) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
  close(fds[0]);
  const UniqueFd write_end(fds[1]);
  EXPECT_EQ(finish(run({}, "exit 3"), {.error_fd = write_end.get()}).code, 3);
}

TEST_F(CliRun, QuietPrintsNothingButErrors) {
  EXPECT_EQ(finish(run({"--quiet"}, "exit 0")).errors, "");
}

TEST_F(CliRun, LogAsJsonIsOneObjectALine) {
  std::istringstream lines(finish(run({"--log", "json"}, "exit 0")).errors);
  std::vector<std::string> events;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    for (const char* key : {"time", "level", "event", "lock", "message"})
      EXPECT_TRUE(json.contains(key)) << line;
    events.push_back(json["event"]);
  }
  EXPECT_THAT(events, ::testing::ElementsAre("starting", "leading"));
}

}  // namespace
}  // namespace tenure::test
