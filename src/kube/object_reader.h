// Objects in what an API server sends: where each is, what it is called, and its text without what
// nobody needs. Nothing is built but that, because most of a server's bytes are looked at once.
//
//   const auto event = read_event(line);  // {"type":"MODIFIED","object":{...}}
//   if (event && event->object) use(event->object->key, event->object->json);
//
// A field of another type than it should be counts as absent; of several with the same key the last
// counts. How deep the text is nested does not matter here, and what is not looked at may not be
// JSON; whoever reads an object's text must mind.
//
// Pure; no function throws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/reflector.h"

namespace tenure::kube {

/// One line of a watch.
struct EventText {
  std::string type{};
  std::optional<Object> object{};
  std::int64_t code = 0;  ///< object.code: that of the Status that an ERROR has
};
/// Nothing when it is not a JSON object.
std::optional<EventText> read_event(std::string_view line);

/// One page of a list.
struct ListText {
  std::vector<Object> items{};
  std::string version{};
  std::string more{};  ///< metadata.continue
};
/// Nothing when it is not a JSON object.
std::optional<ListText> read_list(std::string_view page);

/// Of an object, or of the one that an event is about. Fields are empty where they are not there.
ObjectVersion version_of_object(std::string_view json);
ObjectVersion version_of_event(std::string_view line);

}  // namespace tenure::kube
