// Reads what is small by nature: kubeconfigs, certificates, tokens.
//
// Thread safety: functions without state. Blocks for as long as the file system takes.
#pragma once

#include <cstddef>
#include <string>

#include "tenure/result.h"

namespace tenure {

struct SmallFile {
  std::string text;
  bool world_readable = false;
};

/// Errors: not_found, permission_denied, invalid_argument (not a regular file, or longer than
/// `limit` bytes), unavailable (the disk). `what` begins the message: "the CA of cluster prod".
Result<SmallFile> read_small_file(const std::string& path, std::size_t limit,
                                  const std::string& what);

}  // namespace tenure
