#include "auth/json_fields.h"

#include <limits>
#include <nlohmann/json.hpp>

namespace tenure {

/// Told by the JSON library what it reads; false makes it stop.
class JsonFields::Reader {
 public:
  using Json = nlohmann::json;

  explicit Reader(Fields& fields) : fields_(fields) {}

  // The library's names.
  bool null() {
    next();
    return !open_.empty();
  }
  bool boolean(bool) { return keep({}); }
  bool number_integer(Json::number_integer_t value) { return keep({.text = {}, .number = value}); }
  bool number_unsigned(Json::number_unsigned_t value) {
    const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (value > most) return keep({});
    return keep({.text = {}, .number = static_cast<std::int64_t>(value)});
  }
  bool number_float(Json::number_float_t, const std::string&) { return keep({}); }
  bool string(std::string& value) { return keep({.text = std::move(value), .number = {}}); }
  bool binary(Json::binary_t&) { return false; }
  bool key(std::string& name) {
    path_.resize(open_.back().path_size);
    path_ += pointer_to(name);
    return path_.size() <= kMaxPointer;
  }
  bool start_object(std::size_t) { return open({.is_array = false}); }
  bool start_array(std::size_t) { return !open_.empty() && open({.is_array = true}); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  static bool parse_error(std::size_t, const std::string&, const Json::exception&) { return false; }

 private:
  /// Each field keeps its own, so that long ones would add up to much more than the document.
  static constexpr std::size_t kMaxPointer = 512;

  struct Open {
    bool is_array;
    std::size_t path_size = 0;
    std::size_t elements = 0;
  };

  /// Makes path_ that of the value that begins.
  void next() {
    if (open_.empty() || !open_.back().is_array) return;
    path_.resize(open_.back().path_size);
    path_ += '/' + std::to_string(open_.back().elements++);
  }
  bool keep(Field field) {
    if (open_.empty()) return false;  // a document that is no object
    next();
    fields_.insert_or_assign(path_, std::move(field));
    return true;
  }
  bool open(Open what) {
    if (open_.size() == kMaxDepth) return false;
    next();
    if (!open_.empty()) fields_.insert_or_assign(path_, Field());
    what.path_size = path_.size();
    open_.push_back(what);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Fields& fields_;
  std::vector<Open> open_;
  std::string path_;
};

std::optional<JsonFields> JsonFields::parse(std::string_view document) {
  // The library takes a NUL byte for the end of the text.
  if (document.find('\0') != std::string_view::npos) return std::nullopt;
  JsonFields json;
  Reader reader(json.fields_);
  if (!nlohmann::json::sax_parse(document, &reader)) return std::nullopt;
  return json;
}

bool JsonFields::has(std::string_view pointer) const {
  return fields_.contains(pointer);
}

std::string JsonFields::text(std::string_view pointer) const {
  const auto found = fields_.find(pointer);
  return found == fields_.end() ? "" : found->second.text.value_or("");
}

std::optional<std::int64_t> JsonFields::number(std::string_view pointer) const {
  const auto found = fields_.find(pointer);
  return found == fields_.end() ? std::nullopt : found->second.number;
}

std::optional<std::vector<std::pair<std::string, std::string>>> JsonFields::texts_in(
    std::string_view pointer) const {
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [path, field] : inside(pointer).fields_) {
    if (!field.text) return std::nullopt;
    std::string name = path.substr(1);
    // "~1" before "~0", so that "~01" becomes "~1".
    for (std::size_t at = 0; (at = name.find("~1", at)) != std::string::npos; ++at)
      name.replace(at, 2, "/");
    for (std::size_t at = 0; (at = name.find("~0", at)) != std::string::npos; ++at)
      name.replace(at, 2, "~");
    members.emplace_back(std::move(name), *field.text);
  }
  return members;
}

JsonFields JsonFields::inside(std::string_view pointer) const {
  JsonFields object;
  const std::string prefix = std::string(pointer) + '/';
  for (auto at = fields_.lower_bound(prefix); at != fields_.end() && at->first.starts_with(prefix);
       ++at)
    object.fields_.emplace(at->first.substr(pointer.size()), at->second);
  return object;
}

std::string JsonFields::pointer_to(std::string_view name) {
  std::string pointer = "/";
  for (const char c : name) {
    if (c == '~')
      pointer += "~0";
    else if (c == '/')
      pointer += "~1";
    else
      pointer += c;
  }
  return pointer;
}

tl::unexpected<Error> missing_field(std::string_view field) {
  return failure(ErrorCode::invalid_argument, std::string(field) + " is missing or not a text",
                 kMakeFileAgain);
}

}  // namespace tenure
