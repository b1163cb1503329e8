#include "control_plane.h"

#include <sys/stat.h>

#include <utility>

#include "credentials.h"

namespace tenure::test {
namespace {

constexpr const char* kAdmin = "admin";
constexpr const char* kEtcdLog = "etcd.log";
constexpr const char* kApiServerLog = "kube-apiserver.log";

}  // namespace

Result<std::unique_ptr<ControlPlane>> ControlPlane::start(const Options& options) {
  std::unique_ptr<ControlPlane> plane(new ControlPlane);
  const Status started =
      server_programs()
          .and_then([&](std::string programs) {
            plane->programs_ = std::move(programs);
            return plane->prepare(options);
          })
          .and_then([&] { return options.etcd_url.empty() ? plane->start_etcd() : Status{}; })
          .and_then([&] { return plane->start_api_server(); })
          .and_then([&] { return plane->write_kubeconfigs(); });
  if (!started) return tl::unexpected(started.error());
  return plane;
}

Status ControlPlane::prepare(const Options& options) {
  auto servers = KeptServers::create();
  if (!servers) return tl::unexpected(servers.error());
  servers_ = std::move(*servers);
  for (PortReservation* reservation : {&etcd_port_, &api_server_port_}) {
    auto made = PortReservation::make();
    if (!made) return tl::unexpected(made.error());
    *reservation = std::move(*made);
  }
  etcd_url_ = options.etcd_url.empty() ? "http://127.0.0.1:" + etcd_port_.port() : options.etcd_url;
  etcd_prefix_ = options.etcd_prefix;
  return write_credentials(options);
}

Status ControlPlane::write_credentials(const Options& options) {
  // Of each line: token, user, its id, its groups.
  tokens_[kAdmin] = random_word();
  std::string lines = tokens_[kAdmin] + "," + kAdmin + ",0,system:masters\n";
  for (const std::string& user : options.users) {
    tokens_[user] = random_word();
    lines += tokens_[user];
    lines += ',' + user + ',' + std::to_string(tokens_.size()) + '\n';
  }
  if (mkdir(file("home").c_str(), 0700) != 0)
    return failure(ErrorCode::unavailable, "cannot make " + file("home"),
                   "see whether there is room");
  return write_secret_file(file("tokens.csv"), lines)
      .and_then([&] { return write_signing_key(file("service-account.key")); })
      .and_then([&] { return write_secret_file(file("client-ca.pem"), options.client_ca_pem); })
      .map([&] { knows_client_ca_ = !options.client_ca_pem.empty(); });
}

Status ControlPlane::start_etcd() {
  // Nobody talks to its peer port, but it cannot do without one.
  const std::string peer_url = "http://127.0.0.1:0";
  auto started = servers_->start(
      kEtcdLog,
      {programs_ + "/etcd", "--name=test", "--data-dir=" + file("etcd"), "--unsafe-no-fsync",
       "--socket-reuse-port", "--listen-client-urls=" + etcd_url_,
       "--advertise-client-urls=" + etcd_url_, "--listen-peer-urls=" + peer_url,
       "--initial-advertise-peer-urls=" + peer_url, "--initial-cluster=test=" + peer_url});
  if (!started) return tl::unexpected(started.error());
  etcd_ = std::move(*started);
  return wait_until_ready(etcd_, file(kEtcdLog), {{etcd_url_ + "/health"}});
}

Status ControlPlane::start_api_server() {
  const std::string key = file("service-account.key");
  std::vector<std::string> words = {
      programs_ + "/kube-apiserver", "--etcd-servers=" + etcd_url_, "--etcd-prefix=" + etcd_prefix_,
      "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
      "--secure-port=" + api_server_port_.port(), "--permit-port-sharing",
      "--cert-dir=" + file("certificates"), "--service-account-key-file=" + key,
      "--service-account-signing-key-file=" + key,
      "--service-account-issuer=https://kubernetes.default.svc",
      "--service-cluster-ip-range=10.0.0.0/24", "--token-auth-file=" + file("tokens.csv"),
      "--authorization-mode=RBAC",
      // It would wait for the ServiceAccount that a controller manager makes in each namespace.
      "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"};
  if (knows_client_ca_) words.push_back("--client-ca-file=" + file("client-ca.pem"));
  auto started = servers_->start(kApiServerLog, words);
  if (!started) return tl::unexpected(started.error());
  api_server_ = std::move(*started);
  const std::string url = cluster().server_url;
  const std::string certificate = file("certificates/apiserver.crt");
  const std::string& token = tokens_.at(kAdmin);
  // It makes the namespace after it has called itself ready.
  return wait_until_ready(api_server_, file(kApiServerLog),
                          {{url + "/readyz", certificate, token},
                           {url + "/api/v1/namespaces/default", certificate, token}});
}

Status ControlPlane::write_kubeconfigs() const {
  const Result<std::string> made = read_file(file("certificates/apiserver.crt"));
  if (!made) return tl::unexpected(made.error());
  const std::string ca = last_certificate(*made);
  Status written = write_secret_file(cluster().ca_file, ca);
  for (const auto& [user, token] : tokens_) {
    const Cluster target = cluster(user);
    written = std::move(written).and_then([&] {
      return write_secret_file(target.kubeconfig,
                               kubeconfig_text(target.server_url, ca, user, token));
    });
  }
  return written;
}

std::string ControlPlane::file(const std::string& name) const {
  return servers_->folder() + '/' + name;
}

Cluster ControlPlane::cluster(const std::string& user) const {
  Cluster result;
  result.server_url = "https://127.0.0.1:" + api_server_port_.port();
  result.ca_file = file("ca.pem");
  result.token = tokens_.at(user);
  result.kubeconfig = file("kubeconfig-" + user);
  result.home = file("home");
  result.programs = programs_;
  return result;
}

Status ControlPlane::restart(Server server) {
  kill(server);
  return server == Server::etcd ? start_etcd() : start_api_server();
}

}  // namespace tenure::test
