// Runs the simulator against the elector that is linked into this program, from several first
// seeds, until an invariant breaks, and writes a row of the table: how many seeds it took (median),
// and which invariant.
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>

#include "sim/run.h"

namespace {

constexpr std::array<std::uint64_t, 5> kFirstSeeds{1, 1'000'000, 2'000'000, 3'000'000, 4'000'000};
// A mutant must be caught within so many; the original must survive a tenth of it from each first
// seed.
constexpr std::uint64_t kMostSeeds = 20'000;

struct Catch {
  std::uint64_t seeds = 0;  // 0: not caught
  std::string invariant;
};

Catch hunt(std::uint64_t first, std::uint64_t most) {
  for (std::uint64_t i = 0; i < most; i++) {
    const auto result = tenure::sim::run({.seed = first + i});
    if (!result.violations.empty()) return {i + 1, result.violations.front().invariant};
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string name = argv[1];
  const bool original = name == "original";
  std::array<std::uint64_t, kFirstSeeds.size()> seeds{};
  std::map<std::string, int> invariants;
  std::size_t caught = 0;
  for (const std::uint64_t first : kFirstSeeds) {
    const Catch c = hunt(first, original ? kMostSeeds / 10 : kMostSeeds);
    if (c.seeds == 0) continue;
    seeds[caught++] = c.seeds;
    invariants[c.invariant]++;
  }
  std::sort(seeds.begin(), seeds.begin() + static_cast<std::ptrdiff_t>(caught));
  std::string by;
  for (const auto& [invariant, times] : invariants) by += (by.empty() ? "" : ", ") + invariant;
  char row[512];
  if (caught == 0)
    std::snprintf(row, sizeof row, "%-45s %14s  %s", name.c_str(), "-", "not caught");
  else
    std::snprintf(row, sizeof row, "%-45s %14llu  %s", name.c_str(),
                  static_cast<unsigned long long>(seeds[caught / 2]), by.c_str());
  std::puts(row);
  std::ofstream(argv[2]) << row << '\n';
  return (original ? caught == 0 : caught == kFirstSeeds.size()) ? 0 : 1;
}
