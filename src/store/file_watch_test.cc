#include "store/file_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "store/testing/store_runner.h"
#include "store/testing/temp_folder.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
namespace fs = std::filesystem;

class FileWatchTest : public testing::Test, protected StoreRunner {
 protected:
  FileWatchTest() {
    std::ofstream(path_) << "text";
    watch_ = FileWatch::create(loop(), path_, [this] { ++heard_; }).value();
  }
  void expect_news(const std::string& of) {
    run_until([this] { return heard_ > 0; }, of);
    heard_ = 0;
  }

  TempFolder folder_;
  const std::string path_ = folder_.path() + "/file";
  int heard_ = 0;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, TellsOfATouchAClosedWriterAMoveAndARemoval) {
  utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
  expect_news("a touch");
  std::ofstream(path_) << "new text";
  expect_news("a writer that closes");
  fs::rename(path_, path_ + "2");
  expect_news("a move");
  fs::remove(path_ + "2");
  expect_news("a removal");
}

TEST_F(FileWatchTest, IsSilentAboutOpenWritersReadersAndOtherFiles) {
  std::ofstream writer(path_, std::ios::app);
  writer << "more" << std::flush;
  std::string text;
  std::ifstream(path_) >> text;
  std::ofstream(folder_.path() + "/other") << "text";
  run_for(milliseconds(50));
  EXPECT_EQ(heard_, 0);
}

TEST_F(FileWatchTest, FollowsAReplacementWhenTold) {
  fs::remove(path_);
  expect_news("a removal");
  EXPECT_FALSE(watch_->renew());
  std::ofstream(path_) << "text";
  ASSERT_TRUE(watch_->renew());
  run_for(milliseconds(20));
  heard_ = 0;
  utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
  expect_news("a touch of the new file");
}

TEST_F(FileWatchTest, AMissingFileIsAnError) {
  const auto watch = FileWatch::create(loop(), folder_.path() + "/no", [] {});
  ASSERT_FALSE(watch);
  EXPECT_THAT(watch.error().message, testing::HasSubstr("/no for changes: No such file"));
}

}  // namespace
}  // namespace tenure
