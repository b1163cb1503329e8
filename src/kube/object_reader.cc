#include "kube/object_reader.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_scan.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::json;

// In which bracket the objects are, counted from 1, and under which key of the first.
struct Place {
  int depth = 1;
  std::string_view key{};
};
constexpr Place kWhole{};
constexpr Place kInEvent{2, "object"};
constexpr Place kInList{3, "items"};

class Reader final : public nlohmann::json_sax<Json> {
 public:
  enum class Until : std::uint8_t { end, version };

  explicit Reader(Place place, Until until = Until::end) : place_(place), until_(until) {}

  /// False when it is not JSON, or was not read to its end.
  bool read(std::string_view text) {
    at_ = text.data();
    end_ = at_ + text.size();
    return Json::sax_parse(JsonCursor(&at_), JsonCursor(&end_), this);
  }

  std::vector<Object> objects;
  Object object;  // the one that is being read, or was last
  // What stands beside the objects.
  std::string type;
  std::string version;
  std::string more;
  std::int64_t code = 0;  // in the object
  bool is_object = false;

  bool key(string_t& name) override {
    wanted_ = field(name);
    if (wanted_ != nullptr) wanted_->clear();
    return true;
  }
  bool string(string_t& value) override {
    if (wanted_ != nullptr) *wanted_ = std::move(value);
    value_ends();
    return until_ == Until::end || object.version.empty() || object.uid.empty();
  }
  bool start_object(std::size_t) override {
    start();
    is_object = is_object || depth_ == 1;
    if (depth_ == place_.depth && in_place()) begin();
    return true;
  }
  bool start_array(std::size_t) override {
    start();
    return true;
  }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool null() override { return value_ends(); }
  bool boolean(bool) override { return value_ends(); }
  bool number_integer(number_integer_t) override { return value_ends(); }
  bool number_unsigned(number_unsigned_t value) override {
    if (reading_ && depth_ == place_.depth && inner_ == "code")
      code = static_cast<std::int64_t>(value);
    return value_ends();
  }
  bool number_float(number_float_t, const string_t&) override { return value_ends(); }
  bool binary(binary_t&) override { return value_ends(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  [[nodiscard]] bool in_place() const { return place_.depth == 1 || outer_ == place_.key; }

  // The member `name` begins. Where its text is to go, if anywhere.
  std::string* field(const std::string& name) {
    if (reading_ && depth_ >= place_.depth) return field_of_object(name);
    if (depth_ == 1) {
      outer_ = name;
      if (in_place()) objects.clear();
      return name == "type" ? &type : nullptr;
    }
    if (depth_ != 2 || outer_ != "metadata") return nullptr;
    return name == "resourceVersion" ? &version : name == "continue" ? &more : nullptr;
  }
  std::string* field_of_object(const std::string& name) {
    if (depth_ == place_.depth) inner_ = name;
    if (depth_ != place_.depth + 1 || inner_ != "metadata") return nullptr;
    // Who wrote which field: half of an object's bytes, in memory for each, and nobody asks.
    cut_ = name == "managedFields" ? at_ : nullptr;
    if (name == "name") return &name_;
    if (name == "namespace") return &namespace_;
    if (name == "resourceVersion") return &object.version;
    return name == "uid" ? &object.uid : nullptr;
  }
  bool value_ends() {
    wanted_ = nullptr;
    if (depth_ == place_.depth + 1) cut_ = nullptr;
    return true;
  }
  void start() {
    wanted_ = nullptr;
    ++depth_;
    const bool is_metadata = depth_ == place_.depth + 1 && inner_ == "metadata";
    if (reading_ && !is_metadata) pass_over();
  }
  // The array or object that has begun.
  void pass_over() {
    at_ = find_bracket(at_, end_, [](int depth) { return depth < 0; });
  }
  bool end() {
    --depth_;
    if (!reading_) return true;
    if (depth_ == place_.depth + 1 && cut_ != nullptr) {
      text_.append(from_, cut_).append(":null");
      from_ = at_;
      cut_ = nullptr;
    }
    if (depth_ < place_.depth) finish();
    return true;
  }
  void begin() {
    reading_ = true;
    object = {};
    name_.clear();
    namespace_.clear();
    text_.clear();
    from_ = at_ - 1;  // with its bracket
  }
  void finish() {
    reading_ = false;
    object.key = namespace_ + "/" + name_;
    text_.append(from_, at_);
    object.json = text_;  // a copy is as long as it must be
    if (until_ == Until::end) objects.push_back(std::move(object));
  }

  const Place place_;
  const Until until_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  int depth_ = 0;         // of open objects and arrays
  std::string outer_;     // the member of the whole
  std::string inner_;     // the member of the object
  bool reading_ = false;  // an object
  std::string* wanted_ = nullptr;
  std::string name_;
  std::string namespace_;
  const char* from_ = nullptr;  // what is not in text_ yet
  const char* cut_ = nullptr;   // what ends next is left out from here on
  std::string text_;
};

ObjectVersion find_version(std::string_view text, Place place) {
  Reader reader(place, Reader::Until::version);
  reader.read(text);  // which it does not to the end
  return {std::move(reader.object.version), std::move(reader.object.uid)};
}

}  // namespace

std::optional<EventText> read_event(std::string_view line) {
  Reader reader(kInEvent);
  if (!reader.read(line)) return std::nullopt;
  EventText event{.type = std::move(reader.type), .object = {}, .code = reader.code};
  if (!reader.objects.empty()) event.object = std::move(reader.objects.back());
  return event;
}

std::optional<ListText> read_list(std::string_view page) {
  Reader reader(kInList);
  if (!reader.read(page) || !reader.is_object) return std::nullopt;
  return ListText{.items = std::move(reader.objects),
                  .version = std::move(reader.version),
                  .more = std::move(reader.more)};
}

ObjectVersion version_of_object(std::string_view json) {
  return find_version(json, kWhole);
}

ObjectVersion version_of_event(std::string_view line) {
  return find_version(line, kInEvent);
}

}  // namespace tenure::kube
