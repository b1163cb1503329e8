// ServerClock: what a server's clock says now, found out from the Date headers of its answers.
//
// Each answer bounds the difference between that clock and ours: the server wrote its whole second
// somewhere between sending and receiving, and what it tells of had happened by then. The bounds of
// several answers together are narrower than a second; they widen with time, for clocks drift. For
// politeness (W4) only: nothing that must be true may depend on it.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <chrono>

#include "tenure/time.h"

namespace tenure {

class ServerClock {
 public:
  /// From the Date of an answer.
  void learn(Instant sent, Instant received, WallTime date) {
    const Duration written = date - WallTime::from_ns(0);
    const Duration low = written - (received - Instant::from_ns(0));
    const Duration high = written + std::chrono::seconds(1) - (sent - Instant::from_ns(0));
    if (known_) {
      const Duration drift = (received - learnt_at_) / kDriftsOnePartIn;
      low_ = std::max(low, low_ - drift);
      high_ = std::min(high, high_ + drift);
    }
    if (!known_ || low_ > high_) {  // one of the clocks was set
      low_ = low;
      high_ = high;
    }
    known_ = true;
    learnt_at_ = received;
  }

  /// From what had happened, by the server's clock, when an answer told of it. Those who look once
  /// a second see the same part of the server's second again and again; a write comes at any.
  void learn_of(WallTime happened, Instant received) {
    const Duration low = (happened - WallTime::from_ns(0)) - (received - Instant::from_ns(0));
    if (known_ && low < high_) low_ = std::max(low_, low);
  }

  /// At least so much time has passed at `now` since the server's clock said `then`; 0: who knows.
  [[nodiscard]] Duration passed_since(WallTime then, Instant now) const {
    if (!known_) return Duration(0);
    const Duration server = (now - Instant::from_ns(0)) + low_;
    return std::max(Duration(0), server - (then - WallTime::from_ns(0)));
  }

 private:
  static constexpr int kDriftsOnePartIn = 1000;

  bool known_ = false;
  Duration low_{0};  // server's clock minus ours, at least
  Duration high_{0};
  Instant learnt_at_;
};

}  // namespace tenure
