// status, resign, doctor, simulate and demo, end to end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli_program.h"

namespace tenure::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::vector<std::string> keys(const json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

class CliTools : public ::testing::Test {
 protected:
  [[nodiscard]] Finished tool(Words words) const {
    words.insert(words.begin() + 1, {"--lock", url_});
    return finish(words);
  }
  [[nodiscard]] Words holder(const std::string& name, const std::string& lock) const {
    return {"run",
            "--lock",
            url_,
            "--identity",
            name,
            "--cluster",
            name + "-cluster",
            lock,
            "--",
            "sh",
            "-c",
            "echo working; exec sleep 1000"};
  }
  TempFolder folder_;
  const std::string url_ = folder_.lock_url();
};

// -------------------------------------------------------------------------------------------------
// status

TEST_F(CliTools, StatusTellsWhoHoldsWhat) {
  Program program(holder("alice", "job with/slash"));
  ASSERT_TRUE(program.prints("working"));
  const json status = json::parse(tool({"status", "-o", "json"}).output);
  ASSERT_EQ(status["locks"].size(), 1U);
  const json& lock = status["locks"][0];
  EXPECT_THAT(keys(lock), ::testing::UnorderedElementsAre(
                              "name", "store", "holder", "cluster", "epoch", "renewTime",
                              "leaseDurationSeconds", "expiresInMilliseconds", "state"));
  EXPECT_EQ(lock["name"], "job with/slash");
  EXPECT_EQ(lock["store"], "sqlite://" + folder_.file("locks.db"));
  EXPECT_EQ(lock["holder"], "alice");
  EXPECT_EQ(lock["cluster"], "alice-cluster");
  EXPECT_EQ(lock["epoch"], 1);
  EXPECT_EQ(lock["leaseDurationSeconds"], 2);
  EXPECT_EQ(lock["state"], "held");
  EXPECT_LE(lock["expiresInMilliseconds"], 2000);
  EXPECT_THAT(std::string(lock["renewTime"]), ::testing::EndsWith("Z"));
}

TEST_F(CliTools, StatusOfALockThatWasGivenBackKeepsTheEpoch) {
  ASSERT_EQ(finish({"run", "--lock", url_, "job", "--", "true"}).code, 0);
  const json lock = json::parse(tool({"status", "-o", "json", "job"}).output)["locks"][0];
  EXPECT_EQ(lock["state"], "free");
  EXPECT_EQ(lock["holder"], "");
  EXPECT_EQ(lock["epoch"], 1);
  EXPECT_TRUE(lock["expiresInMilliseconds"].is_null());
}

TEST_F(CliTools, StatusAsATableAndAsYaml) {
  Program program(holder("alice", "job"));
  ASSERT_TRUE(program.prints("working"));
  EXPECT_THAT(tool({"status"}).output, HasSubstr("LOCK  HOLDER  CLUSTER        EPOCH  STATE"));
  EXPECT_THAT(tool({"status"}).output, HasSubstr("job   alice   alice-cluster  1      held"));
  EXPECT_THAT(tool({"status", "-o", "wide"}).output, HasSubstr(folder_.file("locks.db")));
  EXPECT_THAT(tool({"status", "-o", "yaml"}).output,
              HasSubstr("locks:\n  - name: \"job\"\n    store: "));
}

TEST_F(CliTools, WatchPrintsOneObjectAChange) {
  Program first(holder("alice", "job"));
  ASSERT_TRUE(first.prints("working"));
  Program watch({"status", "--lock", url_, "--watch", "-o", "json"});
  ASSERT_TRUE(watch.prints("\"holder\":\"alice\""));
  Program second(holder("bob", "job"));
  ASSERT_TRUE(second.reports("is held by alice"));
  first.signal(SIGTERM);
  ASSERT_TRUE(watch.prints("\"holder\":\"bob\""));
  std::istringstream lines(watch.output());
  for (std::string line; std::getline(lines, line);)
    EXPECT_EQ(json::parse(line)["name"], "job") << line;
}

// -------------------------------------------------------------------------------------------------
// resign

TEST_F(CliTools, ResignWithoutHolder) {
  ASSERT_EQ(finish({"run", "--lock", url_, "job", "--", "true"}).code, 0);
  const Finished result = tool({"resign", "job"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors, HasSubstr("nobody holds lock \"job\""));
}

TEST_F(CliTools, ResignSaysWhenTheHolderDoesNotReact) {
  Program program(holder("alice", "job"));
  ASSERT_TRUE(program.prints("working"));
  program.signal(SIGSTOP);
  const Finished result = tool({"resign", "--timeout", "200ms", "job"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors, HasSubstr("alice still holds lock \"job\" (epoch 1)"));
}

// -------------------------------------------------------------------------------------------------
// doctor

json check_named(const json& report, const std::string& name) {
  for (const json& check : report["checks"])
    if (check["name"] == name) return check;
  return {};
}

TEST_F(CliTools, DoctorFindsAGoodStoreGood) {
  const Finished result = tool({"doctor", "-o", "json"});
  const json report = json::parse(result.output);
  EXPECT_EQ(result.code, 0) << result.output;
  for (const char* name : {"url", "clock", "settings", "store", "permissions", "conditional-writes",
                           "latency", "notifications"})
    EXPECT_EQ(check_named(report, name)["ok"], true) << name << report;
  EXPECT_THAT(keys(report["checks"][0]),
              ::testing::UnorderedElementsAre("name", "ok", "detail", "remedy"));
  const Finished again = tool({"doctor"});
  EXPECT_EQ(again.code, 0) << "on the record that it left:\n" << again.output;
}

TEST_F(CliTools, DoctorFindsAFileThatOthersMayRead) {
  ASSERT_EQ(tool({"doctor"}).code, 0);
  ASSERT_EQ(chmod(folder_.file("locks.db").c_str(), 0644), 0);
  const Finished result = tool({"doctor", "-o", "json"});
  EXPECT_EQ(result.code, 4);
  const json check = check_named(json::parse(result.output), "permissions");
  EXPECT_EQ(check["ok"], false);
  EXPECT_THAT(std::string(check["remedy"]), HasSubstr("chmod 600"));
}

TEST_F(CliTools, DoctorFindsADatabaseOfSomethingElse) {
  std::ofstream(folder_.file("locks.db")) << std::string(4096, 'x');
  const Finished result = tool({"doctor", "-o", "json"});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(check_named(json::parse(result.output), "store")["ok"], false);
}

// -------------------------------------------------------------------------------------------------
// simulate

TEST(CliSimulate, ReportHasItsKeysAndAVerdict) {
  const Finished result = finish({"simulate", "--seeds", "20", "--first-seed", "7", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.output;
  const json report = json::parse(result.output);
  EXPECT_THAT(keys(report),
              ::testing::UnorderedElementsAre(
                  "seeds", "firstSeed", "virtualSeconds", "wallSeconds", "overlaps",
                  "epochOrderViolations", "violations", "failoverSeconds", "handoverSeconds",
                  "leaderlessSeconds", "withoutLeaderShare", "storeRequestsPerHour",
                  "storeWritesPerHour", "refusedWrites", "faults", "verdict"));
  EXPECT_EQ(report["seeds"], 20);
  EXPECT_EQ(report["firstSeed"], 7);
  EXPECT_EQ(report["verdict"], "safe");
  EXPECT_GT(report["virtualSeconds"], 0);
  EXPECT_THAT(keys(report["failoverSeconds"]),
              ::testing::UnorderedElementsAre("p50", "p90", "p99", "max"));
}

TEST(CliSimulate, SameSeedTellsTheSameStory) {
  const Words words = {"simulate", "--seed", "42", "--trace", "--faults", "crash,pause_long"};
  const Finished first = finish(words);
  EXPECT_GT(first.output.size(), 1000U);
  EXPECT_EQ(finish(words).output, first.output);
}

TEST(CliSimulate, SettingsAreChecked) {
  EXPECT_EQ(finish({"simulate", "--seeds", "1", "--lease-duration", "1s"}).code, 2);
}

// -------------------------------------------------------------------------------------------------
// demo

class CliDemo : public ::testing::Test {
 protected:
  // Every process of the demo has the folder in its environment.
  [[nodiscard]] std::vector<std::string> processes_left() const {
    std::vector<std::string> out;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
      std::ifstream file(entry.path() / "environ");
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      if (text.find("TMPDIR=" + folder_.path()) != std::string::npos)
        out.push_back(entry.path().filename());
    }
    return out;
  }
  void expect_nothing_left() const {
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
    EXPECT_THAT(processes_left(), ::testing::IsEmpty());
  }
  TempFolder folder_;
  Program demo_{{"demo"}, {.environment = {"TMPDIR=" + folder_.path()}}};
};

TEST_F(CliDemo, TellsItsStoryAndKeepsWhatWasPromised) {
  EXPECT_EQ(demo_.exit_code(), 0) << demo_.output() << demo_.errors();
  for (const char* text : {"leads with epoch 1", "kill -9", "leads with epoch 2", "tenure resign",
                           "leads with epoch 3", "leads with epoch 4", "its late write is refused",
                           "late writes refused"})
    EXPECT_THAT(demo_.output(), HasSubstr(text));
  expect_nothing_left();
}

TEST_F(CliDemo, InterruptLeavesNothingBehind) {
  ASSERT_TRUE(demo_.prints("kill -9"));
  demo_.signal(SIGINT);
  EXPECT_EQ(demo_.exit_code(), 128 + SIGINT);
  expect_nothing_left();
}

TEST_F(CliDemo, InterruptWhileTheLeaderIsFrozenLeavesNothingBehind) {
  ASSERT_TRUE(demo_.prints("stands still"));
  demo_.signal(SIGTERM);
  EXPECT_EQ(demo_.exit_code(), 128 + SIGINT);
  expect_nothing_left();
}

}  // namespace
}  // namespace tenure::test
