// For tests of `tenure` on the Leases of a real API server, each in a namespace of its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "process/cli_program.h"
#include "servers/cluster.h"
#include "servers/eventually.h"

namespace tenure::test {

using Json = nlohmann::json;

/// Outages shorter than 12 s are survived.
inline constexpr const char* kPatient = "lease-duration=20s&renew-deadline=14s&retry-period=1s";
/// An outage ends a tenure after 4 s.
inline constexpr const char* kHasty = "lease-duration=8s&renew-deadline=4s&retry-period=1s";

class K8sTest : public ::testing::Test {
 protected:
  /// Before anything else.
  void use(const Cluster& cluster) {
    admin_ = cluster;
    const auto made = fresh_namespace(admin_);
    ASSERT_TRUE(made) << made.error().to_string();
    namespace_ = *made;
  }

  [[nodiscard]] std::string lock(const std::string& settings,
                                 const std::string& config = {}) const {
    return "k8s://" + namespace_ + "?" + settings +
           "&kubeconfig=" + (config.empty() ? admin_.kubeconfig : config);
  }
  /// A candidate whose work says "working with EPOCH as PID" and goes on for ever.
  [[nodiscard]] static Words run(const std::string& url, const std::string& identity) {
    return {"run",    "--lock",
            url,      "--identity",
            identity, "job",
            "--",     "sh",
            "-c",     "echo working with $TENURE_EPOCH as $$; exec sleep 1000"};
  }
  std::string kubectl(Words words) const {
    words.insert(words.end(), {"-n", namespace_});
    const ProgramResult result = admin_.kubectl(words);
    EXPECT_EQ(result.code, 0) << result.errors;
    return result.output;
  }
  [[nodiscard]] Json lease() const {
    return Json::parse(kubectl({"get", "lease", "job", "-o", "json"}));
  }
  [[nodiscard]] std::string renewed_at() const { return lease()["spec"]["renewTime"]; }
  /// Until the holder has written twice more: the first may have been on its way already.
  [[nodiscard]] bool renews() const {
    for (int i = 0; i < 2; ++i) {
      const std::string before = renewed_at();
      if (!eventually([&] { return renewed_at() != before; })) return false;
    }
    return true;
  }

  Cluster admin_;
  std::string namespace_;
  TempFolder folder_;
};

}  // namespace tenure::test
