// KeptServers: server processes that end with this process, however it ends, and the temporary
// folder that they live in.
//
// PR_SET_PDEATHSIG alone would not do: the signal comes when the *thread* that forked ends, so a
// server started by a thread of a test would die with that thread, and nobody would remove the
// folder. So the servers are children of another small program, server_keeper, which has one
// thread. It holds one end of a socket whose other end only this process has (close-on-exec). The
// kernel closes that end whatever kills us; the keeper reads the end of file, kills its children,
// removes the folder and exits. Should the keeper itself be killed, PR_SET_PDEATHSIG, reliable with
// one thread, ends the servers. The keeper is a daemon of its own session, so that whoever kills
// our process tree or group (a test driver at its time limit, Ctrl-C) does not take the broom away
// too.
//
// Thread safety: one thread at a time.
//
//   auto servers = KeptServers::create();
//   auto etcd = (*servers)->start("etcd.log", {"/path/to/etcd", "--data-dir",
//   (*servers)->folder()}); etcd->kill();
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/unique_fd.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure::test {

/// A handle, not an owner: its end is no end of the server. Harmless when the server has ended.
class ServerProcess {
 public:
  ServerProcess() = default;
  ServerProcess(pid_t pid, UniqueFd handle) : pid_(pid), handle_(std::move(handle)) {}

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running() const { return !ended_within({}); }
  [[nodiscard]] bool ended_within(Duration patience) const;
  /// SIGKILL; returns when it has ended.
  void kill() const;
  /// SIGSTOP; returns when none of its threads runs.
  void stop() const;
  void resume() const;

 private:
  pid_t pid_ = 0;
  UniqueFd handle_;
};

class KeptServers {
 public:
  static Result<std::unique_ptr<KeptServers>> create();
  /// Returns when all servers have ended and the folder is gone.
  ~KeptServers();
  KeptServers(const KeptServers&) = delete;
  KeptServers& operator=(const KeptServers&) = delete;

  /// Mode 0700.
  [[nodiscard]] const std::string& folder() const { return folder_; }
  /// Starts argv[0], a path, with an empty environment; what it prints is appended to `log` in the
  /// folder. A program that cannot be executed ends at once with code 127.
  Result<ServerProcess> start(const std::string& log, const std::vector<std::string>& argv);

 private:
  explicit KeptServers(UniqueFd keeper) : keeper_(std::move(keeper)) {}

  UniqueFd keeper_;
  std::string folder_;
};

}  // namespace tenure::test
