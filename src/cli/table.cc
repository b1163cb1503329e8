#include "cli/table.h"

#include <algorithm>

#include "cli/console.h"

namespace tenure::cli {

std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(row[i]));
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) out += padded(row[i], widths[i] + 2);
    out += row.back() + '\n';
  }
  return out;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : printable(text);
}

}  // namespace tenure::cli
