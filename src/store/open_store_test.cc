#include "store/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "store/testing/store_runner.h"
#include "store/testing/temp_folder.h"

namespace tenure {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class OpenStoreTest : public testing::Test, protected StoreRunner {
 protected:
  Result<std::unique_ptr<Store>> open(const std::string& url, OpenMode mode = OpenMode::create) {
    const auto parsed = parse_store_url(url, {"", folder_.path() + "/home"});
    return open_store(loop(), parsed.value(), mode);
  }
  TempFolder folder_;
};

TEST_F(OpenStoreTest, OpensWhatTheUrlNames) {
  EXPECT_EQ(open("memory:").value()->describe(), "memory:");
  const std::string url = "sqlite://" + folder_.path() + "/locks.db";
  EXPECT_EQ(open(url).value()->describe(), url);
}

TEST_F(OpenStoreTest, TheStateFolderIsMadeForTheOwnerAlone) {
  ASSERT_TRUE(open("sqlite:"));
  const fs::path state = folder_.path() + "/home/.local/state/tenure";
  EXPECT_TRUE(fs::exists(state / "locks.db"));
  EXPECT_EQ(fs::status(state).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(open("sqlite:")) << "a second time, with everything in place";
}

TEST_F(OpenStoreTest, AnOnlookerMakesNoStateFolder) {
  const auto store = open("sqlite:", OpenMode::existing);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::not_found);
  EXPECT_FALSE(fs::exists(folder_.path() + "/home"));
}

TEST_F(OpenStoreTest, AnotherFolderIsNotMade) {
  EXPECT_FALSE(open("sqlite://" + folder_.path() + "/new/locks.db"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/new"));
}

TEST_F(OpenStoreTest, AStateFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.path() + "/home") << "a file";
  const auto store = open("sqlite:");
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().to_string(), HasSubstr("/home/.local: Not a directory"));
}

}  // namespace
}  // namespace tenure
