// The nearest of the known words to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenure::cli {

/// Empty when nothing is near enough to be what was meant.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace tenure::cli
