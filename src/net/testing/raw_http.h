// A client that sends exactly the bytes it is told to, for tests of a server: also wrong, late, or
// only half of them. Every read has an end.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/unique_fd.h"

namespace tenure {

class RawHttp {
 public:
  static constexpr int kPatienceSeconds = 20;

  /// A socket that is not connected yet.
  RawHttp() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_TRUE(fd_) << "no descriptor is left for a client";
    const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  explicit RawHttp(std::uint16_t port) : RawHttp() { EXPECT_TRUE(connect_to(port)); }

  bool connect_to(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  /// A receive window so small that the server soon cannot write; before connect_to().
  void be_a_slow_reader() {
    const int bytes = 4096;
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }

  /// False when the server has closed or takes nothing for the patience.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  bool get(const std::string& path) { return send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"); }

  void half_close() { shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  /// As a process that dies with unread bytes.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    fd_.reset();
  }

  /// Everything up to and with `mark`, or what there was when the connection ended.
  std::string read_until(std::string_view mark) {
    std::size_t at = 0;
    while ((at = in_.find(mark)) == std::string::npos)
      if (!receive()) return std::exchange(in_, "");
    return take(at + mark.size());
  }

  /// Status line, headers and content by Content-Length (none after a HEAD).
  std::string response(bool has_content = true) {
    std::string text = read_until("\r\n\r\n");
    const std::size_t at = text.find("Content-Length: ");
    if (!has_content || at == std::string::npos) return text;
    const std::size_t length = std::strtoul(text.c_str() + at + 16, nullptr, 10);
    while (in_.size() < length && receive()) {
    }
    return text + take(std::min(length, in_.size()));
  }

  /// Everything until the server closes or resets.
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(in_, "");
  }
  /// The end was not a proper one; after rest().
  [[nodiscard]] bool was_reset() const { return was_reset_; }
  /// True when the server has closed without a further byte.
  bool closed() {
    const std::string unexpected = rest();
    EXPECT_EQ(unexpected, "");
    return unexpected.empty();
  }

 private:
  bool receive() {
    char piece[16 * 1024];
    const ssize_t n = recv(fd_.get(), piece, sizeof piece, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      ADD_FAILURE() << "the server said nothing for " << kPatienceSeconds << " s; so far: " << in_;
    was_reset_ = n < 0 && errno == ECONNRESET;
    if (n > 0) in_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }
  std::string take(std::size_t bytes) {
    std::string text = in_.substr(0, bytes);
    in_.erase(0, bytes);
    return text;
  }

  UniqueFd fd_;
  std::string in_;
  bool was_reset_ = false;
};

}  // namespace tenure
