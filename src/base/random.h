// Randomness as an argument, so that the simulator can seed it.
#pragma once

#include <cstdint>

#include "tenure/record.h"
#include "tenure/time.h"

namespace tenure {

/// A source of uniformly distributed 64-bit numbers. Not thread-safe unless a subclass says so.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  /// Uniform in [0, bound); 0 when bound is 0. Integer arithmetic only, so every machine draws the
  /// same (multiply-shift of D. Lemire, "Fast Random Integer Generation in an Interval", 2019,
  /// without its rejection step: the bias is below 2^-32 for every bound used here).
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64U);
  }
  /// Uniform in [low, high].
  Duration between(Duration low, Duration high) {
    return low + Duration(static_cast<std::int64_t>(
                     below(static_cast<std::uint64_t>((high - low).count()) + 1)));
  }
  WriteId write_id() {
    WriteId id{next(), next()};
    id.low |= 1U;  // never the absent id
    return id;
  }

 private:
  __extension__ using Wide = unsigned __int128;
};

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and a mix. For simulation and for
/// jitter, not for secrets.
class SplitMix final : public Random {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_;
};

}  // namespace tenure
