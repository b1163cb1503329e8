#include "runtime/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/clock.h"
#include "runtime/timer_fd.h"
#include "runtime/timers.h"
#include "runtime/unique_fd.h"

namespace tenure {
namespace {

// Marks the loop's own two descriptors, whose events only end the wait. A watch's token is never 0.
constexpr std::uint64_t kOwnToken = 0;

class EpollLoop final : public Loop {
 public:
  EpollLoop(UniqueFd epoll, UniqueFd timer, UniqueFd wake)
      : epoll_(std::move(epoll)), timer_(std::move(timer)), wake_(std::move(wake)) {}

  Now now() const override { return read_clocks(); }
  TimerId at(Instant when, Callback callback) override {
    return timers_.at(when, std::move(callback));
  }
  void cancel(TimerId timer) override { timers_.cancel(timer); }
  void post(Callback callback) override;
  Status watch(int fd, Readiness wanted, ReadyCallback ready) override;
  void unwatch(int fd) override;
  void run() override;
  void stop() override;
  Instant last_turn() const override { return Instant::from_ns(last_turn_.load()); }
  std::uint64_t wakeups() const override { return wakeups_.load(); }

  /// Level-triggered for the callers' descriptors; edge-triggered for our own two, which then need
  /// no reading.
  Status add(int fd, std::uint32_t events, std::uint64_t token);

 private:
  static constexpr int kBatch = 64;
  using Events = std::array<epoll_event, kBatch>;
  struct Watch {
    std::uint64_t token;
    Readiness wanted;
    std::shared_ptr<ReadyCallback> ready;
  };

  bool inbox_is_empty();
  int wait(Events& events);
  void arm_timer();
  void run_timers();
  void run_inbox();
  void run_watch(const epoll_event& event);
  void wake();

  const UniqueFd epoll_;
  const UniqueFd timer_;
  const UniqueFd wake_;
  Timers timers_;
  Instant armed_ = Instant::never();
  std::unordered_map<int, Watch> watches_;
  std::uint64_t watches_made_ = 0;
  std::mutex mutex_;
  std::vector<Callback> inbox_;          // guarded by mutex_
  std::atomic<std::thread::id> thread_;  // that is in run()
  std::atomic<bool> stopping_ = false;
  std::atomic<std::int64_t> last_turn_ = boot_now().ns();
  std::atomic<std::uint64_t> wakeups_ = 0;
};

tl::unexpected<Error> system_failure(const char* what) {
  const int error = errno;
  return failure(error == EMFILE || error == ENFILE ? ErrorCode::unavailable : ErrorCode::internal,
                 std::string(what) + " failed: " + std::strerror(error),
                 error == EMFILE ? "raise the limit of open files (ulimit -n)" : "");
}

Status EpollLoop::add(int fd, std::uint32_t events, std::uint64_t token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_failure("epoll_ctl");
  return {};
}

void EpollLoop::post(Callback callback) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = inbox_.empty();
    inbox_.push_back(std::move(callback));
  }
  // The loop's own thread looks into the inbox before it waits again.
  if (first && std::this_thread::get_id() != thread_) wake();
}

void EpollLoop::stop() {
  stopping_ = true;
  wake();
}

void EpollLoop::wake() {
  // Cannot fail before 2^64 calls: nothing ever reads the counter down and an edge comes with each
  // write.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
}

Status EpollLoop::watch(int fd, Readiness wanted, ReadyCallback ready) {
  unwatch(fd);
  // The token tells a new watch from an old one of the same number whose event is still in the
  // batch.
  const std::uint64_t token = (++watches_made_ << 32U) | static_cast<std::uint32_t>(fd);
  const std::uint32_t events = (wanted.readable ? std::uint32_t{EPOLLIN} : 0U) |
                               (wanted.writable ? std::uint32_t{EPOLLOUT} : 0U);
  if (Status added = add(fd, events, token); !added) return added;
  watches_.emplace(fd, Watch{token, wanted, std::make_shared<ReadyCallback>(std::move(ready))});
  return {};
}

void EpollLoop::unwatch(int fd) {
  const auto watch = watches_.extract(fd);
  if (watch) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EpollLoop::run() {
  Events events;
  thread_ = std::this_thread::get_id();
  run_inbox();  // what the last run left behind has no wake-up coming
  while (!stopping_) {
    const int count = wait(events);
    // Timers first: a deadline that passed while the machine slept counts before anything that came
    // in meanwhile.
    run_timers();
    run_inbox();
    for (int i = 0; i < count && !stopping_; ++i) run_watch(events[static_cast<std::size_t>(i)]);
  }
  stopping_ = false;
  thread_ = std::thread::id();
}

bool EpollLoop::inbox_is_empty() {
  const std::lock_guard lock(mutex_);
  return inbox_.empty();
}

int EpollLoop::wait(Events& events) {
  const Instant now = boot_now();
  last_turn_ = now.ns();
  const bool has_work = timers_.next() <= now || !inbox_is_empty();
  if (!has_work) arm_timer();
  const int count = epoll_wait(epoll_.get(), events.data(), kBatch, has_work ? 0 : -1);
  ++wakeups_;
  return std::max(count, 0);  // EINTR is an empty turn
}

// Timers of one millisecond share a wake-up; with thousands of them that is most of the cost.
Instant rounded_up(Instant when) {
  constexpr std::int64_t kGrain = 1'000'000;
  if (when.ns() > INT64_MAX - kGrain) return when;
  return Instant::from_ns((when.ns() + kGrain - 1) / kGrain * kGrain);
}

void EpollLoop::arm_timer() {
  const Instant next = rounded_up(timers_.next());
  if (next == armed_) return;
  set_timer(timer_.get(), next);
  armed_ = next;
}

void EpollLoop::run_timers() {
  const Instant now = boot_now();
  if (armed_ <= now) armed_ = Instant::never();
  // A timer that re-arms itself in the past must not keep the rest of the loop from its turn.
  for (std::size_t left = timers_.size(); left > 0 && !stopping_; --left) {
    const Callback callback = timers_.take_due(now);
    if (!callback) return;
    callback();
  }
}

void EpollLoop::run_inbox() {
  std::vector<Callback> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(inbox_);
  }
  auto next = batch.begin();
  while (next != batch.end() && !stopping_) std::exchange(*next++, nullptr)();
  if (next == batch.end()) return;
  const std::lock_guard lock(mutex_);
  inbox_.insert(inbox_.begin(), std::make_move_iterator(next),
                std::make_move_iterator(batch.end()));
}

void EpollLoop::run_watch(const epoll_event& event) {
  const std::uint64_t token = event.data.u64;
  const auto watch = watches_.find(static_cast<int>(token & 0xffffffffU));
  if (watch == watches_.end() || watch->second.token != token) return;
  const auto [_, wanted, ready] = watch->second;  // a copy: the callback may unwatch itself
  const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
  (*ready)({.readable = wanted.readable && (broken || (event.events & EPOLLIN) != 0),
            .writable = wanted.writable && (broken || (event.events & EPOLLOUT) != 0)});
}

}  // namespace

Result<std::unique_ptr<Loop>> Loop::create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd timer = make_timer();
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll || !timer || !wake) return system_failure("creating the event loop");
  const int timer_fd = timer.get();
  const int wake_fd = wake.get();
  auto loop = std::make_unique<EpollLoop>(std::move(epoll), std::move(timer), std::move(wake));
  Status added = loop->add(timer_fd, EPOLLIN | EPOLLET, kOwnToken);
  if (added) added = loop->add(wake_fd, EPOLLIN | EPOLLET, kOwnToken);
  if (!added) return tl::unexpected(added.error());
  return std::unique_ptr<Loop>(std::move(loop));
}

}  // namespace tenure
