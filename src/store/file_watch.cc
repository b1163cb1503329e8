#include "store/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tenure {
namespace {

// Removing the name of a file changes its link count, which is an IN_ATTRIB.
constexpr std::uint32_t kEvents = IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVE_SELF;

tl::unexpected<Error> inotify_failure(const std::string& path) {
  const int error = errno;
  std::string remedy;
  if (error == EMFILE) remedy = "raise fs.inotify.max_user_instances (sysctl)";
  if (error == ENOSPC) remedy = "raise fs.inotify.max_user_watches (sysctl)";
  return failure(ErrorCode::unavailable,
                 "cannot watch " + path + " for changes: " + std::strerror(error),
                 std::move(remedy));
}

}  // namespace

FileWatch::FileWatch(Loop& loop, UniqueFd inotify, std::string path, std::function<void()> changed)
    : loop_(loop),
      inotify_(std::move(inotify)),
      path_(std::move(path)),
      changed_(std::move(changed)) {}

FileWatch::~FileWatch() {
  loop_.unwatch(inotify_.get());
}

Result<std::unique_ptr<FileWatch>> FileWatch::create(Loop& loop, std::string path,
                                                     std::function<void()> changed) {
  UniqueFd inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return inotify_failure(path);
  std::unique_ptr<FileWatch> watch(
      new FileWatch(loop, std::move(inotify), std::move(path), std::move(changed)));
  Status watched = watch->renew();
  if (watched)
    watched =
        loop.watch_readable(watch->inotify_.get(), [raw = watch.get()] { raw->read_events(); });
  if (!watched) return tl::unexpected(watched.error());
  return watch;
}

Status FileWatch::renew() {
  if (watched_ >= 0) inotify_rm_watch(inotify_.get(), watched_);
  watched_ = inotify_add_watch(inotify_.get(), path_.c_str(), kEvents);
  if (watched_ < 0) return inotify_failure(path_);
  return {};
}

void FileWatch::read_events() {
  // Whatever happened, the answer is to look at the file: the events need no reading.
  alignas(inotify_event) char events[1024];
  bool any = false;
  while (read(inotify_.get(), events, sizeof events) > 0) any = true;
  if (any) changed_();
}

}  // namespace tenure
