#include "auth/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(JsonFields, TextsAndNumbersAreFoundByTheirPointers) {
  const auto json = JsonFields::parse(R"({"a": "x", "b": {"c": 7, "d": {"e": "y"}},
      "f": ["p", {"g": "q"}, ["r"]], "h": -3})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->text("/a"), "x");
  EXPECT_EQ(json->number("/b/c"), 7);
  EXPECT_EQ(json->text("/b/d/e"), "y");
  EXPECT_EQ(json->text("/f/0"), "p");
  EXPECT_EQ(json->text("/f/1/g"), "q");
  EXPECT_EQ(json->text("/f/2/0"), "r");
  EXPECT_EQ(json->number("/h"), -3);
  EXPECT_TRUE(json->has("/b"));
  EXPECT_FALSE(json->has("/b/e"));
  EXPECT_EQ(json->inside("/b").text("/d/e"), "y");
  EXPECT_FALSE(json->inside("/b").has("/a"));
}

TEST(JsonFields, WhatIsOfAnotherTypeIsNotThere) {
  const auto json = JsonFields::parse(
      R"({"number": 7, "text": "7", "flag": true, "null": null, "half": 0.5, "list": ["a"],
          "huge": 18446744073709551615})");
  ASSERT_TRUE(json);
  for (const char* pointer : {"/number", "/flag", "/null", "/half", "/list", "/huge", "", "/"})
    EXPECT_EQ(json->text(pointer), "") << pointer;
  for (const char* pointer : {"/text", "/flag", "/null", "/half", "/list", "/huge"})
    EXPECT_FALSE(json->number(pointer)) << pointer;
  EXPECT_TRUE(json->has("/flag"));
  EXPECT_FALSE(json->has("/null"));
}

TEST(JsonFields, NamesWithSlashesAndTildesAreNoPaths) {
  const auto json = JsonFields::parse(R"({"a/b": "x", "c~d": "y", "~1": "z", "a": {"b": "w"}})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->text("/a/b"), "w");
  EXPECT_EQ(json->text(JsonFields::pointer_to("a/b")), "x");
  EXPECT_EQ(json->text(JsonFields::pointer_to("c~d")), "y");
  EXPECT_EQ(json->text(JsonFields::pointer_to("~1")), "z");
}

TEST(JsonFields, AMapOfTextsIsReadWhole) {
  const auto json = JsonFields::parse(
      R"({"h": {"A": "1", "B/~1": "2"}, "n": {"A": 1}, "d": {"A": {}}, "e": {}})");
  ASSERT_TRUE(json);
  EXPECT_THAT(*json->texts_in("/h"), ElementsAre(Pair("A", "1"), Pair("B/~1", "2")));
  EXPECT_FALSE(json->texts_in("/n"));
  EXPECT_FALSE(json->texts_in("/d"));
  EXPECT_THAT(*json->texts_in("/e"), ElementsAre());
  EXPECT_THAT(*json->texts_in("/absent"), ElementsAre());
}

TEST(JsonFields, OnlyWholeObjectsOfABearableShape) {
  const std::string deep(16, '[');
  const std::string flat_enough = R"({"a":)" + std::string(15, '[') + std::string(15, ']') + "}";
  EXPECT_TRUE(JsonFields::parse(flat_enough));
  EXPECT_TRUE(JsonFields::parse(" {} \n"));
  const std::string wrong[] = {"",
                               "null",
                               "7",
                               "\"a\"",
                               "[]",
                               "[{}]",
                               "{",
                               "{}x",
                               "{\"a\":}",
                               "{'a':1}",
                               "{\"a\":1,}",
                               std::string("{}\0x", 4),
                               "{\"a\":\"\xff\"}",
                               R"({"a":)" + deep + std::string(16, ']') + "}",
                               R"({"a":)" + std::string(1'000'000, '['),
                               R"({")" + std::string(600, 'a') + R"(": 1})"};
  for (const std::string& text : wrong) EXPECT_FALSE(JsonFields::parse(text)) << text.substr(0, 40);
}

}  // namespace
}  // namespace tenure
