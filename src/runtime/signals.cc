#include "runtime/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace tenure {
namespace {

bool is_ignored(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

Result<std::unique_ptr<Signals>> Signals::create(Loop& loop, const std::vector<int>& signals,
                                                 Callback callback) {
  std::unique_ptr<Signals> created(new Signals(loop, std::move(callback)));
  if (Status taken = created->take_over(signals); !taken) return tl::unexpected(taken.error());
  return created;
}

Status Signals::take_over(const std::vector<int>& signals) {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &pipe_before_);
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : signals) {
    if (!is_ignored(signal)) sigaddset(&wanted, signal);
  }
  pthread_sigmask(SIG_BLOCK, &wanted, &mask_before_);
  fd_.reset(signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_) {
    return failure(ErrorCode::unavailable,
                   std::string("cannot receive signals: ") + std::strerror(errno),
                   "raise the limit of open files (ulimit -n)");
  }
  return loop_.watch_readable(fd_.get(), [this] { deliver(); });
}

void Signals::deliver() {
  // One at a time: the callback may destroy us. The loop comes back for the next.
  signalfd_siginfo signal{};
  if (read(fd_.get(), &signal, sizeof signal) != sizeof signal) return;
  const Callback callback = callback_;
  callback(static_cast<int>(signal.ssi_signo));
}

Signals::~Signals() {
  if (fd_) loop_.unwatch(fd_.get());
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  sigaction(SIGPIPE, &pipe_before_, nullptr);
}

}  // namespace tenure
