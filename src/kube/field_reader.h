// FieldReader: the typed fields of one map of a kubeconfig, with errors that say where.
//
// The first failure stays and the rest of the readings answer with empty values; so a caller reads
// everything it wants and asks status() once. A field that is absent or null is empty. As in
// kubectl, a number is not a text: it belongs in quotes. No message quotes a value.
//
// Thread safety: none. `tree` outlives the reader.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kube/yaml_tree.h"
#include "tenure/result.h"

namespace tenure::kube {

class FieldReader {
 public:
  /// `where` is how messages call the map: "/home/me/.kube/config: users[red].user".
  FieldReader(std::string where, const YamlTree& tree);

  std::string text(std::string_view name);
  bool flag(std::string_view name);
  std::vector<std::string> texts(std::string_view name);
  /// Null when the field is absent, null or of another kind.
  const YamlTree* list(std::string_view name) { return field(name, YamlTree::Kind::list); }
  const YamlTree* map(std::string_view name) { return field(name, YamlTree::Kind::map); }

  [[nodiscard]] std::string where(std::string_view name) const;

  /// Keeps the first: `message` follows where(name).
  void fail(std::string_view name, const std::string& message, const std::string& remedy);
  void fail(const Status& status);
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  const YamlTree* field(std::string_view name, YamlTree::Kind kind);

  const std::string where_;
  const YamlTree& tree_;
  Status status_;
};

}  // namespace tenure::kube
