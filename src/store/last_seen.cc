#include "store/last_seen.h"

namespace tenure {
namespace {

std::size_t size_of(const LeaderElectionRecord& record) {
  return record.holder_identity.size() + record.preferred_holder.size() + record.cluster.size() +
         record.strategy.size() + record.unknown_json.size();
}

}  // namespace

std::shared_ptr<const Observation> LastSeen::find(const std::string& lock) {
  const auto found = places_.find(lock);
  if (found == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->second;
}

void LastSeen::remember(const std::string& lock, const Observation& observation) {
  forget(lock);
  if (observation.version.empty() || size_of(observation.record) > kLargest) return;
  entries_.emplace_front(lock, std::make_shared<const Observation>(observation));
  places_[lock] = entries_.begin();
  if (entries_.size() > most_) forget(std::string(entries_.back().first));
}

void LastSeen::forget(const std::string& lock) {
  const auto found = places_.find(lock);
  if (found == places_.end()) return;
  entries_.erase(found->second);
  places_.erase(found);
}

}  // namespace tenure
