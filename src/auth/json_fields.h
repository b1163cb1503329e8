// JsonFields: the texts and whole numbers of a JSON object that somebody else wrote, each found by
// its JSON pointer (RFC 6901). What is absent, null or of another type is not there.
//
//   const auto file = JsonFields::parse(R"({"type": "a", "source": {"file": "/b"}})");
//   file->text("/source/file");  // "/b"
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenure/result.h"

namespace tenure {

class JsonFields {
 public:
  /// Objects in objects may be this deep. The size of a document is its caller's to limit.
  static constexpr std::size_t kMaxDepth = 16;

  /// Nothing when it is not a JSON object, is deeper, or has a NUL byte or an enormous name.
  static std::optional<JsonFields> parse(std::string_view document);

  /// Whether there is anything but null.
  [[nodiscard]] bool has(std::string_view pointer) const;
  /// Empty when it is not there.
  [[nodiscard]] std::string text(std::string_view pointer) const;
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view pointer) const;
  /// The members of an object, by name. Nothing when one of them is not a text.
  [[nodiscard]] std::optional<std::vector<std::pair<std::string, std::string>>> texts_in(
      std::string_view pointer) const;
  /// The object at `pointer`, with pointers of its own.
  [[nodiscard]] JsonFields inside(std::string_view pointer) const;

  /// "/name", with what has a meaning in pointers escaped.
  static std::string pointer_to(std::string_view name);

 private:
  struct Field {
    std::optional<std::string> text;  // of neither type: an object, an array or something else
    std::optional<std::int64_t> number;
  };
  class Reader;
  using Fields = std::map<std::string, Field, std::less<>>;

  Fields fields_;
};

/// For files that a program made: what to do about a wrong one, and the error for a text() that
/// must be there (invalid_argument).
constexpr const char* kMakeFileAgain = "download or make the file again";
tl::unexpected<Error> missing_field(std::string_view field);

}  // namespace tenure
