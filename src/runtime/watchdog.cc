#include "runtime/watchdog.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "runtime/clock.h"
#include "runtime/timer_fd.h"
#include "runtime/unique_fd.h"

namespace tenure {
namespace {

class ThreadWatchdog final : public Watchdog {
 public:
  ThreadWatchdog(Loop& loop, Duration margin, Handler hung, UniqueFd timer, UniqueFd stop)
      : loop_(loop),
        margin_(margin),
        hung_(std::move(hung)),
        timer_(std::move(timer)),
        stop_(std::move(stop)),
        thread_([this] { run(); }) {}

  ~ThreadWatchdog() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(stop_.get(), &one, sizeof one);
    thread_.join();
  }

  void hold(Instant valid_until) override {
    valid_until_ = valid_until;
    set_timer(timer_.get(), valid_until - margin_);
  }
  void release() override { hold(Instant::never()); }

 private:
  void run();
  void on_timer();
  void ask_loop(Instant now);

  Loop& loop_;
  const Duration margin_;
  const Handler hung_;
  const UniqueFd timer_;
  const UniqueFd stop_;
  std::atomic<Instant> valid_until_ = Instant::never();

  // The watchdog thread's own.
  Instant asked_about_;  ///< the lease whose end the loop was asked about
  /// Shared with the question, which the loop may hold for longer than we live.
  std::shared_ptr<std::atomic<bool>> answered_;

  std::thread thread_;  // last: it uses everything above
};

void ThreadWatchdog::run() {
  std::array<pollfd, 2> waits{{{timer_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  while (waits[1].revents == 0) {
    if (poll(waits.data(), waits.size(), -1) > 0 && waits[0].revents != 0) on_timer();
  }
}

void ThreadWatchdog::on_timer() {
  std::uint64_t expirations = 0;
  if (read(timer_.get(), &expirations, sizeof expirations) < 0) return;  // moved meanwhile
  const Instant now = boot_now();
  const Instant valid_until = valid_until_;
  // hold() may have come between the end of the timer and here, or before ask_loop() set it.
  if (now < valid_until - margin_) return set_timer(timer_.get(), valid_until - margin_);
  if (valid_until != asked_about_) {
    asked_about_ = valid_until;
    return ask_loop(now);
  }
  if (!*answered_) hung_();
}

void ThreadWatchdog::ask_loop(Instant now) {
  answered_ = std::make_shared<std::atomic<bool>>(false);
  loop_.post([answered = answered_] { *answered = true; });
  const Instant limit = std::max(asked_about_ - margin_ / 2, now + margin_ / 2);
  set_timer(timer_.get(), limit);
}

}  // namespace

void Watchdog::exit_now() {
  constexpr const char* kLine =
      "tenure: the event loop hangs and the lease is about to end; exiting (70)\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kLine, std::strlen(kLine));
  _exit(70);
}

Result<std::unique_ptr<Watchdog>> Watchdog::create(Loop& loop, Duration margin, Handler hung) {
  UniqueFd timer = make_timer();
  UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::string why;
  if (!timer || !stop) {
    why = std::strerror(errno);
  } else {
    try {
      return std::make_unique<ThreadWatchdog>(loop, margin, std::move(hung), std::move(timer),
                                              std::move(stop));
    } catch (const std::system_error& error) {
      why = error.what();
    }
  }
  return failure(ErrorCode::unavailable, "cannot start the watchdog: " + why,
                 "raise the limits of open files and of threads (ulimit -n, ulimit -u)");
}

}  // namespace tenure
