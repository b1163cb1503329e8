#include "base/json_scan.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace tenure {
namespace {

// What is in the first pair of brackets.
std::string first_pair(std::string_view text) {
  const char* const end = text.data() + text.size();
  const char* const from = find_bracket(text.data(), end, [](int depth) { return depth == 1; });
  if (from == end) return "none";
  const char* const to = find_bracket(from + 1, end, [](int depth) { return depth < 0; });
  return {from + 1, to};
}

TEST(JsonScan, BracketsInStringsAreText) {
  EXPECT_EQ(first_pair(R"("[" {"a":"}","b":[{}]} ])"), R"("a":"}","b":[{}])");
  EXPECT_EQ(first_pair(R"([ "\"]\\", "]" ],])"), R"( "\"]\\", "]" )");
  EXPECT_EQ(first_pair(R"("{[")"), "none");
}

TEST(JsonScan, TextThatIsCutOffEndsWithIt) {
  for (const char* text : {"[1,[2]", R"([1,[2]"]\)", R"([1,[2]"]")"})
    EXPECT_EQ(first_pair(text), text + 1);
  EXPECT_EQ(first_pair(""), "none");
}

}  // namespace
}  // namespace tenure
