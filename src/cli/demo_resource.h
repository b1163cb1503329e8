// DemoResource: what the leaders of the demo write to, and what keeps a former leader out: it
// refuses every epoch lower than the highest that it has seen.
//
// A Unix socket; a message is "EPOCH IDENTITY", the answer "accepted" or "refused". Everything on
// the loop's thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/loop.h"
#include "runtime/unique_fd.h"
#include "tenure/record.h"

namespace tenure::cli {

class DemoResource {
 public:
  /// What happened to the writes of one epoch.
  struct Writer {
    std::string identity;
    pid_t pid = 0;  ///< of the command
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    Instant first_accepted;
    bool connected = false;  ///< its command still runs
    Instant ended;           ///< once it does not
  };

  /// `changed` is called after every write and every end of a connection.
  static Result<std::unique_ptr<DemoResource>> create(Loop& loop, const std::string& path,
                                                      std::function<void()> changed);
  ~DemoResource();
  DemoResource(const DemoResource&) = delete;
  DemoResource& operator=(const DemoResource&) = delete;

  /// The highest epoch that was seen; 0: none.
  [[nodiscard]] Epoch epoch() const { return writers_.empty() ? 0 : writers_.rbegin()->first; }
  /// nullptr when that epoch never wrote.
  [[nodiscard]] const Writer* writer(Epoch epoch) const;
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  /// Two identities wrote under one epoch: what must never happen.
  [[nodiscard]] bool epoch_was_shared() const { return epoch_was_shared_; }

 private:
  struct Connection {
    UniqueFd fd;
    pid_t pid = 0;
    Epoch epoch = 0;
  };

  DemoResource(Loop& loop, UniqueFd listener, std::function<void()> changed)
      : loop_(loop), listener_(std::move(listener)), changed_(std::move(changed)) {}
  void accept_one();
  void read_one(int fd);
  bool write(Connection& connection, std::string_view message);

  Loop& loop_;
  UniqueFd listener_;
  std::function<void()> changed_;
  std::map<int, Connection> connections_;
  std::map<Epoch, Writer> writers_;
  std::uint64_t refused_ = 0;
  bool epoch_was_shared_ = false;
};

/// A SOCK_SEQPACKET socket, connected to `path` or listening there.
Result<UniqueFd> demo_socket(const std::string& path, bool listening);

}  // namespace tenure::cli
