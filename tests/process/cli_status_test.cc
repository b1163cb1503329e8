// `tenure status` over several stores at once.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli_program.h"
#include "runtime/unique_fd.h"

namespace tenure::test {
namespace {

using nlohmann::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// Takes connections, and says nothing.
class SilentServer {
 public:
  SilentServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const plain = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.get(), plain, size), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    EXPECT_EQ(getsockname(listener_.get(), plain, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  /// A bucket there, which is waited for longer than any test has patience.
  [[nodiscard]] std::string url() const {
    return "gs://locks?lease-duration=600s&renew-deadline=400s&request-timeout=100s&endpoint="
           "http://127.0.0.1:" +
           std::to_string(port_);
  }
  /// Somebody asks.
  bool is_asked() {
    pollfd wait{listener_.get(), POLLIN, 0};
    if (poll(&wait, 1, 20'000) != 1) return false;
    connection_.reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(connection_);
  }
  void close() {
    connection_.reset();
    listener_.reset();
  }

 private:
  UniqueFd listener_;
  UniqueFd connection_;
  std::uint16_t port_ = 0;
};

class CliStatus : public ::testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] std::string url(const std::string& name) const {
    return "sqlite://" + file(name) + "?lease-duration=2s&renew-deadline=1s&retry-period=200ms";
  }
  [[nodiscard]] Words holder(const std::string& name, const std::string& store) const {
    return {"run", "--lock", url(store), "--identity", name,
            "job", "--",     "sh",       "-c",         "echo working; exec sleep 1000"};
  }
  TempFolder folder_;
};

TEST_F(CliStatus, LocksOfSeveralStoresAreOneTable) {
  Program alice(holder("alice", "a.db"));
  Program bob(holder("bob", "b.db"));
  ASSERT_TRUE(alice.prints("working"));
  ASSERT_TRUE(bob.prints("working"));
  const Finished table = finish({"status", "--lock", url("a.db"), "--lock", url("b.db"), "job"});
  EXPECT_EQ(table.code, 0);
  EXPECT_EQ(table.errors, "");
  EXPECT_THAT(table.output,
              ContainsRegex("LOCK +HOLDER +CLUSTER +EPOCH +STATE +EXPIRES IN +STORE"));
  EXPECT_THAT(table.output, ContainsRegex("job +alice .* sqlite://" + file("a.db") + "\n"));
  EXPECT_THAT(table.output, ContainsRegex("job +bob .* sqlite://" + file("b.db") + "\n"));
  const Finished one = finish({"status", "--lock", url("a.db")});
  EXPECT_THAT(one.output, Not(HasSubstr("STORE")));

  const json locks =
      json::parse(finish({"status", "-o", "json", "--lock", url("a.db"), "--lock", url("b.db")})
                      .output)["locks"];
  ASSERT_EQ(locks.size(), 2U);
  EXPECT_EQ(locks[0]["holder"], "alice");
  EXPECT_EQ(locks[0]["store"], "sqlite://" + file("a.db"));
  EXPECT_EQ(locks[1]["holder"], "bob");
  EXPECT_EQ(locks[1]["store"], "sqlite://" + file("b.db"));
}

TEST_F(CliStatus, AStoreThatFailsIsOneLineAndTheOthersAreShown) {
  ASSERT_EQ(finish({"run", "--lock", url("a.db"), "job", "--", "true"}).code, 0);
  const std::string missing = "sqlite://" + file("missing.db");
  const Finished both = finish({"status", "-o", "json", "--lock", missing, "--lock", url("a.db")});
  EXPECT_EQ(both.code, 4);
  EXPECT_THAT(both.errors, ::testing::StartsWith("tenure: " + missing + ": "));
  EXPECT_EQ(std::count(both.errors.begin(), both.errors.end(), '\n'), 1) << both.errors;
  const json locks = json::parse(both.output)["locks"];
  ASSERT_EQ(locks.size(), 1U);
  EXPECT_EQ(locks[0]["name"], "job");

  const Finished none = finish({"status", "--lock", missing, "--lock", missing});
  EXPECT_EQ(none.code, 4);
  EXPECT_EQ(none.output, "") << "that there are no locks is not known";
}

TEST_F(CliStatus, AllStoresAreAskedAtTheSameTime) {
  SilentServer first;
  SilentServer second;
  Program status({"status", "--lock", first.url(), "--lock", second.url()});
  EXPECT_TRUE(second.is_asked());
  EXPECT_TRUE(first.is_asked());
  first.close();
  second.close();
  EXPECT_EQ(status.exit_code(), 4);
  EXPECT_EQ(std::count(status.errors().begin(), status.errors().end(), '\n'), 2) << status.errors();
}

TEST_F(CliStatus, WatchShowsOneStoreWhileAnotherIsSilent) {
  SilentServer silent;
  Program first(holder("alice", "a.db"));
  ASSERT_TRUE(first.prints("working"));
  Program watch({"status", "--watch", "-o", "json", "--lock", silent.url(), "--lock", url("a.db")});
  ASSERT_TRUE(silent.is_asked());
  ASSERT_TRUE(watch.prints("\"holder\":\"alice\""));
  Program second(holder("bob", "a.db"));
  ASSERT_TRUE(second.reports("is held by alice"));
  first.signal(SIGTERM);
  ASSERT_TRUE(watch.prints("\"holder\":\"bob\""));
  silent.close();
  ASSERT_TRUE(watch.reports("gs://locks"));
  second.signal(SIGTERM);
  ASSERT_TRUE(watch.prints("\"state\":\"free\""));
}

TEST_F(CliStatus, WatchSaysInWhichStoreALockIs) {
  Program alice(holder("alice", "a.db"));
  Program bob(holder("bob", "b.db"));
  ASSERT_TRUE(alice.prints("working"));
  ASSERT_TRUE(bob.prints("working"));
  Program watch({"status", "--watch", "--lock", url("a.db"), "--lock", url("b.db")});
  EXPECT_TRUE(watch.prints("\"job\" held by alice (epoch 1) at sqlite://" + file("a.db")));
  EXPECT_TRUE(watch.prints("\"job\" held by bob (epoch 1) at sqlite://" + file("b.db")));
}

}  // namespace
}  // namespace tenure::test
