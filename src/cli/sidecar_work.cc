#include "cli/sidecar_work.h"

#include <fmt/format.h>

#include <utility>

#include "base/duration.h"
#include "kube/printable.h"

namespace tenure::cli {
namespace {

std::string how_it_ended(const CapturedProcess::Outcome& outcome) {
  if (outcome.exit.killed_at_deadline)
    return "was killed: it ran longer than " + format_duration(SidecarWork::kHookLimit);
  if (outcome.output_too_large) return "was killed: it printed more than 1 MiB";
  std::string text = fmt::format("failed with exit code {}", outcome.exit.shell_code());
  const std::string said =
      kube::last_printable_line(outcome.error_tail, CapturedProcess::kErrorTail);
  if (!said.empty()) text += ": " + said;
  return text;
}

}  // namespace

void SidecarWork::start(Epoch epoch, Instant, Instant, Finished finished) {
  finished_ = std::move(finished);
  epoch_ = epoch;
  stopping_ = false;
  call({When::started, epoch});
}

void SidecarWork::stop(StopReason) {
  stopping_ = true;
  margin_ = loop_.at(loop_.now().mono + options_.stop_margin, [this] {
    margin_ = 0;
    end_when_ready();
  });
  // What begins a tenure must not go on after it.
  std::erase_if(waiting_, [](const Hook& hook) { return hook.when == When::started; });
  if (running_ && current_.when == When::started) running_.reset();
  call({When::stopped, epoch_});
}

void SidecarWork::end_when_ready() {
  if (stopping_ && margin_ == 0 && !running_ && waiting_.empty()) end();
}

void SidecarWork::end() {
  loop_.cancel(std::exchange(margin_, 0));
  if (const Finished finished = std::exchange(finished_, {})) finished(false);
}

// -------------------------------------------------------------------------------------------------
// hooks

void SidecarWork::call(Hook hook) {
  if (!command_of(hook).empty()) waiting_.push_back(hook);
  run_next();
}

const std::string& SidecarWork::command_of(Hook hook) const {
  return hook.when == When::started ? options_.on_started : options_.on_stopped;
}

void SidecarWork::run_next() {
  while (!running_ && !waiting_.empty()) {
    current_ = waiting_.front();
    waiting_.pop_front();
    CapturedProcess::Options command;
    command.argv = {"sh", "-c", command_of(current_)};
    command.environment = {{"TENURE_EPOCH", std::to_string(current_.epoch)},
                           {"TENURE_LOCK", options_.lock},
                           {"TENURE_IDENTITY", options_.identity}};
    command.time_limit = kHookLimit;
    auto started = CapturedProcess::start(
        loop_, command, [this](const CapturedProcess::Outcome& outcome) { ended(outcome); });
    if (started) {
      running_ = std::move(*started);
    } else {
      report("cannot be run: " + started.error().to_string());
    }
  }
  end_when_ready();
}

void SidecarWork::ended(const CapturedProcess::Outcome& outcome) {
  if (!outcome.succeeded()) report(how_it_ended(outcome));
  running_.reset();
  run_next();
}

void SidecarWork::report(const std::string& what) const {
  const char* const flag = current_.when == When::started ? "--on-started" : "--on-stopped";
  log_.warning("hook_failed", current_.epoch, fmt::format("the hook of {} {}", flag, what));
}

}  // namespace tenure::cli
