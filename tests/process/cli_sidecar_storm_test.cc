// `tenure sidecar` while strangers send it what no HTTP server wants to read: it goes on leading,
// and keeps nothing of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli_program.h"
#include "net/testing/http_corpus.h"
#include "net/testing/raw_http.h"
#include "servers/eventually.h"

namespace tenure::test {
namespace {

using ::testing::StartsWith;
using Json = nlohmann::json;

/// Requests of a round come from so many connections at once.
constexpr int kConnections = 8;
constexpr int kRequestsOfARound = 1000;
/// Beside what the first round needs: 100 bytes that stay from each request would be seen. The
/// allocator takes its time to find its size; after 100,000 requests it takes no more.
constexpr long kMoreMemoryKiB = 1024;

class CliSidecarStorm : public ::testing::Test {
 protected:
  void SetUp() override {
    sidecar_.emplace(Words{"sidecar", "--lock", url_, "--lease-name", "job", "--id", "one",
                           "--addr", "127.0.0.1:0", "--lease-duration", "10s", "--renew-deadline",
                           "6s", "--retry-period", "300ms"});
    ASSERT_TRUE(sidecar_->reports("listening on port "));
    const std::string& said = sidecar_->errors();
    constexpr std::string_view kBefore = "listening on port ";
    port_ = static_cast<std::uint16_t>(
        std::strtoul(said.c_str() + said.find(kBefore) + kBefore.size(), nullptr, 10));
    ASSERT_TRUE(sidecar_->reports("this candidate leads"));
  }

  [[nodiscard]] std::string get(const std::string& path) const {
    RawHttp client(port_);
    client.get(path);
    return client.response();
  }
  /// The sum of the samples that begin with this.
  [[nodiscard]] double metric(const std::string& name) const {
    std::istringstream lines(get("/metrics"));
    double sum = 0;
    bool found = false;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(name)) {
        sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
        found = true;
      }
    EXPECT_TRUE(found) << name;
    return sum;
  }
  [[nodiscard]] double renewals() const {
    return metric("tenure_renew_duration_seconds_count{name=\"job\"}");
  }
  [[nodiscard]] Json record() const {
    const Finished status = finish({"status", "--lock", url_, "-o", "json", "job"});
    EXPECT_EQ(status.code, 0) << status.errors;
    return Json::parse(status.output)["locks"][0];
  }
  [[nodiscard]] std::string file_of(const char* name) const {
    return "/proc/" + std::to_string(sidecar_->pid()) + '/' + name;
  }
  [[nodiscard]] std::ptrdiff_t descriptors() const {
    return std::distance(std::filesystem::directory_iterator(file_of("fd")), {});
  }
  /// What it has allocated, without pages of files.
  [[nodiscard]] long memory_kib() const {
    std::ifstream status(file_of("status"));
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("RssAnon:")) return std::strtol(line.c_str() + 8, nullptr, 10);
    ADD_FAILURE() << "no RssAnon";
    return 0;
  }

  /// One that asks for the end of the tenure would be right to get it.
  std::string bad_request() {
    constexpr std::string_view kAsksForMore = "resign";
    std::string text = mutated_request(random_);
    for (std::size_t at; (at = text.find(kAsksForMore)) != std::string::npos;)
      text.replace(at, kAsksForMore.size(), "leader");
    return text;
  }
  /// A stream of events ends only when its client is gone.
  static std::string answers_to(RawHttp& client, const std::string& text) {
    const bool may_be_stream = text.find("text/event-stream") != std::string::npos;
    return may_be_stream ? client.read_until("\r\n") : client.rest();
  }
  /// Every fifth client goes away without listening.
  void round() {
    for (int sent = 0; sent < kRequestsOfARound; sent += kConnections) {
      std::vector<std::pair<RawHttp, std::string>> clients;
      for (int i = 0; i < kConnections; ++i) {
        auto& [client, text] = clients.emplace_back(RawHttp(port_), bad_request());
        client.send(text);
        if (random_.below(5) == 0)
          client.reset();
        else
          client.half_close();
      }
      for (auto& [client, text] : clients) {
        const std::string answers = answers_to(client, text);
        if (answers.empty()) continue;
        ASSERT_THAT(answers, StartsWith("HTTP/1.1 ")) << text;
        answered_.insert(answers.substr(9, 3));
      }
    }
  }

  const TempFolder folder_;
  const std::string url_ = "sqlite://" + folder_.file("locks.db");
  std::optional<Program> sidecar_;
  std::uint16_t port_ = 0;
  SplitMix random_{4040};
  std::set<std::string> answered_;
};

TEST_F(CliSidecarStorm, TenThousandBadRequestsCostNeitherTheTenureNorMemory) {
  const std::ptrdiff_t descriptors_before = descriptors();
  const Json before = record();
  EXPECT_EQ(before["epoch"], 1);
  round();  // makes what is made once
  [[maybe_unused]] const long memory_before = memory_kib();
  const double renewals_before = renewals();

  for (int rounds = 0; rounds < 10 || renewals() < renewals_before + 3; ++rounds) {
    ASSERT_LT(rounds, 60) << "it renews no more";
    round();
    ASSERT_THAT(get("/api/is-leader"), StartsWith("HTTP/1.1 200"));
  }
  for (const char* status : {"200", "400", "404", "405", "505"})
    EXPECT_TRUE(answered_.contains(status)) << "the requests never led to " << status;
  EXPECT_FALSE(answered_.contains("500"));

  const Json after = record();
  EXPECT_EQ(after["epoch"], 1);
  EXPECT_EQ(after["holder"], "one");
  EXPECT_GT(after["renewTime"], before["renewTime"]);
  EXPECT_EQ(metric("tenure_renew_failures_total"), 0);
  EXPECT_EQ(metric("leader_election_slowpath_total"), 0);
  // That the client of a stream is gone is seen when the stream is kept alive, every 10 s.
  EXPECT_TRUE(eventually([&] { return descriptors() == descriptors_before; }))
      << descriptors() << " descriptors are open; before, " << descriptors_before << " were";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep freed memory
  EXPECT_LE(memory_kib(), memory_before + kMoreMemoryKiB);
#endif
  sidecar_->signal(SIGTERM);
  EXPECT_EQ(sidecar_->exit_code(), 0);
}

}  // namespace
}  // namespace tenure::test
