#include "kube/object_reader.h"

#include <utility>

#include "base/json_walk.h"

namespace tenure::kube {
namespace {

// `json`: the metadata of the object whose text is `raw`.
bool read_metadata(JsonValue& json, std::string_view raw, Object& object) {
  std::string name;
  std::string name_space;
  std::string text;
  const char* from = raw.data();  // what is not in the text yet
  const bool is_read = each_member(json, [&](std::string_view key, JsonValue& value) {
    if (key == "name") name = text_of(value);
    if (key == "namespace") name_space = text_of(value);
    if (key == "resourceVersion") object.version = text_of(value);
    if (key == "uid") object.uid = text_of(value);
    if (key != "managedFields") return true;
    // Who wrote which field: half of an object's bytes, in memory for each, and nobody asks.
    const std::string_view fields = raw_text(value);
    if (fields.empty()) return true;
    text.append(from, fields.data()).append("null");
    from = fields.data() + fields.size();
    return true;
  });
  object.key = name_space + "/" + name;
  object.json = std::move(text.append(from, raw.data() + raw.size()));
  return is_read;
}

bool read_object(JsonObject& json, Object& object, std::int64_t* code = nullptr) {
  const std::string_view raw = raw_text(json);
  object.key = "/";
  object.json = raw;
  return !raw.empty() && json.reset().error() == 0 &&
         each_member(json, [&](std::string_view key, JsonValue& value) {
           if (key == "code" && code != nullptr) *code = integer_of(value);
           return key != "metadata" || read_metadata(value, raw, object);
         });
}

bool read_version(JsonValue& metadata, ObjectVersion& version) {
  return each_member(metadata, [&](std::string_view key, JsonValue& value) {
    if (key == "resourceVersion") version.version = text_of(value);
    if (key == "uid") version.uid = text_of(value);
    return true;
  });
}

}  // namespace

std::optional<EventText> read_event(std::string_view line) {
  EventText event;
  const bool is_event = JsonWalk(line).each_member([&](std::string_view key, JsonValue& value) {
    if (key == "type") event.type = text_of(value);
    if (key != "object") return true;
    event.object.reset();
    JsonObject object;
    return value.get_object().get(object) != 0 ||
           read_object(object, event.object.emplace(), &event.code);
  });
  if (!is_event) return std::nullopt;
  return event;
}

std::optional<ListText> read_list(std::string_view page) {
  ListText list;
  const auto read_list_metadata = [&](std::string_view key, JsonValue& value) {
    if (key == "resourceVersion") list.version = text_of(value);
    if (key == "continue") list.more = text_of(value);
    return true;
  };
  const auto read_item = [&](JsonObject& item) {
    return read_object(item, list.items.emplace_back());
  };
  const bool is_list = JsonWalk(page).each_member([&](std::string_view key, JsonValue& value) {
    if (key == "metadata") return each_member(value, read_list_metadata);
    return key != "items" || each_object(value, read_item);
  });
  if (!is_list) return std::nullopt;
  return list;
}

ObjectVersion version_of_object(std::string_view json) {
  ObjectVersion version;
  JsonWalk(json).each_member([&](std::string_view key, JsonValue& value) {
    return key != "metadata" || read_version(value, version);
  });
  return version;
}

ObjectVersion version_of_event(std::string_view line) {
  ObjectVersion version;
  JsonWalk(line).each_member([&](std::string_view key, JsonValue& value) {
    return key != "object" || each_member(value, [&](std::string_view name, JsonValue& inner) {
             return name != "metadata" || read_version(inner, version);
           });
  });
  return version;
}

}  // namespace tenure::kube
