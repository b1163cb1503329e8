#include "kube/work_queue.h"

#include <algorithm>

namespace tenure::kube {

void WorkQueue::add(const std::string& key) {
  Entry& entry = entries_[key];
  unplan(key, entry);
  if (entry.working) {
    entry.again = true;
  } else if (!std::exchange(entry.ready, true)) {
    ready_.push_back(key);
  }
}

void WorkQueue::add_at(const std::string& key, Instant when) {
  Entry& entry = entries_[key];
  if (entry.ready || entry.planned <= when) return;
  unplan(key, entry);
  entry.planned = when;
  plans_.emplace(when, key);
}

std::optional<std::string> WorkQueue::take(Instant now) {
  while (!plans_.empty() && plans_.begin()->first <= now) {
    const std::string key = plans_.begin()->second;
    add(key);  // takes it out of the plans
  }
  if (ready_.empty()) return std::nullopt;
  std::string key = std::move(ready_.front());
  ready_.pop_front();
  Entry& entry = entries_[key];
  entry.ready = false;
  entry.working = true;
  return key;
}

void WorkQueue::done(const std::string& key) {
  Entry& entry = entries_[key];
  entry.working = false;
  entry.failures = 0;
  if (std::exchange(entry.again, false)) add(key);
  drop_if_idle(key);
}

void WorkQueue::failed(const std::string& key, Instant now) {
  Entry& entry = entries_[key];
  entry.working = false;
  Duration pause = options_.first_pause;
  for (int i = 0; i < entry.failures && pause < options_.longest_pause; ++i) pause *= 2;
  pause = std::min(pause, options_.longest_pause);
  ++entry.failures;
  // News come at once; they may be what ends the trouble.
  if (std::exchange(entry.again, false)) return add(key);
  add_at(key, now + random_.between(pause / 2, pause));
}

void WorkQueue::forget(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  unplan(key, entry);
  entry.failures = 0;
  entry.again = false;
  if (std::exchange(entry.ready, false)) std::erase(ready_, key);
  drop_if_idle(key);
}

Instant WorkQueue::next_deadline() const {
  if (!ready_.empty()) return Instant();
  return plans_.empty() ? Instant::never() : plans_.begin()->first;
}

void WorkQueue::unplan(const std::string& key, Entry& entry) {
  if (!entry.planned.is_never())
    plans_.erase({std::exchange(entry.planned, Instant::never()), key});
}

// Keys come and go for as long as a controller runs.
void WorkQueue::drop_if_idle(const std::string& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  if (!entry.ready && !entry.working && entry.planned.is_never() && entry.failures == 0)
    entries_.erase(found);
}

}  // namespace tenure::kube
