// Whether our check of label selectors says what an API server says.
#include "k8s_test.h"
#include "kube/label_selector.h"
#include "kube/testing/label_selectors.h"
#include "net/http_client.h"

namespace tenure::test {
namespace {

TEST(K8sLabelSelector, TheCheckIsThatOfTheServer) {
  const auto cluster = shared_cluster();
  ASSERT_TRUE(cluster) << cluster.error().to_string();
  for (const auto& [text, is_good] : kube::kLabelSelectors) {
    const auto answer = cluster->kubectl(
        {"get", "--raw", "/api/v1/namespaces?limit=1&labelSelector=" + percent_encoded(text)});
    EXPECT_EQ(answer.code == 0, is_good) << text << ": " << answer.errors;
    EXPECT_EQ(kube::check_label_selector(text).has_value(), is_good) << text;
  }
}

}  // namespace
}  // namespace tenure::test
