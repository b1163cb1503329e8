#include "cli/json_text.h"

namespace tenure::cli {
namespace {

// A JSON scalar is a YAML scalar, so only the two containers need rules.
std::string scalar(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string yaml(const Json& value, const std::string& indent) {
  std::string out;
  for (const auto& [key, item] : value.items()) {
    const bool nested = item.is_structured() && !item.empty();
    if (value.is_array() && nested) {  // the first key goes on the line of the dash
      out += yaml(item, indent + "  ").replace(0, indent.size() + 2, indent + "- ");
    } else {
      out += indent + (value.is_array() ? "-" : key + ":");
      out += nested ? '\n' + yaml(item, indent + "  ") : ' ' + scalar(item) + '\n';
    }
  }
  return out;
}

}  // namespace

std::string to_line(const Json& value) {
  return scalar(value);
}

std::string to_text(const Json& value, Output output) {
  if (output == Output::yaml) return yaml(value, "");
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace tenure::cli
