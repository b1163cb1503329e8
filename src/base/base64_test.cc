#include "base/base64.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tenure {
namespace {

TEST(Base64, TheExamplesOfTheRfc) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(base64_encoded(bytes), text);
    EXPECT_EQ(base64_decoded(text), bytes);
  }
}

TEST(Base64, ForUrlsTheLastTwoDigitsAreOthersAndThereIsNoPadding) {
  EXPECT_EQ(base64url_encoded(""), "");
  EXPECT_EQ(base64url_encoded("f"), "Zg");
  EXPECT_EQ(base64url_encoded("foob"), "Zm9vYg");
  EXPECT_EQ(base64url_encoded("\xfb\xff\xfe"), "-__-");
}

TEST(Base64, AllBytesOfAllLengthsComeBack) {
  SplitMix random(1);
  for (std::size_t length = 0; length < 300; ++length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    EXPECT_EQ(base64_decoded(base64_encoded(bytes)), bytes);
  }
}

TEST(Base64, LineEndsAreSkippedAndNothingElse) {
  EXPECT_EQ(base64_decoded("Zm9v\r\nYmFy\n"), "foobar");
  for (const char* wrong :
       {"Zg", "Zg=", "Z", "Zg===", "====", "Zm 9v", "Zg==Zg==", "Zm9v-_==", "=Zg="})
    EXPECT_FALSE(base64_decoded(wrong)) << wrong;
}

}  // namespace
}  // namespace tenure
