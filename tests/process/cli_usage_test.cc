// What the command line refuses, and how: one line that says what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli_program.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct BadLine {
  const char* name;
  Words arguments;
  int code;
  const char* message;
};
void PrintTo(const BadLine& line, std::ostream* out) {
  *out << line.name;
}

class RefusedLine : public ::testing::TestWithParam<BadLine> {};

TEST_P(RefusedLine, IsAnsweredWithOneLineThatHelps) {
  const TempFolder folder;
  Words arguments = GetParam().arguments;
  // After "--" everything belongs to the command.
  if (arguments.size() > 1 && arguments.front() == "run")
    arguments.insert(arguments.begin() + 1, {"--lock", "sqlite://" + folder.file("locks.db")});
  const Finished result = finish(arguments);
  EXPECT_EQ(result.code, GetParam().code);
  EXPECT_THAT(result.errors, StartsWith("tenure: "));
  EXPECT_THAT(result.errors, HasSubstr(GetParam().message));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  EXPECT_EQ(result.output, "");
  EXPECT_FALSE(std::filesystem::exists(folder.file("locks.db"))) << "a slip left a database behind";
}

INSTANTIATE_TEST_SUITE_P(
    Cli, RefusedLine,
    ::testing::Values(
        BadLine{"nothing", {}, 2, "see tenure --help"},
        BadLine{"unknown_command", {"statsu"}, 2, "did you mean status?"},
        BadLine{"unknown_flag", {"status", "--wach"}, 2, "did you mean --watch?"},
        BadLine{"unknown_flag_far_off", {"status", "--zzz"}, 2, "see tenure status --help"},
        BadLine{"no_lock_name", {"run"}, 2, "NAME"},
        BadLine{"no_command", {"run", "job"}, 2, "-- COMMAND"},
        BadLine{"no_dashes", {"run", "job", "sleep", "5"}, 2, "put -- before the command"},
        BadLine{"no_value", {"status", "--lock"}, 2, "--lock needs one value"},
        BadLine{"bad_choice", {"status", "-o", "xml"}, 2, "json|table|wide|yaml"},
        BadLine{"bad_store", {"status", "--lock", "ftp://x/y"}, 2, "ftp"},
        BadLine{"bad_store_among_good_ones",
                {"status", "--lock", "memory:", "--lock", "ftp://x/y"},
                2,
                "ftp"},
        BadLine{"context_without_name", {"status", "--context", "east,,west"}, 2, "NAME,NAME"},
        BadLine{"some_and_all_contexts",
                {"status", "--context", "east", "--all-contexts"},
                2,
                "give one of them"},
        BadLine{"bare_number", {"run", "--lease-duration", "15", "j", "--", "true"}, 2, "\"15s\""},
        BadLine{"negative", {"run", "--lease-duration=-5s", "j", "--", "true"}, 2, "sign"},
        BadLine{
            "zero", {"run", "--lease-duration", "0s", "j", "--", "true"}, 2, "greater than zero"},
        BadLine{
            "fraction", {"run", "--lease-duration", "1.5s", "j", "--", "true"}, 2, "whole seconds"},
        BadLine{"huge",
                {"run", "--lease-duration", "99999999h", "j", "--", "true"},
                2,
                "hundred years"},
        BadLine{"deadline_after_lease",
                {"run", "--lease-duration", "10s", "--renew-deadline", "10s", "j", "--", "true"},
                2,
                "must be shorter than the lease duration"},
        BadLine{"margin", {"run", "--renew-deadline", "12s", "j", "--", "true"}, 2, "stop margin"},
        BadLine{"long_name", {"run", std::string(300, 'x'), "--", "true"}, 2, "300 bytes"},
        BadLine{"not_utf8", {"run", "a\xff", "--", "true"}, 2, "UTF-8"},
        BadLine{"control_character", {"run", "a\nb", "--", "true"}, 2, "control character"},
        BadLine{"bad_identity", {"run", "--identity", "a\x1b", "j", "--", "true"}, 2, "identity"},
        BadLine{"missing_command", {"run", "j", "--", "no-such-command"}, 127, "no-such-command"},
        BadLine{"folder_as_command", {"run", "j", "--", "/tmp"}, 126, "/tmp"},
        BadLine{"negative_seeds", {"simulate", "--seeds", "-5"}, 2, "\"-5\""},
        BadLine{"unknown_fault", {"simulate", "--faults", "crash,x"}, 2, "\"x\""},
        BadLine{"trace_of_nothing", {"simulate", "--trace"}, 2, "--seed N"},
        BadLine{"bad_selector",
                {"controller", "--store=memory:", "--namespace-selector=env in (x"},
                2,
                "a list of values without its end"},
        BadLine{"no_such_shell", {"completion", "tcsh"}, 2, "bash, fish or zsh"}),
    [](const auto& tested) { return tested.param.name; });

// -------------------------------------------------------------------------------------------------
// stores that cannot be used

class UnusableStore : public ::testing::Test {
 protected:
  void write(const std::string& bytes) { std::ofstream(path()) << bytes; }
  std::string read() {
    std::ifstream file(path());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::string path() const { return folder_.file("locks.db"); }
  Finished run() { return finish({"run", "--lock", "sqlite://" + path(), "j", "--", "true"}); }
  TempFolder folder_;
};

TEST_F(UnusableStore, CorruptFileIsRefusedAndLeftAsItIs) {
  const std::string bytes(8192, 'x');
  write(bytes);
  const Finished result = run();
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.errors, HasSubstr(path()));
  EXPECT_EQ(read(), bytes);
}

TEST_F(UnusableStore, DatabaseOfAnotherProgramIsRefused) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "CREATE TABLE notes(text)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  const Finished result = run();
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.errors, HasSubstr(path()));
}

TEST_F(UnusableStore, MissingFolder) {
  const Finished result =
      finish({"run", "--lock", "sqlite://" + folder_.file("no/locks.db"), "j", "--", "true"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.errors, HasSubstr(folder_.file("no")));
}

TEST_F(UnusableStore, FolderThatNobodyMayWrite) {
  EXPECT_EQ(finish({"run", "--lock", "sqlite:///proc/locks.db", "j", "--", "true"}).code, 4);
}

TEST_F(UnusableStore, StatusMakesNoDatabase) {
  const Finished result = finish({"status", "--lock", "sqlite://" + path()});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.errors, HasSubstr("no lock database"));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

// -------------------------------------------------------------------------------------------------
// the environment, help and version

TEST(CliEnvironment, FlagComesFromTheEnvironmentAndTheCommandLineWins) {
  const Program::Setup json{.environment = {"TENURE_OUTPUT=json"}};
  EXPECT_THAT(finish({"version"}, json).output, StartsWith("{"));
  EXPECT_THAT(finish({"version", "-o", "table"}, json).output, StartsWith("tenure "));
}

TEST(CliEnvironment, BadValueMattersOnlyToTheCommandThatReadsIt) {
  const Program::Setup bad{.environment = {"TENURE_LEASE_DURATION=soon"}};
  EXPECT_EQ(finish({"version"}, bad).code, 0);
  const Finished run = finish({"run", "j", "--", "true"}, bad);
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.errors, HasSubstr("\"soon\""));
}

// TENURE_IDENTITY and TENURE_LOCK are what the command of a `tenure run` sees; one inside another
// must not take them for its own.
TEST(CliEnvironment, RunInsideRunIsACandidateOfItsOwn) {
  const TempFolder folder;
  const Finished result =
      finish({"run", "--lock", folder.lock_url(), "outer", "--", TENURE_PROGRAM, "run", "--lock",
              folder.lock_url(), "inner", "--", "sh", "-c", "echo $TENURE_LOCK"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(result.output, "inner\n");
}

TEST(CliHelp, EveryCommandHasHelpWithAnExample) {
  for (const char* command :
       {"run", "status", "resign", "doctor", "simulate", "demo", "version", "completion"}) {
    const Finished result = finish({command, "--help"});
    EXPECT_EQ(result.code, 0) << command;
    EXPECT_THAT(result.output, HasSubstr("Example:\n  ")) << command;
    EXPECT_THAT(result.output, HasSubstr(std::string("tenure ") + command)) << command;
  }
  EXPECT_THAT(finish({"--help"}).output, HasSubstr("Subcommands:"));
  EXPECT_THAT(finish({"--help"}).output, ::testing::Not(HasSubstr("demo-worker")));
}

TEST(CliHelp, VersionIsTheSameInAllThreePlaces) {
  const std::string version = finish({"version"}).output;
  EXPECT_EQ(finish({"--version"}).output, version);
  const std::string number = version.substr(7, version.size() - 8);
  EXPECT_THAT(finish({"version", "-o", "json"}).output,
              HasSubstr("\"version\": \"" + number + '"'));
}

// -------------------------------------------------------------------------------------------------
// completion

Finished shell(const std::string& program, const Words& arguments) {
  Words words = {"run", "--quiet", "--lock", "memory:", "completion", "--", program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return finish(words);
}

#define SKIP_WITHOUT(program) \
  if (shell("which", {program}).code != 0) GTEST_SKIP() << (program) << " is not installed"

TEST(CliCompletion, Bash) {
  SKIP_WITHOUT("bash");
  const Finished result = shell(
      "bash", {"-c", std::string("set -e; source <(") + TENURE_PROGRAM +
                         " completion bash); complete -p tenure; try() { COMP_WORDS=(\"$@\"); "
                         "COMP_CWORD=$(($# - 1)); _tenure; echo \"${COMPREPLY[@]}\"; }; "
                         "try tenure st; try tenure run --lo; try tenure status -o js; "
                         "try tenure run job -- ech"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("\nstatus\n--lock --log\njson\necho"));
}

TEST(CliCompletion, Zsh) {
  SKIP_WITHOUT("zsh");
  const Finished result =
      shell("zsh", {"-fc", std::string("autoload -U compinit && compinit -u -D && source <(") +
                               TENURE_PROGRAM + " completion zsh) && print -r -- $_comps[tenure]"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_EQ(result.output, "_tenure\n") << result.errors;
}

TEST(CliCompletion, Fish) {
  SKIP_WITHOUT("fish");
  const Finished result =
      shell("fish", {"--no-config", "-c",
                     std::string(TENURE_PROGRAM) +
                         " completion fish | source; complete -C 'tenure run --lo'; "
                         "complete -C 'tenure status -o js'"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("--lock\t"));
  EXPECT_THAT(result.output, HasSubstr("json"));
}

}  // namespace
}  // namespace tenure::test
