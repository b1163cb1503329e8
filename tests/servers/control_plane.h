// ControlPlane: a real kube-apiserver and etcd for one test, which may kill, freeze and restart
// them.
//
// RBAC is on; users come from a token file, ServiceAccount tokens from the TokenRequest API
// (`kubectl create token`). No controller manager runs: deleted namespaces stay Terminating,
// nothing is garbage-collected, no Pod is ever started. Both servers listen on 127.0.0.1 only, keep
// their port and state across restarts, and are gone with their files when the object or this
// process is (kept_servers.h). They take about 4 s to start and 320 MB of memory.
//
// Thread safety: one thread at a time.
//
//   ControlPlane::Options options;
//   options.users = {"nobody-yet"};
//   auto plane = ControlPlane::start(options);
//   (*plane)->cluster().kubectl({"get", "namespaces"});
//   (*plane)->kill(Server::api_server);
//   (*plane)->restart(Server::api_server);
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster.h"
#include "kept_servers.h"
#include "readiness.h"
#include "tenure/result.h"

namespace tenure::test {

enum class Server { etcd, api_server };

class ControlPlane {
 public:
  struct Options {
    /// Beside "admin", who may do everything; these may do nothing until a role is bound to them.
    std::vector<std::string> users{};
    /// Another control plane's etcd_url(), which must outlive this one; empty: an etcd of its own.
    std::string etcd_url{};
    /// Of an authority whose client certificates are believed (credentials.h); empty: none are.
    std::string client_ca_pem{};
    /// Differs between control planes that share an etcd.
    std::string etcd_prefix = "/registry";
  };

  /// Returns when the API server is ready. Builds the servers where they are missing.
  static Result<std::unique_ptr<ControlPlane>> start(const Options& options);

  /// As "admin", or as one of the users of the options.
  [[nodiscard]] Cluster cluster(const std::string& user = "admin") const;
  [[nodiscard]] const std::string& etcd_url() const { return etcd_url_; }
  /// Of the running or the last server; for tests that look at the process.
  [[nodiscard]] pid_t pid(Server server) const { return process(server).pid(); }

  /// SIGKILL; returns when it has ended.
  void kill(Server server) { process(server).kill(); }
  /// SIGSTOP; returns when it stands still. Its port still accepts connections, and answers none.
  void stop(Server server) { process(server).stop(); }
  /// SIGCONT.
  void resume(Server server) { process(server).resume(); }
  /// Kills it if it still runs, starts it on the same port and state, and waits until it is ready.
  Status restart(Server server);

 private:
  ControlPlane() = default;
  Status start_etcd();
  Status start_api_server();
  Status prepare(const Options& options);
  Status write_credentials(const Options& options);
  Status write_kubeconfigs() const;
  [[nodiscard]] std::string file(const std::string& name) const;
  [[nodiscard]] const ServerProcess& process(Server server) const {
    return server == Server::etcd ? etcd_ : api_server_;
  }

  // The ports are given up last, when the servers have ended.
  PortReservation etcd_port_;
  PortReservation api_server_port_;
  std::unique_ptr<KeptServers> servers_;
  ServerProcess etcd_;
  ServerProcess api_server_;
  std::string programs_;
  std::string etcd_url_;
  std::string etcd_prefix_;
  bool knows_client_ca_ = false;
  std::map<std::string, std::string> tokens_;  // by user
};

}  // namespace tenure::test
