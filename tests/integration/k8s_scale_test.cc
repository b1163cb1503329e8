// A namespace with a thousand Leases in it.
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include "api_metrics.h"
#include "k8s_test.h"
#include "net/http_client.h"
#include "servers/credentials.h"
#include "witness.h"

namespace tenure::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kOthers = 999;

class K8sScale : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
  }
  /// Copies of a Lease that tenure has written.
  void create_others(Json lease) const {
    const auto ca = read_file(admin_.ca_file);
    ASSERT_TRUE(ca) << ca.error().to_string();
    const auto loop = std::move(Loop::create().value());
    const auto client = std::move(HttpClient::create(*loop, {.tls = {.ca_pem = *ca}}).value());
    Json& metadata = lease["metadata"];
    for (const char* key : {"resourceVersion", "uid", "creationTimestamp", "managedFields"})
      metadata.erase(key);
    std::size_t made = 0;
    std::size_t answers = 0;
    for (std::size_t i = 0; i < kOthers; ++i) {
      metadata["name"] = "other-" + std::to_string(i);
      client->send({.method = "POST",
                    .url = admin_.server_url + "/apis/coordination.k8s.io/v1/namespaces/" +
                           namespace_ + "/leases",
                    .headers = {{"Authorization", "Bearer " + admin_.token},
                                {"Content-Type", "application/json"}},
                    .body = lease.dump(),
                    .deadline = boot_now() + seconds(60)},
                   [&](const Result<HttpResponse>& answer) {
                     if (answer && answer->status == 201) ++made;
                     if (++answers == kOthers) loop->stop();
                   });
    }
    loop->run();
    ASSERT_EQ(made, kOthers);
  }
};

TEST_F(K8sScale, StatusListsAThousandLeasesAndNoneOfThemDelaysAnother) {
  const Witness witness(folder_.file("witness"));
  Program leader(witness.candidate(lock(kPatient), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting(witness.candidate(lock(kPatient), "waiting"));
  ASSERT_TRUE(waiting.reports("held by leader"));
  create_others(lease());
  ASSERT_FALSE(HasFatalFailure());

  const int lists = answered(admin_, "LIST", 200);
  const Instant begin = boot_now();
  const Finished result = finish({"status", "--lock", lock(kPatient), "-o", "json"});
  std::cout << "listing them took "
            << std::chrono::duration_cast<milliseconds>(boot_now() - begin).count() << " ms\n";
  ASSERT_EQ(result.code, 0) << result.errors;
  const Json locks = Json::parse(result.output)["locks"];
  ASSERT_EQ(locks.size(), kOthers + 1);
  EXPECT_GE(answered(admin_, "LIST", 200), lists + 2) << "no page has them all";
  std::set<std::string> names;
  for (const Json& one : locks) names.insert(one["name"].get<std::string>());
  EXPECT_EQ(names.size(), kOthers + 1) << "none twice";
  EXPECT_TRUE(names.contains("job"));

  ASSERT_TRUE(renews());
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 1);
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
  EXPECT_THAT(witness.said(), ElementsAre("1"));
}

}  // namespace
}  // namespace tenure::test
