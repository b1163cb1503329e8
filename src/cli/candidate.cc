#include "cli/candidate.h"

#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "base/duration.h"
#include "cli/console.h"

namespace tenure::cli {
namespace {

bool asks_to_quit(int signal) {
  return signal == SIGINT || signal == SIGTERM;
}

}  // namespace

int exit_code_of_command(const Error& error) {
  if (error.code == ErrorCode::not_found) return kExitNotFound;
  if (error.code == ErrorCode::permission_denied) return kExitNotExecutable;
  return kExitFailure;
}

void Candidate::contend(Contender& contender) {
  contender_ = &contender;
  contender.start();
  loop_.run();
}

void Candidate::leave(int exit_code) {
  if (!exit_code_) exit_code_ = exit_code;
  contender_->stop();
}

void Candidate::signalled(int signal) {
  const bool insisted = asks_to_quit(signal) && quitting_;
  quitting_ = quitting_ || asks_to_quit(signal);
  if (process_) {
    if (insisted) return process_->kill();
    return signal == SIGTERM ? process_->terminate() : process_->forward(signal);
  }
  if (insisted) {  // does not even wait for the release
    if (!exit_code_) exit_code_ = kExitSignal + signal;
    return loop_.stop();
  }
  if (asks_to_quit(signal) || signal == SIGHUP || signal == SIGQUIT) leave(kExitSignal + signal);
}

// ----------------------------------------------------------------------------------------------
// the command

void Candidate::start(Epoch epoch, Instant, Instant hard_deadline, Finished finished) {
  epoch_ = epoch;
  told_to_stop_ = false;
  finished_ = std::move(finished);
  GuardedProcess::Options options;
  options.argv = options_.command;
  options.environment = {{"TENURE_EPOCH", std::to_string(epoch)},
                         {"TENURE_LOCK", options_.name},
                         {"TENURE_IDENTITY", options_.identity}};
  options.hard_deadline = hard_deadline;
  auto process = GuardedProcess::start(loop_, options, [this](ProcessExit exit) { ended(exit); });
  if (process) {
    process_ = std::move(*process);
    return;
  }
  log_.error("command_failed", epoch, process.error().to_string());
  exit_code_ = exit_code_of_command(process.error());
  loop_.post([this] { ended({.code = *exit_code_}); });
}

void Candidate::renewed(Instant, Instant hard_deadline) {
  if (process_) process_->extend(hard_deadline);
  if (!std::exchange(last_report_, {}).empty())
    log_.info("store_reachable", epoch_, "the lock store answers again");
}

void Candidate::stop(StopReason reason) {
  if (reason != StopReason::stop_requested)
    log_.warning(
        "lost", epoch_,
        fmt::format("lost leadership of {} (epoch {}): {}; {}", in_quotes(options_.name), epoch_,
                    explain(reason), process_ ? "stopping the command" : "the command was killed"));
  if (!process_) return;
  told_to_stop_ = true;
  process_->terminate();
}

void Candidate::kill() {
  if (process_) process_->kill();
}

void Candidate::ended(ProcessExit exit) {
  process_.reset();
  // Killed at the deadline without having been told to stop: this process was frozen and learns
  // only now that its tenure is over.
  const bool lost = told_to_stop_ || exit.killed_at_deadline;
  std::exchange(finished_, {})(exit.shell_code() != 0);
  if (!lost || quitting_) leave(exit.shell_code());
}

// ----------------------------------------------------------------------------------------------
// the election

void Candidate::start_acquire_timer() {
  loop_.cancel(std::exchange(acquire_timer_, 0));
  if (!options_.acquire_timeout) return;
  acquire_timer_ = loop_.at(loop_.now().mono + *options_.acquire_timeout, [this] {
    acquire_timer_ = 0;
    log_.error(
        "acquire_timeout", 0,
        fmt::format("lock {} was not acquired within {}; see who holds it with tenure status",
                    in_quotes(options_.name), format_duration(*options_.acquire_timeout)));
    leave(kExitFailure);
  });
}

void Candidate::leader_changed(const LeaseView& view) {
  if (view.role != Role::contending || view.holder.empty()) return;
  const bool same = view.holder == options_.identity;
  log_.info("waiting", view.holder_epoch,
            fmt::format("waiting: lock {} is held by {} (epoch {}){}", in_quotes(options_.name),
                        view.holder, view.holder_epoch,
                        same ? ", another process with this identity or an earlier one" : ""));
}

void Candidate::role_changed(const LeaseView& view, StopReason) {
  switch (view.role) {
    case Role::contending:
      if (view.holder != options_.identity) leader_changed(view);  // while the command was ending
      return start_acquire_timer();
    case Role::leading:
      loop_.cancel(std::exchange(acquire_timer_, 0));
      last_report_.clear();
      return log_.info(
          "leading", view.epoch,
          fmt::format("leading lock {} with epoch {}", in_quotes(options_.name), view.epoch));
    case Role::idle:
    case Role::stopping:
    case Role::releasing:
    case Role::done: return;
  }
}

// A store that is down is reported once, not at every attempt.
void Candidate::reported(Action::Note note, const std::string& detail) {
  std::string text(explain(note));
  if (!detail.empty()) text += ": " + detail;
  if (text == last_report_) return;
  log_.warning(to_string(note), epoch_, text);
  last_report_ = std::move(text);
}

void Candidate::overran(Epoch epoch) {
  log_.warning("overran", epoch,
               fmt::format("the command was still running at the hard deadline of epoch {}; "
                           "killing it",
                           epoch));
}

void Candidate::done(StopReason) {
  loop_.cancel(std::exchange(acquire_timer_, 0));
  loop_.stop();
}

}  // namespace tenure::cli
