#include "auth/small_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "runtime/unique_fd.h"

namespace tenure {
namespace {

tl::unexpected<Error> cannot_read(const std::string& path, const std::string& what, int error) {
  const std::string message =
      fmt::format("cannot read {}, {}: {}", what, path, std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR: return failure(ErrorCode::not_found, message, "check the path");
    case EACCES:
    case EPERM:
      return failure(ErrorCode::permission_denied, message,
                     "let the user that runs this read the file");
    default: return failure(ErrorCode::unavailable, message, "try again");
  }
}

tl::unexpected<Error> refused(const std::string& path, const std::string& what, std::string why) {
  return failure(ErrorCode::invalid_argument,
                 fmt::format("cannot read {}, {}: {}", what, path, why), "name another file");
}

}  // namespace

Result<SmallFile> read_small_file(const std::string& path, std::size_t limit,
                                  const std::string& what) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return cannot_read(path, what, errno);
  struct stat about {};
  if (fstat(fd.get(), &about) != 0) return cannot_read(path, what, errno);
  // People say KUBECONFIG=/dev/null to have none.
  const bool is_null = S_ISCHR(about.st_mode) && about.st_rdev == makedev(1, 3);
  if (!S_ISREG(about.st_mode) && !is_null) return refused(path, what, "it is not a regular file");
  SmallFile file;
  file.world_readable = !is_null && (about.st_mode & S_IROTH) != 0;
  std::array<char, 16U * 1024U> chunk;
  for (;;) {
    const ssize_t count = read(fd.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(path, what, errno);
    if (count == 0) return file;
    file.text.append(chunk.data(), static_cast<std::size_t>(count));
    if (file.text.size() > limit)
      return refused(path, what, fmt::format("it is longer than {} KiB", limit / 1024));
  }
}

}  // namespace tenure
