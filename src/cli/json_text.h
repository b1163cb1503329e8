// JSON values as the text that -o json and -o yaml print. Only for .cc files: it brings a large
// header with it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"

namespace tenure::cli {

/// Keeps the order of the keys: output is read by people, too.
using Json = nlohmann::ordered_json;

inline bool is_machine_readable(Output output) {
  return output == Output::json || output == Output::yaml;
}

/// One line without blanks and without the final newline; bytes that are not UTF-8 are replaced.
std::string to_line(const Json& value);

/// Indented JSON or YAML, ending with a newline.
std::string to_text(const Json& value, Output output);

}  // namespace tenure::cli
