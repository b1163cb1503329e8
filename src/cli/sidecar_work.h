// SidecarWork: what a sidecar does with a tenure: it says "yes", and runs the user's hooks.
//
// Whoever was told "yes" a moment ago may still act on it, so after a loss the lock is held for the
// stop margin, and until the on-stopped hook has ended, but never beyond the hard deadline.
//
// Hooks run one after the other through `sh -c`, with TENURE_EPOCH, TENURE_LOCK and
// TENURE_IDENTITY, and are killed after kHookLimit; an on-started hook also when its tenure ends. A
// hook that fails is reported, and changes nothing else.
//
// Thread safety: the loop's thread only.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "cli/run_log.h"
#include "elect/work.h"
#include "runtime/captured_process.h"
#include "runtime/loop.h"

namespace tenure::cli {

class SidecarWork final : public Work {
 public:
  struct Options {
    Duration stop_margin{};
    std::string lock;
    std::string identity;
    std::string on_started{};  ///< "": none
    std::string on_stopped{};
  };
  static constexpr Duration kHookLimit = std::chrono::seconds(30);

  /// Loop and log outlive it.
  SidecarWork(Loop& loop, const RunLog& log, Options options)
      : loop_(loop), log_(log), options_(std::move(options)) {}

  void start(Epoch epoch, Instant valid_until, Instant hard_deadline, Finished finished) override;
  void renewed(Instant, Instant) override {}
  void stop(StopReason reason) override;
  void kill() override { end(); }

 private:
  enum class When : std::uint8_t { started, stopped };
  struct Hook {
    When when;
    Epoch epoch;
  };
  [[nodiscard]] const std::string& command_of(Hook hook) const;
  void call(Hook hook);
  void run_next();
  void ended(const CapturedProcess::Outcome& outcome);
  void report(const std::string& what) const;
  void end_when_ready();
  void end();

  Loop& loop_;
  const RunLog& log_;
  const Options options_;
  Finished finished_;  // empty outside of a tenure
  Epoch epoch_ = 0;
  bool stopping_ = false;
  Loop::TimerId margin_ = 0;  // of the stop, while it runs
  std::deque<Hook> waiting_;
  Hook current_{};  // of running_
  std::unique_ptr<CapturedProcess> running_;
};

}  // namespace tenure::cli
