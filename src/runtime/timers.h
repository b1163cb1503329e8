// Timers: callbacks ordered by when they are due. The loop's; it does not wait for anything itself.
//
// at() and cancel() cost O(log n) and O(1) and allocate only when there are more timers than ever
// before. A cancelled timer leaves its heap entry behind; they are swept out when they outnumber
// the live ones.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tenure/time.h"

namespace tenure {

class Timers {
 public:
  using Callback = std::function<void()>;
  using Id = std::uint64_t;

  Id at(Instant when, Callback callback);
  void cancel(Id id);

  /// When the first one is due, or never.
  Instant next();
  /// Takes the first one out if it is due at `now`; an empty function otherwise. Equal times come
  /// in the order of at().
  Callback take_due(Instant now);

  [[nodiscard]] std::size_t size() const { return slots_.size() - free_.size(); }

 private:
  struct Entry {
    Instant when;
    Id id;
    // std::*_heap keeps the greatest on top; the greatest is to be the earliest.
    bool operator<(const Entry& other) const {
      return when != other.when ? when > other.when : id > other.id;
    }
  };
  struct Slot {
    Id id = 0;
    Callback callback;
  };

  [[nodiscard]] Slot& slot_of(Id id);
  [[nodiscard]] bool live(Id id) { return slot_of(id).id == id; }
  Callback release(Id id);
  void drop_dead_top();

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t created_ = 0;
};

}  // namespace tenure
