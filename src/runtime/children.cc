#include "runtime/children.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "runtime/unique_fd.h"

namespace tenure {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The number that the text begins with; 0 if none.
pid_t leading_number(std::string_view text) {
  pid_t number = 0;
  for (const char c : text) {
    if (!is_digit(c)) break;
    number = number * 10 + (c - '0');
  }
  return number;
}

/// The parent in the text of a stat file, "PID (NAME) STATE PARENT ..."; NAME may hold anything, ")
/// " too.
pid_t parent_in(std::string_view stat) {
  const std::size_t name_end = stat.rfind(") ");
  constexpr std::size_t kParentAt = 4;  // ") S 1234"
  if (name_end == std::string_view::npos || name_end + kParentAt > stat.size()) return 0;
  return leading_number(stat.substr(name_end + kParentAt));
}

pid_t parent_of(int proc, const char* pid) {
  std::array<char, 64> path{};
  std::strncpy(path.data(), pid, 32);
  std::strcat(path.data(), "/stat");
  const UniqueFd file(openat(proc, path.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 256> text{};
  const ssize_t size = file ? read(file.get(), text.data(), text.size()) : 0;
  return size > 0 ? parent_in({text.data(), static_cast<std::size_t>(size)}) : 0;
}

}  // namespace

bool for_each_child_listed(VisitChild visit, void* context) {
  const UniqueFd file(open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  std::array<char, 4096> text{};
  pid_t number = 0;  // may continue in the next piece
  for (;;) {
    const ssize_t size = read(file.get(), text.data(), text.size());
    if (size < 0) return false;
    if (size == 0) return true;
    for (const char c : std::string_view(text.data(), static_cast<std::size_t>(size))) {
      if (is_digit(c)) {
        number = number * 10 + (c - '0');
      } else if (number != 0) {
        visit(number, context);
        number = 0;
      }
    }
  }
}

bool for_each_child_scanned(VisitChild visit, void* context) {
  const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!proc) return false;
  const pid_t self = getpid();
  alignas(dirent64) std::array<char, 4096> entries{};
  for (;;) {
    // Not readdir(3), which allocates.
    const long size = syscall(SYS_getdents64, proc.get(), entries.data(), entries.size());
    if (size < 0) return false;
    if (size == 0) return true;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      at += entry->d_reclen;
      const pid_t pid = leading_number(entry->d_name);
      if (pid != 0 && parent_of(proc.get(), entry->d_name) == self) visit(pid, context);
    }
  }
}

bool for_each_child(VisitChild visit, void* context) {
  return for_each_child_listed(visit, context) || for_each_child_scanned(visit, context);
}

}  // namespace tenure
