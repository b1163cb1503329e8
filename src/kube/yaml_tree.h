// YamlTree: a YAML document as plain values, small enough to walk without care.
//
// What a kubeconfig never needs is refused, because it is how a document of a few lines becomes
// gigabytes, or means something else than it seems to: more than 50,000 values once aliases are
// followed, more than 32 levels, a key that appears twice, merge keys ("<<"). Of several documents
// the first counts, as in kubectl.
//
// Thread safety: a value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenure/result.h"

namespace tenure::kube {

struct YamlField;

struct YamlTree {
  enum class Kind { null, boolean, number, text, list, map };

  Kind kind = Kind::null;
  std::string text;               ///< of a boolean ("true", "false"), a number or a text
  std::vector<YamlTree> items;    ///< of a list
  std::vector<YamlField> fields;  ///< of a map, in the document's order

  /// Null when this is no map or has no such field.
  [[nodiscard]] const YamlTree* find(std::string_view name) const;
};

struct YamlField {
  std::string name;
  YamlTree value;
};

/// "a text", "a list"; for messages.
const char* name_of(YamlTree::Kind kind);

/// `file` is for the messages, which name the line but never quote the text: it may be secret.
/// Error: invalid_argument.
Result<YamlTree> parse_yaml(const std::string& text, const std::string& file);

/// One line.
std::string to_json(const YamlTree& tree);

}  // namespace tenure::kube
