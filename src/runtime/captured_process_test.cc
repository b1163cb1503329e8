#include "runtime/captured_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/clock.h"
#include "runtime/testing/loop_for_tests.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Outcome = CapturedProcess::Outcome;

class CapturedProcessTest : public testing::Test {
 protected:
  static CapturedProcess::Options shell(const std::string& script) {
    CapturedProcess::Options options;
    options.argv = {"/bin/sh", "-c", script};
    return options;
  }

  std::unique_ptr<CapturedProcess> start(const CapturedProcess::Options& options) {
    auto process = CapturedProcess::start(*loop_, options, [this](Outcome outcome) {
      outcome_ = std::move(outcome);
      loop_->stop();
    });
    EXPECT_TRUE(process) << process.error().to_string();
    return process ? std::move(*process) : nullptr;
  }

  Outcome run(const CapturedProcess::Options& options) {
    const auto process = start(options);
    run_until_stopped(*loop_, "the command's end");
    return outcome_.value_or(Outcome{});
  }

  static std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
      ++count;
    return count;
  }
  static bool has_children() { return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

  const std::unique_ptr<Loop> loop_ = std::move(Loop::create().value());
  std::optional<Outcome> outcome_;
};

/// Closed when the last process that has inherited the writing end is gone. The command gets it as
/// a named file, because it inherits no descriptor.
class Witness {
 public:
  Witness() {
    EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0);
    path_ = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(ends_[1]);
  }
  ~Witness() {
    close(ends_[0]);
    release();
  }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  /// For a redirection that opens it: `9>PATH`.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string reading_path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(ends_[0]);
  }
  void write_line() const { EXPECT_EQ(write(ends_[1], "go\n", 3), 3); }
  /// What the command wrote, when it wrote that.
  [[nodiscard]] char wait_for_byte() const {
    pollfd wait{ends_[0], POLLIN, 0};
    char byte = 0;
    return poll(&wait, 1, 20'000) == 1 && read(ends_[0], &byte, 1) == 1 ? byte : '\0';
  }
  [[nodiscard]] bool all_gone() {
    release();
    pollfd wait{ends_[0], POLLIN, 0};
    char byte = 0;
    return poll(&wait, 1, 20'000) == 1 && read(ends_[0], &byte, 1) == 0;
  }

 private:
  void release() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  std::array<int, 2> ends_{};
  std::string path_;
};

TEST_F(CapturedProcessTest, CollectsBothOutputsAndTheCode) {
  const Outcome outcome = run(shell("printf 'one\\ntwo'; printf oops >&2; exit 3"));
  EXPECT_EQ(outcome.output, "one\ntwo");
  EXPECT_EQ(outcome.error_tail, "oops");
  EXPECT_EQ(outcome.exit.code, 3);
  EXPECT_FALSE(outcome.succeeded());
}

TEST_F(CapturedProcessTest, ASuccessIsOne) {
  EXPECT_TRUE(run(shell("exit 0")).succeeded());
}

TEST_F(CapturedProcessTest, ASignalIsTold) {
  const Outcome outcome = run(shell("kill -TERM $$"));
  EXPECT_EQ(outcome.exit.signal, SIGTERM);
  EXPECT_FALSE(outcome.succeeded());
}

TEST_F(CapturedProcessTest, ArgumentsAreNotReadByAShell) {
  CapturedProcess::Options options;
  options.argv = {"printf", "%s", "$HOME; `ls` 'a b'"};
  EXPECT_EQ(run(options).output, "$HOME; `ls` 'a b'");
}

TEST_F(CapturedProcessTest, TheEnvironmentIsOursAndTheAddition) {
  auto options = shell("printf %s \"$TENURE_TEST_ADDED:${PATH:+path}\"");
  options.environment = {{"TENURE_TEST_ADDED", "a=b c"}};
  EXPECT_EQ(run(options).output, "a=b c:path");
}

TEST_F(CapturedProcessTest, StandardInputIsEmpty) {
  EXPECT_EQ(run(shell("cat; readlink /proc/self/fd/0")).output, "/dev/null\n");
}

TEST_F(CapturedProcessTest, NoDescriptorOfOursIsPassedOn) {
  const int ours = fcntl(STDOUT_FILENO, F_DUPFD, 57);  // not close-on-exec
  ASSERT_GE(ours, 57);
  const std::string name = "/proc/$$/fd/" + std::to_string(ours);
  const Outcome outcome = run(shell("test -e /proc/$$/fd/1 && ! test -e " + name));
  close(ours);
  EXPECT_TRUE(outcome.succeeded());
}

TEST_F(CapturedProcessTest, ABlockedOrIgnoredSignalIsNotPassedOn) {
  sigset_t usr1;
  sigset_t before;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &usr1, &before), 0);
  ASSERT_NE(signal(SIGPIPE, SIG_IGN), SIG_ERR);
  EXPECT_EQ(run(shell("kill -USR1 $$")).exit.signal, SIGUSR1);
  EXPECT_EQ(run(shell("kill -PIPE $$")).exit.signal, SIGPIPE);
  ASSERT_NE(signal(SIGPIPE, SIG_DFL), SIG_ERR);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

TEST_F(CapturedProcessTest, MuchOutputWithinTheLimitArrivesWhole) {
  auto options = shell("head -c 1000000 /dev/zero | tr '\\0' x");
  options.output_limit = 1'000'000;
  const Outcome outcome = run(options);
  EXPECT_TRUE(outcome.succeeded());
  EXPECT_EQ(outcome.output, std::string(1'000'000, 'x'));
}

TEST_F(CapturedProcessTest, TooMuchOutputEndsTheCommand) {
  auto options = shell("while :; do echo 0123456789; done");
  options.output_limit = 100;
  const Outcome outcome = run(options);
  EXPECT_TRUE(outcome.output_too_large);
  EXPECT_FALSE(outcome.succeeded());
  EXPECT_EQ(outcome.output.size(), 100U);
  EXPECT_EQ(outcome.exit.signal, SIGKILL);
}

TEST_F(CapturedProcessTest, OfStandardErrorTheEndIsKept) {
  const Outcome outcome = run(shell("head -c 300000 /dev/zero | tr '\\0' x >&2; printf end >&2"));
  EXPECT_EQ(outcome.error_tail, std::string(CapturedProcess::kErrorTail - 3, 'x') + "end");
  EXPECT_TRUE(outcome.succeeded());
}

TEST_F(CapturedProcessTest, ClosingTheOutputsEarlyDoesNotSpinOrEndIt) {
  const Outcome outcome = run(shell("printf early; exec >&- 2>&-; sleep 0.3; exit 4"));
  EXPECT_EQ(outcome.output, "early");
  EXPECT_EQ(outcome.exit.code, 4);
  EXPECT_LT(loop_->wakeups(), 20U);
}

TEST_F(CapturedProcessTest, AtTheTimeLimitTheWholeGroupIsKilled) {
  Witness witness;
  auto options = shell("exec 9>" + witness.path() + "; sleep 1000 & sleep 1000");
  options.time_limit = milliseconds(200);
  const Instant start = boot_now();
  const Outcome outcome = run(options);
  EXPECT_GE(boot_now() - start, milliseconds(200));
  EXPECT_TRUE(outcome.exit.killed_at_deadline);
  EXPECT_EQ(outcome.exit.signal, SIGKILL);
  EXPECT_TRUE(witness.all_gone());
  EXPECT_FALSE(has_children());
}

TEST_F(CapturedProcessTest, ABackgroundProcessIsNeitherWaitedForNorKilled) {
  Witness witness;
  Witness gate;
  const Outcome outcome = run(shell("(read line <" + gate.reading_path() + "; printf x >" +
                                    witness.path() + ") & printf done"));
  EXPECT_TRUE(outcome.succeeded());
  EXPECT_EQ(outcome.output, "done");
  gate.write_line();
  EXPECT_EQ(witness.wait_for_byte(), 'x');
}

TEST_F(CapturedProcessTest, DestroyingKillsTheGroupAndTellsNobody) {
  Witness witness;
  auto process =
      start(shell("exec 9>" + witness.path() + "; sleep 1000 & printf r >&9; sleep 1000"));
  ASSERT_EQ(witness.wait_for_byte(), 'r');
  process.reset();
  EXPECT_TRUE(witness.all_gone());
  EXPECT_FALSE(has_children());
  loop_->at(boot_now() + milliseconds(20), [this] { loop_->stop(); });
  run_until_stopped(*loop_, "a moment in which nothing happens");
  EXPECT_FALSE(outcome_);
}

TEST_F(CapturedProcessTest, TheObjectMayBeDestroyedByItsOwnCallback) {
  std::unique_ptr<CapturedProcess> process;
  process = std::move(CapturedProcess::start(*loop_, shell("echo x"), [&](const Outcome& outcome) {
                        process.reset();
                        EXPECT_EQ(outcome.output, "x\n");
                        loop_->stop();
                      }).value());
  run_until_stopped(*loop_, "the command's end");
  EXPECT_EQ(process, nullptr);
}

TEST_F(CapturedProcessTest, NeitherDescriptorsNorZombiesRemain) {
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    run(shell("echo x"));
    start(shell("sleep 1000"));  // destroyed at once
    EXPECT_FALSE(CapturedProcess::start(*loop_, {.argv = {"/nonexistent/command"}}, nullptr));
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_FALSE(has_children());
}

TEST_F(CapturedProcessTest, TheLoopGoesOnWhileTheCommandRuns) {
  Witness gate;  // the command reads from it and so waits for us
  int ticks = 0;
  std::function<void()> tick = [&] {
    if (++ticks < 50) {
      loop_->at(boot_now() + milliseconds(1), tick);
    } else {
      EXPECT_FALSE(outcome_);
      gate.write_line();
    }
  };
  const auto process = start(shell("read line <" + gate.reading_path() + "; echo $line"));
  tick();
  run_until_stopped(*loop_, "the command's end");
  EXPECT_EQ(ticks, 50);
  ASSERT_TRUE(outcome_);
  EXPECT_EQ(outcome_->output, "go\n");
}

TEST_F(CapturedProcessTest, WhatCannotBeExecutedIsAnErrorAtOnce) {
  const auto error_of = [&](const std::vector<std::string>& argv) {
    const auto process = CapturedProcess::start(*loop_, {.argv = argv}, nullptr);
    return process ? Error{} : process.error();
  };
  EXPECT_EQ(error_of({"tenure-no-such-command"}).code, ErrorCode::not_found);
  EXPECT_EQ(error_of({"/etc/passwd"}).code, ErrorCode::permission_denied);
  EXPECT_EQ(error_of({"/tmp"}).code, ErrorCode::permission_denied);
  EXPECT_EQ(error_of({}).code, ErrorCode::invalid_argument);
}

TEST_F(CapturedProcessTest, ManyAtATimeEachGetTheirOwn) {
  int left = 20;
  std::vector<std::unique_ptr<CapturedProcess>> processes;
  for (int i = 0; i < 20; ++i) {
    processes.push_back(std::move(CapturedProcess::start(*loop_, shell("echo " + std::to_string(i)),
                                                         [&, i](const Outcome& outcome) {
                                                           EXPECT_EQ(outcome.output,
                                                                     std::to_string(i) + "\n");
                                                           if (--left == 0) loop_->stop();
                                                         })
                                      .value()));
  }
  run_until_stopped(*loop_, "20 commands");
  EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace tenure
