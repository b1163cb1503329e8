#include "runtime/children.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

namespace tenure {
namespace {

using testing::UnorderedElementsAreArray;

class ChildrenTest : public testing::TestWithParam<bool (*)(VisitChild, void*)> {
 protected:
  ChildrenTest() {
    // A name that would mislead a careless reader of stat files; children inherit it.
    prctl(PR_SET_NAME, ") S 1 (");
    for (int i = 0; i < 3; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        for (;;) pause();
      }
      children_.push_back(child);
    }
  }
  ~ChildrenTest() override {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    prctl(PR_SET_NAME, "runtime_test");
  }

  std::vector<pid_t> children_;
};

TEST_P(ChildrenTest, FindsAllChildrenAndNothingElse) {
  std::vector<pid_t> found;
  const bool readable = GetParam()(
      [](pid_t child, void* list) { static_cast<std::vector<pid_t>*>(list)->push_back(child); },
      &found);
  if (!readable && GetParam() == for_each_child_listed) GTEST_SKIP() << "a kernel without the list";
  EXPECT_TRUE(readable);
  EXPECT_THAT(found, UnorderedElementsAreArray(children_));
}

INSTANTIATE_TEST_SUITE_P(All, ChildrenTest,
                         testing::Values(for_each_child_listed, for_each_child_scanned,
                                         for_each_child));

}  // namespace
}  // namespace tenure
