#include "store/file_system.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runtime/unique_fd.h"

namespace tenure {
namespace {

struct NetworkFileSystem {
  long type;
  const char* name;
};
constexpr std::array<NetworkFileSystem, 8> kNetworkFileSystems = {{
    {NFS_SUPER_MAGIC, "NFS"},
    {SMB_SUPER_MAGIC, "SMB"},
    {CIFS_SUPER_MAGIC, "CIFS"},
    {SMB2_SUPER_MAGIC, "SMB2"},
    {V9FS_MAGIC, "9P"},
    {AFS_SUPER_MAGIC, "AFS"},
    {CEPH_SUPER_MAGIC, "Ceph"},
    {0x0BD00BD0, "Lustre"},
}};

constexpr const char* kUseALocalDisk =
    "put the database on a local disk of this machine; for several machines use another store";

/// An open file description lock, so that two descriptors of one process exclude each other.
bool lock_byte(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

}  // namespace

Status check_file_system_type(long type, const std::string& folder) {
  const auto* const found =
      std::find_if(kNetworkFileSystems.begin(), kNetworkFileSystems.end(),
                   [&](const NetworkFileSystem& known) { return known.type == type; });
  if (found == kNetworkFileSystems.end()) return {};
  return failure(ErrorCode::unsupported,
                 folder + " is on a network file system (" + found->name +
                     "), whose locks SQLite cannot rely on",
                 kUseALocalDisk);
}

Status check_file_system(const std::string& folder) {
  struct statfs info {};
  if (statfs(folder.c_str(), &info) == 0) return check_file_system_type(info.f_type, folder);
  const int error = errno;
  if (error == ENOENT || error == ENOTDIR)
    return failure(ErrorCode::not_found, "the folder " + folder + " does not exist",
                   "make it: mkdir -p " + folder);
  return failure(error == EACCES ? ErrorCode::permission_denied : ErrorCode::unavailable,
                 "cannot look into the folder " + folder + ": " + std::strerror(error));
}

Status check_locking(const std::string& folder) {
  std::string probe = folder + "/.tenure-lock-probe-XXXXXX";
  const UniqueFd first(mkostemp(probe.data(), O_CLOEXEC));
  if (!first) return {};
  const UniqueFd second(open(probe.c_str(), O_RDWR | O_CLOEXEC));
  unlink(probe.c_str());
  if (second && lock_byte(first.get()) && !lock_byte(second.get())) return {};
  return failure(ErrorCode::unsupported, "the file system of " + folder + " does not lock files",
                 kUseALocalDisk);
}

Status make_private_file(const std::string& path, std::initializer_list<const char*> leftovers) {
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  // One maker at a time, so that none removes what belongs to the file that another has just made.
  const UniqueFd maker(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (maker) flock(maker.get(), LOCK_EX);
  if (file_id(path) != FileId{}) return {};
  for (const char* suffix : leftovers) unlink((path + suffix).c_str());
  if (mknod(path.c_str(), S_IFREG | 0600, 0) == 0 || errno == EEXIST) return {};
  const int error = errno;
  const std::string message = "cannot make " + path + ": " + std::strerror(error);
  if (error == EACCES || error == EPERM || error == EROFS)
    return failure(ErrorCode::permission_denied, message, "make the folder writable for this user");
  const bool full = error == ENOSPC || error == EDQUOT;
  return failure(ErrorCode::unavailable, message, full ? "free some disk space" : "");
}

FileId file_id(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? FileId{info.st_dev, info.st_ino} : FileId{};
}

}  // namespace tenure
