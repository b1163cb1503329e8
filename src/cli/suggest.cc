#include "cli/suggest.h"

#include <algorithm>
#include <numeric>

namespace tenure::cli {
namespace {

// Levenshtein's distance, a row at a time.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0U : 1U);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  // A third of the word may be wrong, so that "xy" is not taken for "run".
  std::size_t fewest = word.size() / 3 + 1;
  for (const std::string& candidate : known) {
    const std::size_t edits = edits_between(word, candidate);
    if (edits >= fewest + (best.empty() ? 1U : 0U)) continue;
    fewest = edits;
    best = candidate;
  }
  return best;
}

}  // namespace tenure::cli
