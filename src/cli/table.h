// Rows of text in columns, for terminals. Pure.
#pragma once

#include <string>
#include <vector>

namespace tenure::cli {

using Row = std::vector<std::string>;

/// Each column as wide as its widest text. All rows are as long as the first; there is one.
std::string aligned(const std::vector<Row>& rows);

/// Printable; "-" for nothing.
std::string or_dash(const std::string& text);

}  // namespace tenure::cli
