// FileWatch: says when somebody touched, closed, moved or removed a file, with inotify(7).
//
// A write alone is not reported, because a database writes long before it commits: who commits
// touches the file (sqlite_db.h). The file itself is watched and not its folder, so that a busy
// /tmp wakes nobody; a file that was replaced has to be watched anew.
//
// Use on the loop's thread only. Costs nothing while nothing happens to the file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/loop.h"
#include "runtime/unique_fd.h"
#include "tenure/result.h"

namespace tenure {

class FileWatch {
 public:
  /// Calls `changed`, which may not destroy the watch. `loop` outlives the watch.
  static Result<std::unique_ptr<FileWatch>> create(Loop& loop, std::string path,
                                                   std::function<void()> changed);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  /// Watches the file that the path names now instead of the one before.
  Status renew();

 private:
  FileWatch(Loop& loop, UniqueFd inotify, std::string path, std::function<void()> changed);
  void read_events();

  Loop& loop_;
  const UniqueFd inotify_;
  const std::string path_;
  const std::function<void()> changed_;
  int watched_ = -1;
};

}  // namespace tenure
