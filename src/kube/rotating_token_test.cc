#include "kube/rotating_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auth/testing/temp_files.h"

namespace tenure::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class RotatingTokenTest : public testing::Test {
 protected:
  RotatingToken token(std::string first = {}) {
    return RotatingToken(
        [this]() -> Result<std::string> {
          ++readings_;
          if (content_.empty()) return failure(ErrorCode::not_found, "gone");
          return content_;
        },
        std::move(first));
  }
  Instant at(Duration since_start) const { return Instant::from_ns(1'000'000) + since_start; }

  std::string content_ = "one";
  int readings_ = 0;
};

TEST_F(RotatingTokenTest, IsReadAgainWhenTheReadingIsOld) {
  RotatingToken token = this->token();
  EXPECT_EQ(token.get(at(seconds(0))), "one");
  content_ = "two";
  EXPECT_EQ(token.get(at(seconds(49))), "one");
  EXPECT_EQ(readings_, 1);
  EXPECT_EQ(token.get(at(seconds(50))), "two");
  EXPECT_EQ(token.get(at(seconds(99))), "two");
  EXPECT_EQ(readings_, 2);
}

TEST_F(RotatingTokenTest, IsReadAgainAfterARejectionOfThisOneOnly) {
  RotatingToken token = this->token();
  EXPECT_EQ(token.get(at(seconds(0))), "one");
  content_ = "two";
  token.rejected("an older one");
  EXPECT_EQ(token.get(at(seconds(1))), "one");
  token.rejected("one");
  EXPECT_EQ(token.get(at(seconds(1))), "two");
}

TEST_F(RotatingTokenTest, TheOldOneGoesOnWhileTheFileCannotBeRead) {
  RotatingToken token = this->token();
  EXPECT_EQ(token.get(at(seconds(0))), "one");
  content_ = "";
  EXPECT_EQ(token.get(at(seconds(50))), "one");
  EXPECT_EQ(token.get(at(seconds(50) + milliseconds(999))), "one");
  EXPECT_EQ(readings_, 2);
  content_ = "two";
  EXPECT_EQ(token.get(at(seconds(51))), "two");
  token.rejected("two");
  content_ = "";
  EXPECT_EQ(token.get(at(seconds(52))), "two");
}

TEST_F(RotatingTokenTest, AFirstTokenDoesUntilTheFileCanBeRead) {
  RotatingToken token = this->token("first");
  content_ = "";
  EXPECT_EQ(token.get(at(seconds(0))), "first");
  content_ = "one";
  EXPECT_EQ(token.get(at(seconds(1))), "one");
}

TEST_F(RotatingTokenTest, WithoutAnyTokenEveryQuestionLooksAgain) {
  RotatingToken token = this->token();
  content_ = "";
  EXPECT_FALSE(token.get(at(seconds(0))));
  content_ = "one";
  EXPECT_EQ(token.get(at(seconds(0))), "one");
}

TEST(TokenFile, BlanksAroundTheTokenAreNotPartOfIt) {
  const TempFiles files;
  EXPECT_EQ(read_token_file(files.write("t", "\r\n  abc.def \n")), "abc.def");
}

TEST(TokenFile, WhatIsNotOneTokenIsRefusedWithoutQuotingIt) {
  const TempFiles files;
  for (const char* text : {"", "\n", "s3cr3t x", "s3cr3t\r\nHost: x", "s3cr3t\x01", "s3cr3t\xff"}) {
    const auto token = read_token_file(files.write("t", text));
    ASSERT_FALSE(token) << text;
    EXPECT_EQ(token.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(token.error().to_string(), Not(HasSubstr("s3cr3t")));
  }
  EXPECT_EQ(read_token_file(files.path("missing")).error().code, ErrorCode::not_found);
  EXPECT_FALSE(read_token_file(files.write("long", std::string(64U * 1024U + 1, 'x'))));
}

TEST(TokenFile, ANamedPipeDoesNotMakeUsWait) {
  const TempFiles files;
  ASSERT_EQ(mkfifo(files.path("pipe").c_str(), 0600), 0);
  EXPECT_FALSE(read_token_file(files.path("pipe")));
}

}  // namespace
}  // namespace tenure::kube
