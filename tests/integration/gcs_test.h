// For tests of `tenure` on objects in fake-gcs-server, each with a server of its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "process/cli_program.h"
#include "servers/eventually.h"
#include "servers/gcs_server.h"
#include "witness.h"

namespace tenure::test {

using Json = nlohmann::json;

/// Outages shorter than 12 s are survived.
inline constexpr const char* kPatient = "lease-duration=20s&renew-deadline=14s&retry-period=1s";
/// An outage ends a tenure after 4 s.
inline constexpr const char* kHasty = "lease-duration=8s&renew-deadline=4s&retry-period=1s";
inline constexpr std::chrono::seconds kHastyDuration{8};

class GcsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = GcsServer::start();
    ASSERT_TRUE(server) << server.error().to_string();
    server_ = std::move(*server);
  }

  /// By STORAGE_EMULATOR_HOST, without a scheme.
  [[nodiscard]] Program::Setup emulator() const {
    Program::Setup setup;
    setup.environment = {"STORAGE_EMULATOR_HOST=" + server_->url().substr(7)};
    return setup;
  }
  [[nodiscard]] static std::string lock(const std::string& settings) {
    return std::string("gs://") + GcsServer::kBucket + "/app?" + settings;
  }
  /// A candidate whose work says "working with EPOCH".
  [[nodiscard]] Words run(const std::string& settings, const std::string& identity) const {
    return witness_.candidate(lock(settings), identity);
  }
  /// The record of "job"; null while there is none.
  [[nodiscard]] Json record() const {
    const auto text = server_->get("app/job");
    return text ? Json::parse(*text, nullptr, false) : Json();
  }
  [[nodiscard]] std::string renewed_at() const { return record().value("renewTime", ""); }
  /// Until the holder has written twice more: the first may have been on its way already.
  [[nodiscard]] bool renews() const {
    for (int i = 0; i < 2; ++i) {
      const std::string before = renewed_at();
      if (!eventually([&] { return renewed_at() != before; })) return false;
    }
    return true;
  }

  std::unique_ptr<GcsServer> server_;
  TempFolder folder_;
  Witness witness_{folder_.file("witness")};
};

}  // namespace tenure::test
