// Signals: the process's signals as callbacks on a loop.
//
// Create it in main() before any thread is started: threads inherit the mask that keeps the signals
// from killing the process. A signal that was ignored when we were started (nohup, a background
// job of a shell script) stays ignored. SIGPIPE is ignored from here on, so that writing to a
// closed connection is an error, not a death.
//
// A child gets the mask too: GuardedProcess gives its command an empty one; whoever else forks must
// do likewise. The destructor restores the mask of the calling thread, and SIGPIPE.
//
// Two of the same kind that come at once are one. Thread safety: everything on the loop's thread.
//
//   auto signals = Signals::create(*loop, {SIGTERM, SIGINT}, [&](int) { loop->stop(); });
#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/loop.h"
#include "runtime/unique_fd.h"
#include "tenure/result.h"

namespace tenure {

class Signals {
 public:
  using Callback = std::function<void(int signal)>;

  static Result<std::unique_ptr<Signals>> create(Loop& loop, const std::vector<int>& signals,
                                                 Callback callback);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  Signals(Loop& loop, Callback callback) : loop_(loop), callback_(std::move(callback)) {}
  Status take_over(const std::vector<int>& signals);
  void deliver();

  Loop& loop_;
  Callback callback_;
  UniqueFd fd_;
  sigset_t mask_before_{};
  struct sigaction pipe_before_ {};
};

}  // namespace tenure
