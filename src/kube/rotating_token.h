// RotatingToken: a token in a file that somebody else replaces now and then, such as the kubelet.
//
// Read again when the last reading is 50 seconds old (client-go's minute, less its ten seconds of
// leeway) or after a rejection. While it cannot be read, or is empty, the last token goes on, and
// the file is tried again a second later.
//
// Thread safety: none. Never blocks on anything but `read`.
#pragma once

#include <functional>
#include <string>

#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure::kube {

class RotatingToken {
 public:
  using Read = std::function<Result<std::string>()>;

  /// `first` is used until the file can be read; empty for none.
  explicit RotatingToken(Read read, std::string first = {});

  /// Fails only while no token has ever been there.
  Result<std::string> get(Instant now);
  void rejected(const std::string& token);

 private:
  const Read read_;
  std::string token_;
  Instant next_reading_ = Instant::from_ns(INT64_MIN);
};

/// What a token file says, without the blanks around it. Errors: those of read_small_file(), and
/// invalid_argument for an empty file and for one with blanks or control characters in between,
/// which could change the request that it is put into.
Result<std::string> read_token_file(const std::string& path);

}  // namespace tenure::kube
