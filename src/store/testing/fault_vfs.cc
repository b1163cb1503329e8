#include "store/testing/fault_vfs.h"

#include <sqlite3.h>

#include <cstdlib>

namespace tenure {
namespace {

std::atomic<FaultVfs*> active = nullptr;
sqlite3_vfs* const kRealVfs = sqlite3_vfs_find("unix");
sqlite3_vfs fault_vfs;

/// What SQLite allocates for an open file: this, and behind it the real VFS's own.
struct File {
  sqlite3_file base;
  sqlite3_io_methods methods;
  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* real_of(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real();
}

int close_file(sqlite3_file* file) {
  const int code = real_of(file)->pMethods->xClose(real_of(file));
  active.load()->count_open_files(-1);  // last: the test may end now
  return code;
}
int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  if (const int fault = active.load()->enter(FaultVfs::Call::read); fault != 0) return fault;
  return real_of(file)->pMethods->xRead(real_of(file), to, size, at);
}
int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  if (const int fault = active.load()->enter(FaultVfs::Call::write); fault != 0) return fault;
  return real_of(file)->pMethods->xWrite(real_of(file), from, size, at);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (const int fault = active.load()->enter(FaultVfs::Call::truncate); fault != 0) return fault;
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
int sync_file(sqlite3_file* file, int flags) {
  if (const int fault = active.load()->enter(FaultVfs::Call::sync); fault != 0) return fault;
  return real_of(file)->pMethods->xSync(real_of(file), flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
int lock_file(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xLock(real_of(file), level);
}
int unlock_file(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
int check_reserved(sqlite3_file* file, int* out) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}
int control_file(sqlite3_file* file, int op, void* argument) {
  return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}
int sector_size(sqlite3_file* file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}
int characteristics(sqlite3_file* file) {
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
int map_shared(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}
int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}
void barrier_shared(sqlite3_file* file) {
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}
int unmap_shared(sqlite3_file* file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  if (const int fault = active.load()->enter(FaultVfs::Call::open); fault != 0) return fault;
  const int code = kRealVfs->xOpen(kRealVfs, name, real_of(file), flags, out_flags);
  const sqlite3_io_methods* const real = real_of(file)->pMethods;
  if (real == nullptr) return code;
  sqlite3_io_methods& methods = reinterpret_cast<File*>(file)->methods;
  methods = {2,
             close_file,
             read_file,
             write_file,
             truncate_file,
             sync_file,
             file_size,
             lock_file,
             unlock_file,
             check_reserved,
             control_file,
             sector_size,
             characteristics,
             map_shared,
             lock_shared,
             barrier_shared,
             unmap_shared,
             nullptr,
             nullptr};
  file->pMethods = &methods;
  active.load()->count_open_files(1);
  return code;
}

int error_of(FaultVfs::Call call) {
  switch (call) {
    case FaultVfs::Call::read: return SQLITE_IOERR_READ;
    case FaultVfs::Call::write: return SQLITE_IOERR_WRITE;
    case FaultVfs::Call::sync: return SQLITE_IOERR_FSYNC;
    case FaultVfs::Call::truncate: return SQLITE_IOERR_TRUNCATE;
    case FaultVfs::Call::open: return SQLITE_CANTOPEN;
  }
  return SQLITE_IOERR;
}

}  // namespace

FaultVfs::FaultVfs() {
  if (active != nullptr) std::abort();
  active = this;
  fault_vfs = *kRealVfs;  // the calls that are not of interest go to the real one as they are
  fault_vfs.zName = "tenure-fault";
  fault_vfs.pNext = nullptr;
  fault_vfs.szOsFile += static_cast<int>(sizeof(File));
  fault_vfs.xOpen = open_file;
  sqlite3_vfs_register(&fault_vfs, 1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&fault_vfs);
  sqlite3_vfs_register(kRealVfs, 1);
  active = nullptr;
}

void FaultVfs::fail_at(int n, int count, int code) {
  const std::lock_guard lock(mutex_);
  until_fault_ = n;
  faults_left_ = count;
  code_ = code;
  failed_ = 0;
}

void FaultVfs::block() {
  const std::lock_guard lock(mutex_);
  blocking_ = true;
}

void FaultVfs::release() {
  const std::lock_guard lock(mutex_);
  blocking_ = false;
  released_.notify_all();
}

int FaultVfs::enter(Call call) {
  std::unique_lock lock(mutex_);
  if (call == Call::sync) ++syncs_;
  if (call == Call::write) ++writes_;
  if (call == Call::sync || call == Call::write) {
    ++blocked_;
    released_.wait(lock, [&] { return !blocking_; });
    --blocked_;
  }
  return fault_of(call);
}

int FaultVfs::fault_of(Call call) {
  if (faults_left_ == 0 || --until_fault_ > 0) return SQLITE_OK;
  --faults_left_;
  ++failed_;
  return code_ != 0 ? code_ : error_of(call);
}

}  // namespace tenure
