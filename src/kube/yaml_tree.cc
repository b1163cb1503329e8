#include "kube/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

namespace tenure::kube {
namespace {

constexpr int kMaxValues = 50'000;
constexpr int kMaxDepth = 32;

struct Refused {
  int line;
  std::string why;
};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_number(const std::string& text) {
  return nlohmann::json::accept(text) && text.find_first_of("\"[{tfn \t") == std::string::npos;
}

/// What an unquoted word means to Go's YAML, whose booleans are those of YAML 1.1.
void set_plain(YamlTree& tree, const std::string& text) {
  tree.kind = YamlTree::Kind::text;
  tree.text = text;
  if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) {
    tree.kind = YamlTree::Kind::boolean;
    tree.text = "true";
  } else if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
    tree.kind = YamlTree::Kind::boolean;
    tree.text = "false";
  } else if (is_number(text)) {
    tree.kind = YamlTree::Kind::number;
  }
}

class Converter {
 public:
  YamlTree convert(const YAML::Node& node, int depth) {
    const int line = node.Mark().line + 1;
    if (++values_ > kMaxValues || depth > kMaxDepth)
      throw Refused{line, "it is too large or too deeply nested"};
    YamlTree tree;
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: break;
      case YAML::NodeType::Scalar:
        if (node.Tag() == "?") {
          set_plain(tree, node.Scalar());
        } else {
          tree.kind = YamlTree::Kind::text;
          tree.text = node.Scalar();
        }
        break;
      case YAML::NodeType::Sequence:
        tree.kind = YamlTree::Kind::list;
        for (const auto& item : node) tree.items.push_back(convert(item, depth + 1));
        break;
      case YAML::NodeType::Map:
        tree.kind = YamlTree::Kind::map;
        convert_fields(tree, node, depth);
        break;
    }
    return tree;
  }

 private:
  void convert_fields(YamlTree& tree, const YAML::Node& node, int depth) {
    std::set<std::string> seen;
    for (const auto& field : node) {
      const int line = field.first.Mark().line + 1;
      if (!field.first.IsScalar()) throw Refused{line, "a key is not a text"};
      const std::string& name = field.first.Scalar();
      if (name == "<<") throw Refused{line, "merge keys (<<) are not read here"};
      if (!seen.insert(name).second) throw Refused{line, "a key appears twice in the same map"};
      tree.fields.push_back({name, convert(field.second, depth + 1)});
    }
  }

  int values_ = 0;
};

nlohmann::ordered_json json_of(const YamlTree& tree) {
  using Json = nlohmann::ordered_json;
  switch (tree.kind) {
    case YamlTree::Kind::null: return nullptr;
    case YamlTree::Kind::boolean: return tree.text == "true";
    case YamlTree::Kind::number: return Json::parse(tree.text, nullptr, false);
    case YamlTree::Kind::text: return tree.text;
    case YamlTree::Kind::list: {
      Json list = Json::array();
      for (const YamlTree& item : tree.items) list.push_back(json_of(item));
      return list;
    }
    case YamlTree::Kind::map: {
      Json map = Json::object();
      for (const auto& [name, value] : tree.fields) map[name] = json_of(value);
      return map;
    }
  }
  return nullptr;
}

}  // namespace

const YamlTree* YamlTree::find(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const auto& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &found->value;
}

const char* name_of(YamlTree::Kind kind) {
  constexpr std::array kNames = {"nothing", "true or false", "a number",
                                 "a text",  "a list",        "a map"};
  return kNames.at(static_cast<std::size_t>(kind));
}

Result<YamlTree> parse_yaml(const std::string& text, const std::string& file) {
  const auto refused = [&](int line, const std::string& why) {
    return failure(ErrorCode::invalid_argument,
                   fmt::format("{}, line {}: cannot be read as YAML: {}", file, line, why),
                   "correct the file, or write it anew with the tool that made it");
  };
  try {
    return Converter().convert(YAML::Load(text), 1);
  } catch (const Refused& reason) {
    return refused(reason.line, reason.why);
  } catch (const YAML::Exception& exception) {
    // What follows a colon is a piece of the file, which may be secret.
    return refused(exception.mark.line + 1, exception.msg.substr(0, exception.msg.find(": ")));
  } catch (const std::exception&) {
    return refused(1, "the parser gave up");
  }
}

std::string to_json(const YamlTree& tree) {
  return json_of(tree).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tenure::kube
