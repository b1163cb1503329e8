// The readable timeline of a run; costs nothing when it is not wanted.
#pragma once

#include <fmt/format.h>

#include "sim/world.h"

namespace tenure::sim {

template <class... Args>
void World::note(const Node* n, const char* format, const Args&... args) {
  if (!options_.trace) return;
  std::string line = fmt::format("{:>10.3f} s  {:<13} ", static_cast<double>(now_) / 1e9,
                                 n != nullptr ? n->identity : std::string("-"));
  line += fmt::format(fmt::runtime(format), args...);
  result_.timeline.push_back(std::move(line));
}

}  // namespace tenure::sim
