#include "base/printable.h"

#include <gtest/gtest.h>

namespace tenure {
namespace {

TEST(Printable, TerminalControlBecomesVisible) {
  EXPECT_EQ(printable("a\tb\r\nc", 100), "a b  c");
  EXPECT_EQ(printable("\x1b[2Jx\x7f\x01", 100), "?[2Jx??");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J",
                      100),
            "??2J");  // CSI as one character
  EXPECT_EQ(printable(std::string_view("a\0b", 3), 100), "a?b");
}

TEST(Printable, UmlautsAndEmojiStayAndBrokenOnesDoNot) {
  EXPECT_EQ(printable("büro 🚀 ok", 100), "büro 🚀 ok");
  EXPECT_EQ(printable("\xff\xc3", 100), "??");
  EXPECT_EQ(printable("\xf0\x9f\x9a", 100), "???");
}

TEST(Printable, LongTextsAreCut) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdefg", 6), "abcdef...");
}

TEST(Printable, TheLastLineThatSaysSomething) {
  EXPECT_EQ(last_printable_line("first\nlast", 100), "last");
  EXPECT_EQ(last_printable_line("first\r\n  last \n\n \t\n", 100), "last");
  EXPECT_EQ(last_printable_line("one", 100), "one");
  EXPECT_EQ(last_printable_line(" \n\n", 100), "");
  EXPECT_EQ(last_printable_line("", 100), "");
}

}  // namespace
}  // namespace tenure
