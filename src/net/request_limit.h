// RequestLimit: how many requests a client has under way at a time, with a connection each.
//
// A connection costs memory and, with TLS, a handshake, and a server that is near needs few to be
// kept busy. One that is far away needs more, and one that is short of time shares it among all who
// ask. So the limit rises while requests are given up before they have had their turn: slowly, so
// that a server which was only interrupted is not met by a burst of connections. Later it falls.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "tenure/time.h"

namespace tenure {

class RequestLimit {
 public:
  static constexpr std::size_t kLeast = 16;
  static constexpr std::size_t kMost = 64;
  static constexpr Duration kRise = std::chrono::milliseconds(250);  ///< by one, at most
  static constexpr Duration kFall = std::chrono::seconds(60);        ///< by one

  /// How many it is. Asked at any time, or never while none waits.
  [[nodiscard]] std::size_t at(Instant now) {
    if (value_ > kLeast && now - changed_at_ >= kFall) set(now, value_ - 1);
    return value_;
  }
  /// One was given up that had not begun.
  void starved(Instant now) {
    if (now - changed_at_ >= kRise) set(now, value_ + 1);
  }

 private:
  void set(Instant now, std::size_t value) {
    value_ = std::min(value, kMost);
    changed_at_ = now;
  }

  std::size_t value_ = kLeast;
  Instant changed_at_;
};

}  // namespace tenure
