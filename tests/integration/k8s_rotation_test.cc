// Client certificates that are replaced while a candidate works with them.
#include <memory>
#include <string>

#include "k8s_test.h"
#include "servers/control_plane.h"
#include "servers/credentials.h"

namespace tenure::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class K8sRotation : public K8sTest {
 protected:
  void SetUp() override {
    authority_ = make_client_authority().value();
    auto started = ControlPlane::start({.client_ca_pem = authority_.certificate});
    ASSERT_TRUE(started) << started.error().to_string();
    plane_ = std::move(*started);
    use(plane_->cluster());
  }
  /// NAME.pem and NAME.key, each replaced in one step.
  void write_certificate(const std::string& name, const PemPair& pair) const {
    ASSERT_TRUE(write_secret_file(folder_.file(name + ".key"), pair.key));
    ASSERT_TRUE(write_secret_file(folder_.file(name + ".pem"), pair.certificate));
  }
  /// A kubeconfig that knows nothing but that certificate.
  [[nodiscard]] std::string config_with(const std::string& name) const {
    std::string path = folder_.file(name + ".config");
    EXPECT_TRUE(write_secret_file(path,
                                  "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                  "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
                                  "clusters: [{name: c, cluster: {server: '" +
                                      admin_.server_url + "', certificate-authority: '" +
                                      admin_.ca_file +
                                      "'}}]\n"
                                      "users: [{name: u, user: {client-certificate: " +
                                      name + ".pem, client-key: " + name + ".key}}]\n"));
    return path;
  }
  [[nodiscard]] PemPair certificate_for(Duration valid_for) const {
    return issue_client_certificate(authority_, "robot", "system:masters", valid_for).value();
  }

  PemPair authority_;
  std::unique_ptr<ControlPlane> plane_;
};

TEST_F(K8sRotation, ARotatedClientCertificateIsPickedUp) {
  const PemPair first = certificate_for(seconds(15));
  write_certificate("old", first);
  write_certificate("robot", first);
  Program leader(run(lock(kPatient, config_with("robot")), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  write_certificate("robot", certificate_for(hours(1)));
  ASSERT_TRUE(eventually([&] {
    return admin_.kubectl({"get", "lease", "-n", namespace_, "--kubeconfig", config_with("old")})
               .errors.find("Unauthorized") != std::string::npos;
  })) << "now the first certificate is worth nothing";
  ASSERT_TRUE(renews());
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 1);
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
}

}  // namespace
}  // namespace tenure::test
