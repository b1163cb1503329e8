#include "kube/label_selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/testing/label_selectors.h"

namespace tenure::kube {
namespace {

using ::testing::HasSubstr;

TEST(LabelSelector, IsCheckedAsAnApiServerDoes) {
  for (const auto& [text, is_good] : kLabelSelectors)
    EXPECT_EQ(check_label_selector(text).has_value(), is_good) << text;
}

TEST(LabelSelector, TheErrorIsOneLineWithThePlace) {
  const auto error = [](const char* text) {
    return check_label_selector(text).error().to_string();
  };
  EXPECT_THAT(error("env in (x"), HasSubstr("the selector \"env in (x\" has a list of values "
                                            "without its end, at its end; write it as team=a"));
  EXPECT_THAT(error("team a"), HasSubstr("an operator that is not known, at \"a\""));
  EXPECT_THAT(error("a=b\n;"), ::testing::Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace tenure::kube
