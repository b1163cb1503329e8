#include "kube/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure::kube {
namespace {

using testing::HasSubstr;
using Kind = YamlTree::Kind;

YamlTree parsed(const std::string& text) {
  auto tree = parse_yaml(text, "f");
  EXPECT_TRUE(tree) << tree.error().to_string();
  return tree ? *tree : YamlTree{};
}

TEST(YamlTree, PlainWordsMeanWhatTheyMeanToKubectl) {
  const std::pair<const char*, Kind> words[] = {
      {"true", Kind::boolean}, {"False", Kind::boolean}, {"yes", Kind::boolean},
      {"off", Kind::boolean},  {"12", Kind::number},     {"-1.5e3", Kind::number},
      {"~", Kind::null},       {"null", Kind::null},     {"", Kind::null},
      {"'true'", Kind::text},  {"\"12\"", Kind::text},   {"1.2.3", Kind::text},
      {"12abc", Kind::text},   {"truely", Kind::text},   {"https://a:6443", Kind::text},
      {"[]", Kind::list},      {"{}", Kind::map},        {"|\n  12", Kind::text}};
  for (const auto& [word, kind] : words) EXPECT_EQ(parsed(word).kind, kind) << word;
}

TEST(YamlTree, AnAliasIsACopy) {
  EXPECT_EQ(to_json(parsed("a: &x {b: [1, 'one']}\nc: *x")),
            R"({"a":{"b":[1,"one"]},"c":{"b":[1,"one"]}})");
}

TEST(YamlTree, OfSeveralDocumentsTheFirstCounts) {
  EXPECT_EQ(to_json(parsed("a: 1\n---\na: 2\n")), R"({"a":1})");
}

TEST(YamlTree, ByteOrderMarkAndCarriageReturnsDoNotMatter) {
  EXPECT_EQ(to_json(parsed("\xef\xbb\xbf"
                           "a:\r\n- b\r\n- c\r\n")),
            R"({"a":["b","c"]})");
}

TEST(YamlTree, JsonWithTabsIsYaml) {
  EXPECT_EQ(to_json(parsed("{\n\t\"a\": [\n\t\t1,\n\t\t\"b\"\n\t]\n}\n")), R"({"a":[1,"b"]})");
}

TEST(YamlTree, AnErrorNamesTheLine) {
  const auto tree = parse_yaml("a: 1\nb: 2\na: 3\n", "my file");
  ASSERT_FALSE(tree);
  EXPECT_THAT(tree.error().message, HasSubstr("my file, line 3: "));
}

TEST(YamlTree, AnErrorQuotesNothing) {
  EXPECT_EQ(parse_yaml("token: \"\\q\"", "f").error().message,
            "f, line 1: cannot be read as YAML: unknown escape character");
}

TEST(YamlTree, WhatIsNotUtf8DoesNotStopTheJson) {
  EXPECT_THAT(to_json(parsed("a: \"\xff\"")), HasSubstr("{\"a\":\""));
}

TEST(YamlTree, FindingInWhatIsNoMapFindsNothing) {
  EXPECT_EQ(parsed("[a]").find("a"), nullptr);
  EXPECT_EQ(parsed("{a: b}").find("b"), nullptr);
  EXPECT_EQ(parsed("{a: b}").find("a")->text, "b");
}

}  // namespace
}  // namespace tenure::kube
