#include "kube/object_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace tenure::kube {
namespace {

using Json = nlohmann::json;

constexpr const char* kThing =
    R"({"kind":"Thing","metadata":{"managedFields":[{"manager":"app","fieldsV1":{"f:spec":{}}}],)"
    R"("name":"a","namespace":"team","resourceVersion":"12","uid":"u","labels":{"name":"x"}},)"
    R"("spec":{"name":"y","text":"}]\"\u00e4","metadata":{"uid":"z"}}})";

std::string event_of(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(", "object": )" + object + " }";
}

std::string page_of(const std::string& items) {
  return R"({"kind":"List","metadata":{"resourceVersion":"40","continue":"go on"},"items":)" +
         items + "}";
}

TEST(ObjectReader, ReadsTheObjectOfAnEvent) {
  const auto event = read_event(event_of("MODIFIED", kThing));
  ASSERT_TRUE(event && event->object);
  EXPECT_EQ(event->type, "MODIFIED");
  EXPECT_EQ(event->object->key, "team/a");
  EXPECT_EQ(event->object->version, "12");
  EXPECT_EQ(event->object->uid, "u");
}

TEST(ObjectReader, ManagedFieldsEndWhereTheirBracketDoes) {
  const auto thing = [](const std::string& fields) {
    return R"({"metadata":{"managedFields":)" + fields +
           R"(,"name":"a","uid":"u"},"spec":{"x":[1]}})";
  };
  for (const char* fields :
       {"[ ]", R"([{"k:{\"a\":\"]\"}":{}},[["[",{"]":"\\"}]], "\\\"]" ])", "[[[]],[[[1]]]]"}) {
    const auto event = read_event(event_of("ADDED", thing(fields)));
    ASSERT_TRUE(event && event->object) << fields;
    EXPECT_EQ(event->object->json, thing("null")) << fields;
    const auto page = read_list(page_of("[" + thing(fields) + "," + thing(fields) + "]"));
    ASSERT_TRUE(page) << fields;
    ASSERT_EQ(page->items.size(), 2U);
    EXPECT_EQ(page->items[1].json, thing("null"));
    EXPECT_EQ(page->items[1].uid, "u");
  }
  // Cut off in them, at every byte.
  const std::string whole = event_of("ADDED", thing(R"(["a\"]",{"b":["\\"]}])"));
  for (std::size_t size = 0; size < whole.size() - 2; ++size)
    EXPECT_FALSE(read_event(whole.substr(0, size))) << whole.substr(0, size);
}

TEST(ObjectReader, KeepsTheTextButForManagedFields) {
  for (const char* fields : {R"([{"manager":"app","a":[1]}])", "[]", "{}", R"({"a":{"b":[]}})",
                             "null", "7", R"("text")"}) {
    Json thing = Json::parse(kThing);
    thing["metadata"]["managedFields"] = Json::parse(fields);
    const auto event = read_event(event_of("ADDED", thing.dump(1)));
    ASSERT_TRUE(event && event->object) << fields;
    Json kept = Json::parse(event->object->json, nullptr, false);
    ASSERT_TRUE(kept.is_object()) << event->object->json;
    if (Json::parse(fields).is_structured()) {
      EXPECT_TRUE(kept["metadata"]["managedFields"].is_null()) << event->object->json;
    }
    kept["metadata"].erase("managedFields");
    thing["metadata"].erase("managedFields");
    EXPECT_EQ(kept, thing) << fields;
  }
  const std::string elsewhere = R"({"managedFields":[1],"spec":{"managedFields":[2]}})";
  EXPECT_EQ(read_event(event_of("ADDED", elsewhere))->object->json, elsewhere);
  // The key may be written in another way, and twice.
  const auto twice = read_event(event_of(
      "ADDED", R"({"metadata":{"managed\u0046ields":[1],"managedFields":[2],"name":"a"}})"));
  EXPECT_EQ(twice->object->json,
            R"({"metadata":{"managed\u0046ields":null,"managedFields":null,"name":"a"}})");
}

TEST(ObjectReader, ReadsOtherEvents) {
  const auto bookmark = read_event(event_of("BOOKMARK", R"({"metadata":{"resourceVersion":"9"}})"));
  EXPECT_EQ(bookmark->object->version, "9");
  EXPECT_EQ(bookmark->object->key, "/");
  const auto error = read_event(event_of("ERROR", R"({"kind":"Status","code":410})"));
  EXPECT_EQ(error->code, 410);
  EXPECT_EQ(read_event(event_of("ERROR", R"({"code":"410"})"))->code, 0);
  EXPECT_EQ(read_event(event_of("ERROR", R"({"details":{"code":410}})"))->code, 0);
  EXPECT_EQ(read_event(event_of("DELETED", kThing))->type, "DELETED");
}

TEST(ObjectReader, WhatIsNoEventHasNoObject) {
  for (const char* bad :
       {"", "{", "[]", "7", R"([{"object":{}}])", R"({"object":{}} x)",
        R"({"type":"ADDED","object":{"a":1})", R"({"object":{"metadata":{"uid":"u"]}})",
        R"({"type":"ADDED" "object":{}})", "{\"object\":{\"a\":\"\xff\"}}"})
    EXPECT_FALSE(read_event(bad)) << bad;
  for (const char* none :
       {"{}", R"({"type":"ADDED"})", R"({"object":7})", R"({"object":[{"metadata":{"name":"a"}}]})",
        R"({"a":{"object":{}}})", R"({"object":{},"object":7})"}) {
    ASSERT_TRUE(read_event(none)) << none;
    EXPECT_FALSE(read_event(none)->object) << none;
  }
}

TEST(ObjectReader, DamagedTextIsHarmless) {
  const std::string event = R"({"type":"ADDED","object":)" + std::string(kThing) + "}";
  const std::string page = page_of("[" + std::string(kThing) + "," + kThing + "]");
  for (std::size_t size = 0; size < event.size(); ++size)
    EXPECT_FALSE(read_event(event.substr(0, size))) << size;
  for (std::size_t size = 0; size < page.size(); ++size)
    EXPECT_FALSE(read_list(page.substr(0, size))) << size;
  for (std::size_t at = 0; at < page.size(); ++at) {
    for (const char c : std::string_view("{}[]\",:\\0t \x01\xff\0", 14)) {
      std::string damaged = page;
      damaged[at] = c;
      const auto list = read_list(damaged);
      for (const Object& item : list ? list->items : std::vector<Object>())
        EXPECT_TRUE(item.json.starts_with('{') && item.json.ends_with('}')) << damaged;
      version_of_object(damaged);
    }
  }
}

TEST(ObjectReader, AFieldOfAnotherTypeIsAbsent) {
  const auto event = read_event(event_of(
      "ADDED", R"({"metadata":{"name":["a"],"namespace":{"name":"b"},"uid":"u","uid":7}})"));
  EXPECT_EQ(event->object->key, "/");
  EXPECT_EQ(event->object->uid, "");
  EXPECT_EQ(read_event(event_of("ADDED", R"({"metadata":[{"name":"a"}]})"))->object->key, "/");
}

TEST(ObjectReader, DeepTextIsHarmless) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const auto event = read_event(event_of("ADDED", R"({"spec":)" + deep + "}"));
  ASSERT_TRUE(event && event->object);
  EXPECT_EQ(event->object->json, R"({"spec":)" + deep + "}");
  EXPECT_FALSE(read_event(std::string(1'000'000, '[')));
}

TEST(ObjectReader, ReadsAPage) {
  const auto page =
      read_list(page_of(std::string("[") + kThing + R"(,{"metadata":{"name":"b"}}])"));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->version, "40");
  EXPECT_EQ(page->more, "go on");
  ASSERT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->items[0].key, "team/a");
  EXPECT_EQ(page->items[0].json.find("manager\""), std::string::npos);
  EXPECT_EQ(page->items[1].key, "/b");
  EXPECT_EQ(page->items[1].uid, "") << "not that of the one before";
  EXPECT_EQ(page->items[1].json, R"({"metadata":{"name":"b"}})");
  for (const char* none : {"null", "[]", "7", R"([7,"a",[{}]])"}) {
    ASSERT_TRUE(read_list(page_of(none))) << none;
    EXPECT_TRUE(read_list(page_of(none))->items.empty()) << none;
  }
  for (const char* bad : {"", "[]", "7", "<html>", R"({"items":[{})"})
    EXPECT_FALSE(read_list(bad)) << bad;
}

TEST(ObjectReader, FindsAVersion) {
  EXPECT_EQ(version_of_object(kThing).version, "12");
  EXPECT_EQ(version_of_object(kThing).uid, "u");
  EXPECT_EQ(version_of_event(event_of("ADDED", kThing)).version, "12");
  EXPECT_EQ(version_of_object(event_of("ADDED", kThing)).version, "");
  for (const char* none :
       {"", "{", "[]", R"({"metadata":"resourceVersion"})", R"({"metadata":{"resourceVersion":1}})",
        R"({"metadata":{"labels":{"resourceVersion":"1"}}})"})
    EXPECT_EQ(version_of_object(none).version, "") << none;
}

}  // namespace
}  // namespace tenure::kube
