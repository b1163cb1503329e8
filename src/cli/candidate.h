// Candidate: what `tenure run` does between the election and the command.
//
// It starts the command when a tenure begins and stops it when that ends, passes signals on,
// and finds the exit code. Everything on the loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/run_log.h"
#include "elect/contender.h"
#include "elect/work.h"
#include "runtime/guarded_process.h"

namespace tenure::cli {

/// What a shell exits with when a command cannot be started.
int exit_code_of_command(const Error& error);

class Candidate final : public Work, public DriverObserver {
 public:
  /// The references outlive the candidate.
  Candidate(Loop& loop, const RunLog& log, const RunOptions& options)
      : loop_(loop), log_(log), options_(options) {}

  /// Contends until the command has ended, a signal or a time-out; then stops the loop.
  void contend(Contender& contender);
  /// A signal came. To the command while it runs; otherwise SIGINT, SIGTERM, SIGHUP and SIGQUIT
  /// end the waiting. A second SIGINT or SIGTERM ends the command by force.
  void signalled(int signal);
  /// Once the loop has stopped.
  [[nodiscard]] int exit_code() const { return exit_code_.value_or(kExitLostLeadership); }

  // Work
  void start(Epoch epoch, Instant valid_until, Instant hard_deadline, Finished finished) override;
  void renewed(Instant valid_until, Instant hard_deadline) override;
  void stop(StopReason reason) override;
  void kill() override;

  // DriverObserver
  void leader_changed(const LeaseView& view) override;
  void role_changed(const LeaseView& view, StopReason reason) override;
  void reported(Action::Note note, const std::string& detail) override;
  void overran(Epoch epoch) override;
  void done(StopReason reason) override;

 private:
  void ended(ProcessExit exit);
  void leave(int exit_code);
  void start_acquire_timer();

  Loop& loop_;
  const RunLog& log_;
  const RunOptions& options_;
  Contender* contender_ = nullptr;
  std::unique_ptr<GuardedProcess> process_;
  Finished finished_;
  Epoch epoch_ = 0;
  bool told_to_stop_ = false;  // by the election, not by a signal
  bool quitting_ = false;      // by a signal
  std::optional<int> exit_code_;
  Loop::TimerId acquire_timer_ = 0;
  std::string last_report_;
};

}  // namespace tenure::cli
