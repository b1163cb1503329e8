// LastSeen: what was last read of each lock, for a store that asks only for news. Holds at most so
// many locks; the one that was not asked for the longest is forgotten first. Large observations, of
// which nobody needs many, are not kept.
//
// Thread safety: none. What find() has returned stays valid.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/store_types.h"

namespace tenure {

class LastSeen {
 public:
  static constexpr std::size_t kLargest = 8 * 1024;  ///< bytes of text in a record

  explicit LastSeen(std::size_t most) : most_(most) {}

  /// Null for what is not known.
  [[nodiscard]] std::shared_ptr<const Observation> find(const std::string& lock);
  /// Takes the place of what was known of it. One without a version is only forgotten.
  void remember(const std::string& lock, const Observation& observation);

 private:
  using Entries = std::list<std::pair<std::string, std::shared_ptr<const Observation>>>;

  void forget(const std::string& lock);

  const std::size_t most_;
  Entries entries_;  // the last used first
  std::map<std::string, Entries::iterator> places_;
};

}  // namespace tenure
