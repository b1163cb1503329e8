#include "store/open_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace tenure {
namespace {

/// Like "mkdir -p -m 0700": the XDG rule for state folders.
Status make_folders(const std::string& folder) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = folder.find('/', end + 1);
    const std::string part = folder.substr(0, end);
    if (mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int error = errno;
    return failure(
        error == EACCES || error == EROFS ? ErrorCode::permission_denied : ErrorCode::unavailable,
        "cannot make the folder " + part + ": " + std::strerror(error),
        "name a file elsewhere: sqlite:///absolute/path/locks.db");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(Loop& loop, const StoreUrl& url, OpenMode mode) {
  if (url.kind == StoreUrl::Kind::memory)
    return std::make_unique<MemoryStore>(std::make_shared<MemoryRegisters>(loop));
  const bool create = mode == OpenMode::create;
  if (create && url.in_state_folder)
    if (Status made = make_folders(url.path.substr(0, url.path.rfind('/'))); !made)
      return tl::unexpected(made.error());
  auto store = SqliteStore::open(loop, url.path, {create});
  if (!store) return tl::unexpected(store.error());
  return std::unique_ptr<Store>(std::move(*store));
}

}  // namespace tenure
