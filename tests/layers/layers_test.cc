// The drawing of the layers as a test: an #include that is not an arrow of it fails, and so does a
// call that would make a step function depend on the machine it runs on.
//
//   base <- core <- sim
//   base <- runtime <- net <- auth <- kube
//   core <- mcl      {kube, mcl} <- store <- {elect, controller}
//   everything <- cli
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Words = std::set<std::string>;

const std::map<std::string, Words> kLayerSees = {
    {"base", {"base"}},
    {"core", {"core", "base"}},
    {"runtime", {"runtime", "base"}},
    {"net", {"net", "runtime", "base"}},
    {"auth", {"auth", "net", "runtime", "base"}},
    {"kube", {"kube", "auth", "net", "runtime", "base"}},
    {"store", {"store", "mcl", "kube", "auth", "net", "runtime", "core", "base"}},
    {"sim", {"sim", "core", "base"}},
    {"mcl", {"mcl", "core", "base"}},
    {"elect", {"elect", "mcl", "store", "kube", "net", "runtime", "core", "base"}},
    {"controller", {"controller", "mcl", "store", "kube", "net", "runtime", "core", "base"}},
    {"cli",
     {"cli", "controller", "server", "elect", "mcl", "store", "kube", "auth", "net", "sim",
      "runtime", "core", "base"}},
    {"server", {"server", "elect", "store", "net", "runtime", "core", "base"}},
};

// Unit tests sit beside the sources, and what several of them share in a folder named testing.
constexpr const char* kTestCode = R"(src/.*(_test\.cc|/testing/.*))";

// Libraries from elsewhere, and the sources that may include them.
const std::map<std::string, const char*> kLibraries = {
    {"fmt", R"(src/.*\.cc|src/sim/trace\.h)"},
    {"nlohmann",
     R"(src/(core/(bounded_json\.h|record_codec\.cc)|(auth|controller|kube|mcl|server|store)/[a-z_]+\.cc|cli/(json_text\.h|[a-z_]+\.cc)))"},
    {"simdjson.h", R"(src/base/json_walk\.h)"},
    {"CLI", R"(src/cli/[a-z_]+\.cc)"},
    {"sqlite3.h", R"(src/store/(testing/)?[a-z_]+\.cc)"},
    {"curl", R"(src/net/[a-z_]+\.cc)"},
    {"yaml-cpp", R"(src/kube/[a-z_]+\.cc)"},
    {"prometheus", R"(src/server/(controller_)?metrics\.cc)"},
    {"openssl", R"(src/(auth|net|kube)/[a-z_]+\.cc)"},
    {"tl", R"(include/tenure/result\.h)"},
    {"gtest", kTestCode},
    {"gmock", kTestCode},
};

struct Banned {
  std::regex call;
  const char* allowed_in;
};
const Banned kBanned[] = {
    {std::regex(R"((steady|system|high_resolution)_clock::now)"), R"(src/runtime/.*)"},
    {std::regex(R"(\bclock_gettime\b)"), R"(src/runtime/.*)"},
    {std::regex(R"(\bs?rand\s*\()"), R"(src/runtime/.*)"},
    {std::regex(R"(\bgetenv\b)"), R"(src/(runtime|cli)/.*|src/store/store_url\.cc)"},
    {std::regex(R"(\b(sleep_for|sleep_until|usleep|nanosleep)\b)"), R"(src/runtime/.*)"},
};

bool matches(const std::string& text, const char* pattern) {
  return std::regex_match(text, std::regex(pattern));
}

std::string first_part(const std::string& path) {
  return path.substr(0, path.find('/'));
}

// Empty when `file` may include `header`.
std::string why_not(const std::string& file, const std::string& header, bool angle) {
  const std::string top = first_part(header);
  const bool is_public = file.starts_with("include/");
  if (top == "tenure") return "";
  if (kLayerSees.contains(top) && !angle) {
    const std::string layer = is_public ? "" : first_part(file.substr(4));
    if (is_public) return "a public header sees public headers only";
    return kLayerSees.at(layer).contains(top) ? "" : layer + " must not see " + top;
  }
  if (!angle) return "in quotes stand our own headers, with their path from src/ or include/";
  if (const auto library = kLibraries.find(top); library != kLibraries.end())
    return matches(file, library->second) ? "" : top + " belongs in " + library->second;
  if (!is_public && (header.ends_with(".h") || top == "sys")) return "";  // C and POSIX
  return header.find_first_of("./") == std::string::npos ? "" : "an unknown library";
}

// What is wrong with one file, a line each.
std::vector<std::string> problems(const std::string& file, std::istream& text) {
  static const std::regex include(R"(\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::vector<std::string> found;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    const auto add = [&](const std::string& why) {
      std::ostringstream report;
      report << file << ':' << number << ": " << line << "\n    " << why;
      found.push_back(report.str());
    };
    std::smatch match;
    if (std::regex_match(line, match, include)) {
      const std::string why = why_not(file, match[2], match[1] == "<");
      if (!why.empty()) add(why);
    }
    const std::string code = line.substr(0, line.find("//"));
    for (const Banned& banned : kBanned)
      if (std::regex_search(code, banned.call) && !matches(file, banned.allowed_in) &&
          !matches(file, kTestCode))
        add("time, chance and environment are arguments here; only the runtime asks for them");
  }
  return found;
}

std::vector<std::string> problems(const std::string& file, const std::string& text) {
  std::istringstream stream(text);
  return problems(file, stream);
}

TEST(Layers, TheTreeKeepsToTheDrawing) {
  const std::filesystem::path root = TENURE_SOURCE_DIR;
  int files = 0;
  for (const char* folder : {"src", "include"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
      std::ifstream text(entry.path());
      for (const std::string& problem :
           problems(std::filesystem::relative(entry.path(), root).string(), text))
        ADD_FAILURE() << problem;
      ++files;
    }
  EXPECT_GT(files, 30) << "the sources were not found under " << root;
}

TEST(Layers, AWrongArrowIsFound) {
  const std::pair<const char*, const char*> wrong[] = {
      {"src/base/a.cc", "#include \"core/elector.h\""},
      {"src/core/a.cc", "#include \"runtime/clock.h\""},
      {"src/sim/a.h", "#include \"store/store.h\""},
      {"src/runtime/a.cc", "#include \"core/elector.h\""},
      {"src/store/a.cc", "#include \"elect/driver.h\""},
      {"src/elect/a.cc", "  #  include \"sim/run.h\" // why"},
      {"src/elect/a.cc", "#include \"cli/common.h\""},
      {"src/core/a.cc", "#include \"elector.h\""},
      {"include/tenure/a.h", "#include \"base/random.h\""},
      {"include/tenure/a.h", "#include <fmt/format.h>"},
      {"include/tenure/a.h", "#include <unistd.h>"},
      {"include/tenure/a.h", "#include <tl/expected.hpp>"},
      {"src/core/a.h", "#include <fmt/format.h>"},
      {"src/core/elector.cc", "#include <nlohmann/json.hpp>"},
      {"src/elect/a.cc", "#include <sqlite3.h>"},
      {"src/store/a.h", "#include <sqlite3.h>"},
      {"src/elect/a.cc", "#include <CLI/CLI.hpp>"},
      {"src/base/a.cc", "#include <boost/asio.hpp>"},
      {"src/net/http_client.h", "#include <curl/curl.h>"},
      {"src/store/a.cc", "#include <yaml-cpp/yaml.h>"},
      {"src/kube/a.cc", "#include \"core/record_codec.h\""},
      {"src/auth/a.cc", "#include \"kube/client.h\""},
      {"src/base/a.cc", "#include <gtest/gtest.h>"}};
  for (const auto& [file, line] : wrong) EXPECT_EQ(problems(file, line).size(), 1U) << file << line;
}

TEST(Layers, AWrongCallIsFound) {
  const std::pair<const char*, const char*> wrong[] = {
      {"src/core/a.cc", "auto now = std::chrono::steady_clock::now();"},
      {"src/elect/a.cc", "auto now = std::chrono::system_clock::now();"},
      {"src/sim/a.cc", "clock_gettime(CLOCK_BOOTTIME, &now);"},
      {"src/base/a.cc", "int n = rand ();"},
      {"src/elect/a.cc", "std::getenv(\"HOME\");"},
      {"src/store/a.cc", "std::this_thread::sleep_for(1s);  // a nap"},
      {"include/tenure/a.h", "usleep(1);"}};
  for (const auto& [file, line] : wrong) EXPECT_EQ(problems(file, line).size(), 1U) << file << line;
}

TEST(Layers, WhatTheDrawingHasIsAllowed) {
  const std::pair<const char*, const char*> right[] = {
      {"src/core/a.cc", "#include \"base/random.h\"\n#include \"tenure/time.h\"\n#include <array>"},
      {"src/store/a.cc", "#include <sqlite3.h>\n#include <fmt/format.h>\n#include <sys/stat.h>"},
      {"src/store/store_url.cc", "getenv(\"HOME\");"},
      {"src/cli/main.cc", "#include \"sim/run.h\"\n#include <CLI/CLI.hpp>\ngetenv(\"HOME\");"},
      {"src/runtime/clock.cc", "clock_gettime(CLOCK_BOOTTIME, &now);"},
      {"src/base/a_test.cc", "#include <gtest/gtest.h>\nstd::this_thread::sleep_for(1ms);"},
      {"src/core/a.cc", "// never clock_gettime here\nint operand(int);"},
      {"include/tenure/result.h", "#include <tl/expected.hpp>"}};
  for (const auto& [file, text] : right) EXPECT_EQ(problems(file, text).size(), 0U) << file << text;
}

}  // namespace
