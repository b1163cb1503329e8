// FaultVfs: a SQLite VFS for tests that counts, fails or blocks what the database asks of the disk.
//
// Registered as the default VFS for the life of the object; one at a time. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace tenure {

class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  /// The n-th call from now on (1 is the next) that reads, writes, syncs, truncates or opens fails,
  /// and the `count` - 1 after it. `code` is a SQLite result such as SQLITE_FULL; 0 stands for the
  /// I/O error that fits the call.
  void fail_at(int n, int count, int code);
  void fail_no_more() { fail_at(0, 0, 0); }
  [[nodiscard]] bool has_failed() const { return failed_ > 0; }

  [[nodiscard]] int syncs() const { return syncs_; }
  [[nodiscard]] int writes() const { return writes_; }

  /// From now on writes and syncs wait until release(): a disk that hangs.
  void block();
  void release();
  /// How many calls are waiting now.
  [[nodiscard]] int blocked() const { return blocked_; }

  /// How many files are open now; 0 means that no thread is using this any more.
  [[nodiscard]] int open_files() const { return open_files_; }

  // For the VFS itself.
  void count_open_files(int change) { open_files_ += change; }
  enum class Call { read, write, sync, truncate, open };
  /// 0, or the error that the call is to return.
  int enter(Call call);

 private:
  int fault_of(Call call);

  std::mutex mutex_;
  std::condition_variable released_;
  bool blocking_ = false;
  int until_fault_ = 0;
  int faults_left_ = 0;
  int code_ = 0;
  std::atomic<int> failed_ = 0;
  std::atomic<int> blocked_ = 0;
  std::atomic<int> open_files_ = 0;
  std::atomic<int> syncs_ = 0;
  std::atomic<int> writes_ = 0;
};

}  // namespace tenure
