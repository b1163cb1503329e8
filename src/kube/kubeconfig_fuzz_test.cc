// Damaged kubeconfigs: whatever is in the file, the answer is a config or a line, soon.
#include <gtest/gtest.h>

#include "auth/testing/temp_files.h"
#include "base/random.h"
#include "kube/kubeconfig.h"
#include "kube/testing/kubeconfig_samples.h"
#include "kube/yaml_tree.h"

namespace tenure::kube {
namespace {

constexpr std::string_view kPieces[] = {
    "&a ",  "*a",        "<<: *a", "- ",           ": ",          "{",     "}",    "[",
    "]",    "!!binary ", "|\n",    ">-\n",         "\n",          "  ",    "\t",   "\"",
    "'",    "#",         "---\n",  "...\n",        "? ",          "~",     "null", "1e9",
    "true", "\0",        "\xff",   "\xef\xbb\xbf", "%YAML 1.2\n", "!<x> ", "@",    "`"};

std::string mutated(std::string text, Random& random) {
  const std::uint64_t changes = 1 + random.below(6);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::size_t at = random.below(text.size() + 1);
    switch (random.below(6)) {
      case 0: text.insert(at, kPieces[random.below(std::size(kPieces))]); break;
      case 1: text.erase(at, random.below(30)); break;
      case 2: text.insert(at, 1, static_cast<char>(random.below(256))); break;
      case 3: text.insert(at, text.substr(random.below(text.size() + 1), random.below(200))); break;
      case 4: text.resize(at); break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random.below(8)));
    }
  }
  return text;
}

TEST(KubeconfigFuzz, TenThousandDamagedOnesAreReadOrRefused) {
  const TempFiles files;
  SplitMix random(20260106);
  int accepted = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string text =
        mutated(filled_in(kSamples[random.below(std::size(kSamples))]), random);
    const auto config = load_kubeconfig({.path = files.write("config", text)});
    if (config) {
      ++accepted;
      continue;
    }
    ASSERT_FALSE(config.error().message.empty());
    ASSERT_EQ(config.error().to_string().find_first_of("\n\r\x1b"), std::string::npos)
        << "case " << i << ": " << config.error().to_string();
  }
  // Otherwise this would test one early exit ten thousand times, or nothing.
  EXPECT_GT(accepted, 200);
  EXPECT_LT(accepted, 9'000);
}

struct Bomb {
  const char* name;
  std::string text;
};

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string billion_laughs() {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    text.append(name).append(": &").append(name).append(" [").append(last);
    for (int j = 0; j < 8; ++j) text.append(", ").append(last);
    text.append("]\n");
  }
  return text;
}

TEST(KubeconfigFuzz, AMillionQuotesAreAText) {
  EXPECT_EQ(parse_yaml(repeated("\"", 1'000'000), "f").value().kind, YamlTree::Kind::text);
}

TEST(KubeconfigFuzz, BombsAreRefused) {
  const Bomb bombs[] = {
      {"aliases that multiply", billion_laughs()},
      {"an alias within itself", "a: &a [*a]"},
      {"a deep list", repeated("[", 500'000)},
      {"a deep closed list", repeated("[", 300) + repeated("]", 300)},
      {"a deep map", repeated("{a: ", 200'000)},
      {"deep blocks", repeated("- ", 500'000)},
      {"a wide list", "[" + repeated("a,", 500'000) + "]"},
      {"a wide map", "{" + repeated("? ,", 300'000) + "}"},
      {"keys of keys", repeated("? ", 400'000)},
      {"many anchors", "[" + repeated("&a x,", 200'000) + "]"},
      {"tags", repeated("!a ", 300'000)},
      {
          "blanks",
          repeated(" ", 1'000'000) + "[",
      },
      {"line ends", repeated("\n", 1'000'000) + "["},
  };
  for (const Bomb& bomb : bombs) {
    const auto tree = parse_yaml(bomb.text, "bomb");
    EXPECT_FALSE(tree) << bomb.name;
  }
}

}  // namespace
}  // namespace tenure::kube
