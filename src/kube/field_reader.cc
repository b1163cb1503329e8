#include "kube/field_reader.h"

#include <fmt/format.h>

#include <utility>

namespace tenure::kube {

FieldReader::FieldReader(std::string where, const YamlTree& tree)
    : where_(std::move(where)), tree_(tree) {
  using Kind = YamlTree::Kind;
  if (tree.kind != Kind::map && tree.kind != Kind::null)
    fail("", fmt::format("is {}, not a map", name_of(tree.kind)), "correct the file");
}

std::string FieldReader::where(std::string_view name) const {
  const bool top = where_.ends_with(':');
  return fmt::format("{}{}{}", where_, name.empty() ? "" : top ? " " : ".", name);
}

const YamlTree* FieldReader::field(std::string_view name, YamlTree::Kind kind) {
  const YamlTree* found = status_ ? tree_.find(name) : nullptr;
  if (found == nullptr || found->kind == YamlTree::Kind::null) return nullptr;
  if (found->kind == kind) return found;
  fail(name, fmt::format("is {}, not {}", name_of(found->kind), name_of(kind)),
       kind == YamlTree::Kind::text ? "put the value in quotes" : "correct the file");
  return nullptr;
}

std::string FieldReader::text(std::string_view name) {
  const YamlTree* found = field(name, YamlTree::Kind::text);
  return found != nullptr ? found->text : "";
}

bool FieldReader::flag(std::string_view name) {
  const YamlTree* found = field(name, YamlTree::Kind::boolean);
  return found != nullptr && found->text == "true";
}

std::vector<std::string> FieldReader::texts(std::string_view name) {
  std::vector<std::string> values;
  const YamlTree* found = list(name);
  if (found == nullptr) return values;
  for (const YamlTree& item : found->items) {
    if (item.kind != YamlTree::Kind::text)
      fail(name, fmt::format("holds {}, not only texts", name_of(item.kind)),
           "put its values in quotes");
    values.push_back(item.text);
  }
  return values;
}

void FieldReader::fail(std::string_view name, const std::string& message,
                       const std::string& remedy) {
  fail(failure(ErrorCode::invalid_argument, fmt::format("{} {}", where(name), message), remedy));
}

void FieldReader::fail(const Status& status) {
  if (status_) status_ = status;
}

}  // namespace tenure::kube
