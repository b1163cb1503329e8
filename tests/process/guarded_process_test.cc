// GuardedProcess with real processes: who is frozen or killed, and what becomes of the command.
#include "runtime/guarded_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>

#include "base/random.h"
#include "host_process.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

/// How much later than it should a shared machine lets a guardian end a command. A bystander who
/// wants to run every few milliseconds knows; and to end a command takes several turns.
class Machine {
 public:
  [[nodiscard]] Duration allowance() const { return milliseconds(500) + 10 * longest_.load(); }

 private:
  void look(const std::stop_token& stop) {
    constexpr Duration kNap = milliseconds(2);
    while (!stop.stop_requested()) {
      const Instant before = boot_now();
      std::this_thread::sleep_for(kNap);
      longest_ = std::max(longest_.load(), boot_now() - before - kNap);
    }
  }

  std::atomic<Duration> longest_{Duration(0)};
  std::jthread bystander_{[this](const std::stop_token& stop) { look(stop); }};
};
/// For tests in which no deadline is to come.
constexpr Duration kFarAway = hours(1);

std::vector<std::string> victim(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), VICTIM_PROGRAM);
  return arguments;
}

// --- Whoever is hit, the command ends in time -------------------------------------------------

enum class Whom { host, outer, inner, command };

struct Command {
  const char* mode;
  int processes;
};

std::string name_of(Whom whom) {
  switch (whom) {
    case Whom::host: return "Host";
    case Whom::outer: return "OuterGuardian";
    case Whom::inner: return "InnerGuardian";
    case Whom::command: return "Command";
  }
  return "";
}

pid_t pid_of(const HostProcess& host, Whom whom) {
  switch (whom) {
    case Whom::host: return host.host();
    case Whom::outer: return host.outer();
    case Whom::inner: return host.inner();
    case Whom::command: return host.command();
  }
  return 0;
}

class HitTest : public testing::TestWithParam<std::tuple<int, Whom, Command>> {};

TEST_P(HitTest, NothingOfTheCommandOutlivesTheHardDeadline) {
  const auto [signal, whom, command] = GetParam();
  const Machine machine;
  HostProcess host(milliseconds(700), milliseconds(100), victim({command.mode}));
  ASSERT_TRUE(host.started());
  host.wait_ready(command.processes);
  ASSERT_GT(pid_of(host, whom), 0);
  ASSERT_EQ(kill(pid_of(host, whom), signal), 0);
  const Instant gone = host.all_gone();
  EXPECT_LE(gone, host.deadline() + machine.allowance());
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

INSTANTIATE_TEST_SUITE_P(
    All, HitTest,
    testing::Combine(testing::Values(SIGSTOP, SIGKILL),
                     testing::Values(Whom::host, Whom::outer, Whom::inner, Whom::command),
                     testing::Values(Command{"plain", 1}, Command{"stubborn", 1},
                                     Command{"parent", 2}, Command{"daemon", 2})),
    [](const auto& test) {
      return std::string(std::get<0>(test.param) == SIGSTOP ? "Frozen" : "Killed") +
             name_of(std::get<1>(test.param)) + "_" + std::get<2>(test.param).mode;
    });

class KilledTest : public testing::TestWithParam<Whom> {};

TEST_P(KilledTest, EndsTheCommandLongBeforeTheHardDeadline) {
  HostProcess host(kFarAway, milliseconds(50), victim({"daemon"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(2);
  ASSERT_EQ(kill(pid_of(host, GetParam()), SIGKILL), 0);
  host.all_gone();
  if (GetParam() != Whom::host) {
    const ProcessExit exit = host.ended();
    EXPECT_EQ(exit.signal, SIGKILL);
    EXPECT_FALSE(exit.killed_at_deadline);
  }
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

INSTANTIATE_TEST_SUITE_P(All, KilledTest,
                         testing::Values(Whom::host, Whom::outer, Whom::inner, Whom::command),
                         [](const auto& test) { return name_of(test.param); });

TEST(GuardedProcessTest, AHitAtAnyMomentOfTheStartLeavesNothingBehind) {
  constexpr Duration kDeadline = milliseconds(250);
  SplitMix random(1);
  for (int round = 0; round < 30; ++round) {
    HostProcess host(kDeadline, milliseconds(50), victim({"daemon"}));
    // The moments between the forks are what is looked for here, and no event marks them.
    const Duration delay = random.between(microseconds(0), microseconds(6000));
    std::this_thread::sleep_for(delay);
    pid_t hit = host.host();
    for (std::uint64_t depth = random.below(4); depth > 0; --depth) {
      if (const auto children = children_of(hit); !children.empty()) hit = children.front();
    }
    const int signal = random.below(2) == 0 ? SIGSTOP : SIGKILL;
    kill(hit, signal);
    if (hit == host.host() && signal == SIGSTOP) {
      waitpid(hit, nullptr, WUNTRACED);  // until it stands
      const Instant limit = boot_now() + kPatience;
      while (!running_descendants(hit).empty() && boot_now() < limit)
        std::this_thread::sleep_for(milliseconds(1));
      EXPECT_EQ(running_descendants(hit), std::vector<pid_t>{}) << "nobody else would end them";
    }
    ASSERT_EQ(host.survivors(), std::vector<pid_t>{}) << "round " << round << ", " << delay.count();
  }
}

TEST(GuardedProcessTest, AKilledHostGivesTheCommandTimeForItsSigterm) {
  HostProcess host(kFarAway, kFarAway, victim({"on-term"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(1);
  kill(host.host(), SIGKILL);
  host.all_gone();  // neither SIGKILL would come within the hour
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

TEST(GuardedProcessTest, AThawedHostLearnsThatTheDeadlinePassed) {
  HostProcess host(milliseconds(300), milliseconds(100), victim({"plain"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(1);
  kill(host.host(), SIGSTOP);
  host.all_gone();
  kill(host.host(), SIGCONT);
  const ProcessExit exit = host.ended();
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_TRUE(exit.killed_at_deadline);
}

TEST(GuardedProcessTest, ACommandThatForksFasterThanWeLookIsCaught) {
  const Machine machine;
  HostProcess host(milliseconds(300), milliseconds(100), victim({"hydra"}));
  ASSERT_TRUE(host.started());
  const Instant gone = host.all_gone();
  EXPECT_LE(gone, host.deadline() + machine.allowance());
  EXPECT_TRUE(host.ended().killed_at_deadline);
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

// --- The command ends by itself -----------------------------------------------------------------

TEST(GuardedProcessTest, ExitCodeAndSignalArePassedThrough) {
  HostProcess code(kFarAway, kFarAway, victim({"exit", "42"}));
  EXPECT_EQ(code.ended().shell_code(), 42);
  HostProcess signal(kFarAway, kFarAway, victim({"raise", std::to_string(SIGUSR2)}));
  EXPECT_EQ(signal.ended().shell_code(), 128 + SIGUSR2);
}

TEST(GuardedProcessTest, ADaemonLeftBehindByItsStarterIsKilledBeforeEnded) {
  HostProcess host(kFarAway, kFarAway, victim({"daemonise"}));
  const ProcessExit exit = host.ended();
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.signal, 0);
  EXPECT_FALSE(exit.killed_at_deadline);
  host.all_gone();
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

class StuckGuardianTest : public testing::TestWithParam<Whom> {};

TEST_P(StuckGuardianTest, DoesNotHideTheCommandsEnd) {
  HostProcess host(kFarAway, kFarAway, victim({"on-term"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(1);
  kill(pid_of(host, GetParam()), SIGSTOP);
  host.order('t');
  const ProcessExit exit = host.ended();
  EXPECT_EQ(exit.code, 7);
  EXPECT_FALSE(exit.killed_at_deadline);
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

INSTANTIATE_TEST_SUITE_P(All, StuckGuardianTest, testing::Values(Whom::outer, Whom::inner),
                         [](const auto& test) { return name_of(test.param); });

// --- What the host asks for
// -----------------------------------------------------------------------

TEST(GuardedProcessTest, TerminateReachesAStoppedCommand) {
  HostProcess host(kFarAway, kFarAway, victim({"on-term"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(1);
  kill(host.command(), SIGSTOP);
  host.order('t');
  EXPECT_EQ(host.ended().code, 7);
}

TEST(GuardedProcessTest, ForwardPassesASignalOn) {
  HostProcess host(kFarAway, kFarAway, victim({"plain"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(1);
  host.order('c');
  EXPECT_EQ(host.ended().signal, SIGINT);
}

TEST(GuardedProcessTest, KillEndsEverythingNow) {
  HostProcess host(kFarAway, kFarAway, victim({"daemon"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(2);
  host.order('k');
  const ProcessExit exit = host.ended();
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_TRUE(exit.killed_at_deadline);
  host.all_gone();
}

TEST(GuardedProcessTest, DestroyingItEndsEverything) {
  HostProcess host(kFarAway, kFarAway, victim({"daemon"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(2);
  host.order('x');
  host.all_gone();
  EXPECT_EQ(host.survivors(), std::vector<pid_t>{});
}

/// How often the process went to sleep.
long sleeps(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  long count = -1;
  while (status >> word) {
    if (word == "voluntary_ctxt_switches:") status >> count;
  }
  return count;
}

TEST(GuardedProcessTest, ExtendingMovesTheDeadlineAndWakesNoGuardian) {
  constexpr Duration kDeadline = milliseconds(1000);
  const Machine machine;
  HostProcess host(kDeadline, kDeadline, victim({"plain"}));
  ASSERT_TRUE(host.started());
  host.wait_ready(1);
  host.order('e');
  ASSERT_EQ(host.report_line(), "extended 0 0 0");
  const long outer = sleeps(host.outer());
  const long inner = sleeps(host.inner());
  Instant extended;
  while (extended < host.deadline() + kDeadline) {
    extended = boot_now();
    host.order('e');
    ASSERT_EQ(host.report_line(), "extended 0 0 0");
    poll(nullptr, 0, 100);  // renewals
  }
  EXPECT_EQ(sleeps(host.outer()), outer);
  EXPECT_EQ(sleeps(host.inner()), inner);
  const Instant gone = host.all_gone();
  EXPECT_GE(gone, extended + kDeadline);
  EXPECT_LE(gone, extended + kDeadline + machine.allowance());
  EXPECT_TRUE(host.ended().killed_at_deadline);
}

// --- What the command finds ----------------------------------------------------------------------

TEST(GuardedProcessTest, TheCommandSeesTheAddedEnvironmentAndOurs) {
  HostProcess added(kFarAway, kFarAway, victim({"env", "TENURE_EPOCH"}));
  EXPECT_EQ(added.output_line(), "7");
  HostProcess ours(kFarAway, kFarAway, victim({"env", "PATH"}));
  EXPECT_EQ(ours.output_line(), std::getenv("PATH"));
}

TEST(GuardedProcessTest, TheCommandHasNoSignalBlockedAndDoesNotIgnoreSigpipe) {
  HostProcess blocked(kFarAway, kFarAway, victim({"status", "SigBlk"}));
  EXPECT_EQ(blocked.output_line(), "SigBlk:\t0000000000000000");
  HostProcess ignored(kFarAway, kFarAway, victim({"status", "SigIgn:"}));
  const std::string mask = ignored.output_line().substr(std::strlen("SigIgn:\t"));
  EXPECT_EQ(std::stoull(mask, nullptr, 16) & (1U << (SIGPIPE - 1)), 0U) << mask;
}

TEST(GuardedProcessTest, TheCommandInheritsNoDescriptorOfOurs) {
  HostProcess host(kFarAway, kFarAway, victim({"descriptors"}));
  EXPECT_EQ(host.output_line(), "fds 0 1 2");
}

TEST(GuardedProcessTest, AScriptWithoutAnInterpreterLineRuns) {
  const std::string script = testing::TempDir() + "/script-" + std::to_string(getpid());
  std::ofstream(script) << "exit $1\n";
  ASSERT_EQ(chmod(script.c_str(), 0700), 0);
  HostProcess host(kFarAway, kFarAway, {script, "9"});
  EXPECT_EQ(host.ended().code, 9);
  unlink(script.c_str());
}

TEST(GuardedProcessTest, ACommandThatCannotRunIsReportedAtOnce) {
  HostProcess missing(kFarAway, kFarAway, {"no-such-command-anywhere"});
  EXPECT_FALSE(missing.started());
  EXPECT_EQ(missing.error(), static_cast<int>(ErrorCode::not_found));
  HostProcess folder(kFarAway, kFarAway, {"/etc"});
  EXPECT_FALSE(folder.started());
  EXPECT_EQ(folder.error(), static_cast<int>(ErrorCode::permission_denied));
  const std::string script = testing::TempDir() + "/script-" + std::to_string(getpid());
  std::ofstream(script) << "#!/no/such/interpreter\n";
  ASSERT_EQ(chmod(script.c_str(), 0700), 0);
  HostProcess interpreter(kFarAway, kFarAway, {script});
  EXPECT_FALSE(interpreter.started());
  EXPECT_EQ(interpreter.error(), static_cast<int>(ErrorCode::not_found));
  EXPECT_TRUE(interpreter.survivors().empty());
  unlink(script.c_str());
}

TEST(GuardedProcessTest, CtrlCGoesToTheCommandAndTheTerminalComesBack) {
  const UniqueFd terminal(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_EQ(grantpt(terminal.get()), 0);
  ASSERT_EQ(unlockpt(terminal.get()), 0);
  HostProcess host(kFarAway, kFarAway, victim({"foreground"}), ptsname(terminal.get()));
  ASSERT_TRUE(host.started());
  EXPECT_EQ(host.output_line(), "foreground");
  ASSERT_EQ(write(terminal.get(), "\x03", 1), 1);
  EXPECT_EQ(host.report_line(), "ended 0 2 0");  // SIGINT; "foreground-lost" would precede it
}

}  // namespace
}  // namespace tenure
