#include "lossy_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "eventually.h"
#include "runtime/clock.h"
#include "runtime/unique_fd.h"

namespace tenure::test {
namespace {

using Mode = LossyProxy::Mode;
using std::chrono::milliseconds;

const std::string kWrite(LossyProxy::kSmallestWrite, 'w');

/// One end of a connection. Every wait has an end.
class End {
 public:
  explicit End(UniqueFd fd) : fd_(std::move(fd)) {
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  bool say(const std::string& text) const {
    return send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  /// So many bytes, or fewer when the other side ends.
  [[nodiscard]] std::string hear(std::size_t size) const {
    std::string text(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const ssize_t got = recv(fd_.get(), text.data() + have, size - have, 0);
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    text.resize(have);
    return text;
  }
  bool hears(const std::string& text) const { return hear(text.size()) == text; }
  bool hears_the_end() const { return hear(1).empty(); }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

class LossyProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    listening_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(listening_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address = loopback(0);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(listening_.get(), generic, size), 0);
    ASSERT_EQ(listen(listening_.get(), 8), 0);
    ASSERT_EQ(getsockname(listening_.get(), generic, &size), 0);
    auto proxy = LossyProxy::start("https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
    ASSERT_TRUE(proxy) << proxy.error().to_string();
    proxy_ = std::move(*proxy);
  }

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  [[nodiscard]] End client() const {
    const std::string& url = proxy_->url();
    const auto port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    const sockaddr_in address = loopback(port);
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return End(std::move(fd));
  }
  [[nodiscard]] End accepted() const {
    return End(UniqueFd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  /// Both sides have said something, as after a TLS handshake.
  static void greet(const End& client, const End& server) {
    ASSERT_TRUE(client.say("hello"));
    ASSERT_TRUE(server.hears("hello"));
    ASSERT_TRUE(server.say("welcome"));
    ASSERT_TRUE(client.hears("welcome"));
  }

  UniqueFd listening_;
  std::unique_ptr<LossyProxy> proxy_;
};

TEST_F(LossyProxyTest, PassesBytesAndEndsOfBothSidesAndCountsThem) {
  End there = client();
  const End here = accepted();
  greet(there, here);
  shutdown(there.fd(), SHUT_WR);
  EXPECT_TRUE(here.hears_the_end());
  const std::string much(3'000'000, 'm');  // more than it keeps
  std::thread sender([&] { EXPECT_TRUE(here.say(much)); });
  EXPECT_EQ(there.hear(much.size()), much);
  sender.join();
  const LossyProxy::Counts counts = proxy_->counts();
  EXPECT_EQ(counts.connections, 1);
  EXPECT_EQ(counts.to_server, 5U);
  EXPECT_EQ(counts.to_clients, 7U + much.size());
}

TEST_F(LossyProxyTest, LosesAnswersAndResetsWhatLostThem) {
  const End there = client();
  const End here = accepted();
  greet(there, here);
  proxy_->set(Mode::answers_lost);
  ASSERT_TRUE(there.say("request"));
  EXPECT_TRUE(here.hears("request"));
  ASSERT_TRUE(here.say("answer"));
  ASSERT_TRUE(eventually([&] { return proxy_->counts().lost == 6; }));
  proxy_->set(Mode::pass);
  EXPECT_TRUE(there.hears_the_end());
  EXPECT_TRUE(here.hears_the_end());
  const End again = client();
  greet(again, accepted());
}

TEST_F(LossyProxyTest, LosesRequestsAndLeavesUndamagedConnectionsAlone) {
  const End there = client();
  const End here = accepted();
  const End other = client();
  const End other_here = accepted();
  proxy_->set(Mode::requests_lost);
  ASSERT_TRUE(there.say("request"));
  ASSERT_TRUE(eventually([&] { return proxy_->counts().lost == 7; }));
  ASSERT_TRUE(other_here.say("news"));
  EXPECT_TRUE(other.hears("news"));
  proxy_->set(Mode::pass);
  EXPECT_TRUE(here.hears_the_end());
  greet(other, other_here);
}

TEST_F(LossyProxyTest, DeliversHeldRequestsThoughTheirSenderHasGone) {
  End there = client();
  const End here = accepted();
  greet(there, here);
  proxy_->set(Mode::requests_held);
  ASSERT_TRUE(there.say(kWrite));
  ASSERT_TRUE(proxy_->wait_for_write());
  there.close();
  EXPECT_EQ(proxy_->counts().to_server, 5U);
  proxy_->set(Mode::pass);
  EXPECT_TRUE(here.hears(kWrite));
  EXPECT_TRUE(here.hears_the_end());
}

TEST_F(LossyProxyTest, DeliversLateAnswersInTheirOrderAndNotEarlierWhenTheLinkIsWellAgain) {
  const End there = client();
  const End here = accepted();
  greet(there, here);
  constexpr Duration kDelay = milliseconds(200);
  proxy_->set(Mode::answers_late, kDelay);
  const Instant said = boot_now();
  ASSERT_TRUE(here.say("first"));
  ASSERT_TRUE(there.say("request"));
  EXPECT_TRUE(here.hears("request"));
  proxy_->set(Mode::pass);
  ASSERT_TRUE(here.say(" second"));
  EXPECT_TRUE(there.hears("first second"));
  EXPECT_GE(boot_now(), said + kDelay);
}

TEST_F(LossyProxyTest, ACutEndsAllConnectionsAndAdmitsNoOtherUntilItIsHealed) {
  const End there = client();
  const End here = accepted();
  greet(there, here);
  proxy_->set(Mode::cut);
  EXPECT_TRUE(there.hears_the_end());
  EXPECT_TRUE(here.hears_the_end());
  EXPECT_TRUE(client().hears_the_end());
  proxy_->set(Mode::pass);
  const End again = client();
  greet(again, accepted());
  proxy_->reset_connections();
  EXPECT_TRUE(again.hears_the_end());
  const End third = client();
  greet(third, accepted());
}

TEST_F(LossyProxyTest, AWriteSetsAModeThatAppliesToItsOwnAnswer) {
  const End there = client();
  const End here = accepted();
  proxy_->set_at_next_write(Mode::answers_lost);
  ASSERT_TRUE(there.say(kWrite));  // no write: as long, but the beginning of the connection
  ASSERT_TRUE(here.hears(kWrite));
  greet(there, here);
  ASSERT_TRUE(there.say(kWrite));
  ASSERT_TRUE(proxy_->wait_for_write());
  ASSERT_TRUE(here.hears(kWrite));
  ASSERT_TRUE(here.say("answer"));
  EXPECT_TRUE(eventually([&] { return proxy_->counts().lost == 6; }));
}

TEST(LossyProxyStart, WantsAPort) {
  EXPECT_FALSE(LossyProxy::start("https://localhost"));
}

}  // namespace
}  // namespace tenure::test
