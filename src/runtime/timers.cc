#include "runtime/timers.h"

#include <algorithm>
#include <utility>

namespace tenure {
namespace {

// An id is a running number, so that ids sort by age, above the number of its slot. 22 bits allow
// four million timers at a time; the other 42 last 27 years at 5,000 timers a second.
constexpr unsigned kSlotBits = 22;
constexpr std::uint64_t kSlotMask = (1U << kSlotBits) - 1;
constexpr std::size_t kDeadAllowed = 64;

}  // namespace

Timers::Slot& Timers::slot_of(Id id) {
  return slots_[id & kSlotMask];
}

Timers::Id Timers::at(Instant when, Callback callback) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  const Id id = (++created_ << kSlotBits) | slot;
  slots_[slot] = {id, std::move(callback)};
  heap_.push_back({when, id});
  std::push_heap(heap_.begin(), heap_.end());
  return id;
}

void Timers::cancel(Id id) {
  if ((id & kSlotMask) >= slots_.size() || id == 0 || !live(id)) return;
  const Callback dropped = release(id);  // destroyed last: its destructor may call us
  if (heap_.size() <= 2 * size() + kDeadAllowed) return;
  std::erase_if(heap_, [this](const Entry& entry) { return !live(entry.id); });
  std::make_heap(heap_.begin(), heap_.end());
}

Timers::Callback Timers::release(Id id) {
  Slot& slot = slot_of(id);
  slot.id = 0;
  free_.push_back(static_cast<std::uint32_t>(id & kSlotMask));
  return std::exchange(slot.callback, nullptr);
}

void Timers::drop_dead_top() {
  while (!heap_.empty() && !live(heap_.front().id)) {
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
  }
}

Instant Timers::next() {
  drop_dead_top();
  return heap_.empty() ? Instant::never() : heap_.front().when;
}

Timers::Callback Timers::take_due(Instant now) {
  if (next() > now || heap_.empty()) return nullptr;
  Callback callback = release(heap_.front().id);
  drop_dead_top();
  return callback;
}

}  // namespace tenure
