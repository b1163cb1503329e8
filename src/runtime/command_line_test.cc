#include "runtime/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace tenure {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> texts(char* const* array) {
  std::vector<std::string> result;
  for (; *array != nullptr; ++array) result.emplace_back(*array);
  return result;
}

class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() {
    std::string pattern = testing::TempDir() + "/command-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    const char* path = std::getenv("PATH");
    path_before_ = path != nullptr ? path : "";
    for (const char* name : {"first", "second"}) mkdir((folder_ + "/" + name).c_str(), 0700);
    setenv("PATH", (folder_ + "/first:" + folder_ + "/second").c_str(), 1);
  }
  ~CommandLineTest() override {
    setenv("PATH", path_before_.c_str(), 1);
    for (const auto& file : files_) unlink(file.c_str());
    for (const char* name : {"/first", "/second", ""}) rmdir((folder_ + name).c_str());
  }
  std::string add_file(const std::string& name, mode_t mode) {
    files_.push_back(folder_ + "/" + name);
    std::ofstream(files_.back()) << "#!/bin/sh\n";
    chmod(files_.back().c_str(), mode);
    return files_.back();
  }

  std::string folder_;
  std::string path_before_;
  std::vector<std::string> files_;
};

TEST_F(CommandLineTest, TheFirstExecutableInPathIsTaken) {
  add_file("first/tool", 0600);
  const std::string second = add_file("second/tool", 0700);
  const auto command = CommandLine::create({"tool", "-v"}, {});
  ASSERT_TRUE(command);
  EXPECT_EQ(command->path(), second);
  EXPECT_THAT(texts(command->arguments()), ElementsAre("tool", "-v"));
  EXPECT_THAT(texts(command->shell_arguments()), ElementsAre("/bin/sh", second, "-v"));
}

TEST_F(CommandLineTest, ANameWithASlashIsNotSearchedFor) {
  add_file("first/tool", 0700);
  const auto command = CommandLine::create({"./tool"}, {});
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().code, ErrorCode::not_found);
}

TEST_F(CommandLineTest, ErrorsSayWhatIsWrongAndWhatToDo) {
  const auto missing = CommandLine::create({"tool"}, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, HasSubstr("\"tool\""));
  EXPECT_THAT(missing.error().remedy, HasSubstr("PATH"));

  add_file("second/tool", 0600);
  const auto denied = CommandLine::create({"tool"}, {});
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, ErrorCode::permission_denied);

  EXPECT_EQ(CommandLine::create({}, {}).error().code, ErrorCode::invalid_argument);
}

TEST_F(CommandLineTest, AddedVariablesReplaceOurs) {
  add_file("first/tool", 0700);
  setenv("TENURE_COMMAND_LINE_TEST", "old", 1);
  const auto command = CommandLine::create({"tool"}, {{"TENURE_COMMAND_LINE_TEST", "new"}});
  unsetenv("TENURE_COMMAND_LINE_TEST");
  ASSERT_TRUE(command);
  const auto environment = texts(command->environment());
  EXPECT_THAT(environment, Contains("TENURE_COMMAND_LINE_TEST=new"));
  EXPECT_THAT(environment, Not(Contains("TENURE_COMMAND_LINE_TEST=old")));
  EXPECT_THAT(environment, Contains(StartsWith("PATH=")));
}

}  // namespace
}  // namespace tenure
