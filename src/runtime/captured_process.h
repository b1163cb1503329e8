// CapturedProcess: runs a short command without a shell and collects what it prints.
//
// The command has /dev/null as its standard input, our working folder, a process group of its own,
// default signals and no descriptor of ours. Reading never blocks the loop; starting takes as long
// as looking the command up in PATH and executing it.
//
// When the command exits, what has been printed until then is the output: whatever it leaves in the
// background is left alone and not waited for. At the time limit, when it prints too much, and when
// the object is destroyed, its whole process group is killed; only a process that has left the
// group (setsid(2)) escapes. No zombie and no descriptor remains. For a command that must not
// outlive us, use GuardedProcess.
//
// Needs Linux 5.3 (pidfd_open(2)). The program must not ignore SIGCHLD: the kernel would drop the
// exit status, and Outcome would report code 255.
//
// Thread safety: the loop's thread only.
//
//   CapturedProcess::Options options;
//   options.argv = {"uname", "-r"};
//   auto process = CapturedProcess::start(loop, options, [&](CapturedProcess::Outcome outcome) {
//     if (outcome.succeeded()) use(outcome.output);
//   });
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/guarded_process.h"
#include "runtime/loop.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

class CapturedProcess {
 public:
  /// Of standard error, this much of the end is kept.
  static constexpr std::size_t kErrorTail = 4096;

  struct Options {
    std::vector<std::string> argv;  ///< argv[0] is looked up in PATH
    std::vector<std::pair<std::string, std::string>>
        environment{};  ///< added to ours, or replaces it
    Duration time_limit = std::chrono::seconds(60);
    std::size_t output_limit = 1U << 20U;  ///< bytes of standard output
  };

  struct Outcome {
    ProcessExit exit;  ///< killed_at_deadline: it was still running at the time limit
    bool output_too_large = false;
    std::string output;      ///< at most output_limit bytes
    std::string error_tail;  ///< the last bytes of standard error, raw: may hold anything

    [[nodiscard]] bool succeeded() const {
      return exit.shell_code() == 0 && !exit.killed_at_deadline && !output_too_large;
    }
  };
  /// On the loop's thread, once, never from inside start(), at the latest a second after the time
  /// limit. May destroy the CapturedProcess.
  using Ended = std::function<void(Outcome)>;

  /// Returns when the command has been executed. Errors: invalid_argument, not_found and
  /// permission_denied (the command), unavailable (out of processes or descriptors).
  static Result<std::unique_ptr<CapturedProcess>> start(Loop& loop, const Options& options,
                                                        Ended ended);

  /// Kills what is left, without calling Ended. Waits for that, a second at the most.
  virtual ~CapturedProcess() = default;
};

}  // namespace tenure
