// ClusterConfig: how to reach one Kubernetes API server, and as whom. Plain values, already checked
// and with the contents of the files that they came from; only `token_file` and `exec` are still to
// be asked, by a CredentialSource, because their answers change.
//
// Holds secrets: never print one whole. `source` and `warnings` are free of them.
//
// Thread safety: a value. Where it comes from: kubeconfig.h, in_cluster.h.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tenure::kube {

/// A command that prints credentials, as EKS, GKE and AKS want it.
/// kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
struct ExecPlugin {
  std::string command;  ///< looked up in PATH unless it contains a slash; then it is absolute
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours
  std::string api_version;   ///< client.authentication.k8s.io/v1 or …/v1beta1
  std::string install_hint;  ///< for people, one line, printable; may be empty
  bool provide_cluster_info = false;
  /// The cluster's extension for plugins, as JSON, passed on to it; empty for none.
  std::string cluster_extension;
};

/// Act as somebody else (Impersonate-User and its companions); `user` is empty for not at all.
/// kubernetes.io/docs/reference/access-authn-authz/user-impersonation
struct Impersonation {
  std::string user;
  std::string uid;
  std::vector<std::string> groups;
  std::vector<std::pair<std::string, std::vector<std::string>>> extra;
};

struct ClusterConfig {
  std::string server;  ///< "https://host:port" or "https://host/path", without a slash at the end
  std::string ca_pem;  ///< who may vouch for the server; empty for the system's authorities
  bool insecure_skip_tls_verify = false;  ///< then ca_pem is empty
  std::string tls_server_name;            ///< expected in the certificate; empty for server's host
  std::string proxy_url;  ///< http, https or socks5; empty for what the environment says
  bool disable_compression = false;
  std::string namespace_name = "default";
  std::string context;  ///< by which it was found in a kubeconfig; else empty

  // Credentials: at most one kind of Authorization header, and a certificate or none.
  std::string client_certificate_pem;  ///< with client_key_pem, or both empty
  std::string client_key_pem;
  /// Absolute; where the two came from, to be read again. Both empty when they are in a kubeconfig.
  std::string client_certificate_file;
  std::string client_key_file;
  std::string token;       ///< with token_file: used until that can be read
  std::string token_file;  ///< absolute; to be read again and again
  std::string username;    ///< with password: basic authentication
  std::string password;
  std::optional<ExecPlugin> exec;  ///< only without any of the above
  Impersonation impersonate;

  std::string source;  ///< for people: "context prod of /home/me/.kube/config" or "in-cluster"
  std::vector<std::string> warnings;  ///< for people, a line each
};

}  // namespace tenure::kube
