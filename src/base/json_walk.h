// JSON text of which little is wanted: walked over once, and nothing built of the rest. For what
// comes often; elsewhere a tree of values is easier to read (core/bounded_json.h).
//
//   JsonWalk walk(text);
//   const bool ok = walk.each_member([&](std::string_view key, JsonValue& value) {
//     if (key == "name") name = text_of(value);
//     return true;
//   });
//
// What is not looked at is passed over at its brackets, however deep, and may not be JSON.
//
// Thread safety: none. No function throws.
#pragma once

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace tenure {

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;

/// Calls visit(key, value) for each member in turn; a value is good for one look, in there. Ends
/// with false when visit() does, and when it is not JSON as far as it was read. After that nothing
/// of the text may be touched any more, so false goes all the way up.
template <class Visit>
bool each_member(JsonObject& object, Visit visit) {
  for (auto member : object) {
    std::string_view key;
    JsonValue value;
    if (member.unescaped_key().get(key) != 0 || member.value().get(value) != 0) return false;
    if (!visit(key, value)) return false;
  }
  return true;
}
/// The same, of a value that is no object: none.
template <class Visit>
bool each_member(JsonValue& value, Visit visit) {
  JsonObject object;
  return value.get_object().get(object) != 0 || each_member(object, visit);
}

/// Calls visit(object) for each element that is one, and ends as each_member() does.
template <class Visit>
bool each_object(JsonValue& value, Visit visit) {
  simdjson::ondemand::array array;
  if (value.get_array().get(array) != 0) return true;
  for (auto element : array) {
    JsonObject object;
    const auto error = element.get_object().get(object);
    if (error == simdjson::INCORRECT_TYPE) continue;
    if (error != 0 || !visit(object)) return false;
  }
  return true;
}

/// Empty when it is no string.
inline std::string text_of(JsonValue& value) {
  std::string_view text;
  return value.get_string().get(text) == 0 ? std::string(text) : std::string();
}

/// 0 when it is no integer, or a larger one.
inline std::int64_t integer_of(JsonValue& value) {
  std::int64_t number = 0;
  return value.get_int64().get(number) == 0 ? number : 0;
}

inline bool is_true(JsonValue& value) {
  bool flag = false;
  return value.get_bool().get(flag) == 0 && flag;
}

/// From bracket to bracket, of an object or array. Before an object is walked over afterwards, it
/// wants a reset().
template <class Brackets>
std::string_view raw_text(Brackets& value) {
  std::string_view raw;
  if (value.raw_json().get(raw) != 0) return {};
  return raw.substr(0, raw.find_last_of("]}") + 1);  // it goes up to what comes next
}
/// Of any other value nothing.
inline std::string_view raw_text(JsonValue& value) {
  simdjson::ondemand::array array;
  JsonObject object;
  if (value.get_array().get(array) == 0) return raw_text(array);
  return value.get_object().get(object) == 0 ? raw_text(object) : std::string_view();
}

class JsonWalk {
 public:
  explicit JsonWalk(std::string_view text) : text_(text) {}
  JsonWalk(const JsonWalk&) = delete;
  JsonWalk& operator=(const JsonWalk&) = delete;

  /// Of the whole, once. False when it is no JSON object, as far as it was read.
  template <class Visit>
  bool each_member(Visit visit) {
    simdjson::ondemand::document document;
    JsonObject object;
    return parser_.iterate(text_).get(document) == 0 && document.get_object().get(object) == 0 &&
           tenure::each_member(object, visit);
  }

 private:
  simdjson::padded_string text_;  // the library reads a little further than the text goes
  simdjson::ondemand::parser parser_;
};

}  // namespace tenure
