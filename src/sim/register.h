// The simulated store: one linearizable register that remembers what it held and who wrote it.
#pragma once

#include <array>
#include <charconv>
#include <string>

#include "core/store_types.h"
#include "sim/node_clock.h"

namespace tenure::sim {

/// Who wrote a record, for the checkers only. Party -1: an operator, a foreign program, or nobody.
struct Author {
  int party = -1;
  int incarnation = 0;
  bool operator==(const Author&) const = default;
};

class Register {
 public:
  [[nodiscard]] const Observation& current() const { return current_; }
  [[nodiscard]] const Author& author() const { return author_; }
  [[nodiscard]] TrueTime changed_at() const { return changed_at_; }
  [[nodiscard]] bool held() const {
    return current_.kind == Observation::Kind::record && !current_.record.is_free();
  }

  void put(TrueTime now, const LeaderElectionRecord& record, Author author) {
    remember();
    current_.kind = Observation::Kind::record;
    current_.record = record;
    moved(now, author);
  }
  void put_kind(TrueTime now, Observation::Kind kind) {
    remember();
    current_.kind = kind;
    current_.record = {};
    moved(now, {});
    if (kind == Observation::Kind::absent) current_.version.clear();
  }
  /// An older state, with a new version: what a restored backup is.
  void roll_back(TrueTime now, std::uint64_t how_far) {
    const std::size_t which = (next_past_ + kPast - 1 - how_far % kPast) % kPast;
    const Observation old = past_[which];
    const Author its_author = past_authors_[which];
    remember();
    current_ = old;
    moved(now, its_author);
    if (current_.kind == Observation::Kind::absent) current_.version.clear();
  }
  /// The state before the current one, for stale reads.
  [[nodiscard]] const Observation& previous() const {
    return past_[(next_past_ + kPast - 1) % kPast];
  }

 private:
  static constexpr std::size_t kPast = 8;
  void remember() {
    past_[next_past_] = current_;
    past_authors_[next_past_] = author_;
    next_past_ = (next_past_ + 1) % kPast;
  }
  void moved(TrueTime now, Author author) {
    author_ = author;
    changed_at_ = now;
    std::array<char, 20> digits{};
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), ++last_version_).ptr;
    current_.version.assign(digits.data(), end);
  }

  Observation current_;
  Author author_;
  TrueTime changed_at_ = 0;
  std::uint64_t last_version_ = 0;
  std::array<Observation, kPast> past_;
  std::array<Author, kPast> past_authors_;
  std::size_t next_past_ = 0;
};

}  // namespace tenure::sim
