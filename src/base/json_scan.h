// What can be known of JSON text without parsing it, and how far its parser is.
//
// Pure; no function throws.
#pragma once

#include <cstddef>
#include <iterator>

namespace tenure {

/// The first bracket in `at` .. `end` behind which `is_it(depth)` holds, or `end`. The depth is 0
/// at `at`, and what is open behind the bracket otherwise. A tenth of what a parser takes, and what
/// is no JSON may be counted wrongly.
template <class IsIt>
const char* find_bracket(const char* at, const char* end, IsIt is_it) {
  int depth = 0;
  bool quoted = false;
  for (; at != end; ++at) {
    if (quoted && *at == '\\') {
      if (++at == end) break;
    } else if (*at == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      const int step = *at == '{' || *at == '[' ? 1 : *at == '}' || *at == ']' ? -1 : 0;
      depth += step;
      if (step != 0 && is_it(depth)) break;
    }
  }
  return at;
}

/// An iterator for nlohmann::json::sax_parse that keeps its place outside the parser, which does
/// not tell it: at an opening or closing bracket, at a key or a string, just behind it. Who puts
/// the place on a closing bracket when its opening one is told has the parser leave out what is
/// between.
class JsonCursor {
 public:
  // NOLINTBEGIN(readability-identifier-naming): std::iterator_traits has these names
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  // NOLINTEND(readability-identifier-naming)

  explicit JsonCursor(const char** at) : at_(at) {}
  reference operator*() const { return **at_; }
  JsonCursor& operator++() {
    ++*at_;
    return *this;
  }
  bool operator!=(const JsonCursor& other) const { return *at_ != *other.at_; }

 private:
  const char** at_;
};

}  // namespace tenure
