#include "kube/exec_credential.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/duration.h"
#include "base/printable.h"
#include "kube/pem_source.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::ordered_json;

/// For texts of a kubeconfig, whose bytes may be anything.
std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json cluster_info(const ClusterConfig& config) {
  Json cluster = {{"server", config.server}};
  if (!config.tls_server_name.empty()) cluster["tls-server-name"] = config.tls_server_name;
  if (config.insecure_skip_tls_verify) cluster["insecure-skip-tls-verify"] = true;
  if (!config.ca_pem.empty()) cluster["certificate-authority-data"] = base64_encoded(config.ca_pem);
  if (!config.proxy_url.empty()) cluster["proxy-url"] = config.proxy_url;
  if (config.disable_compression) cluster["disable-compression"] = true;
  const std::string& extension = config.exec->cluster_extension;
  cluster["config"] = Json::parse(extension.empty() ? "null" : extension, nullptr, false);
  return cluster;
}

/// Reads texts from an object; the first thing that is wrong stays.
class StatusReader {
 public:
  explicit StatusReader(const Json& object) : object_(object) {}

  std::string text(const char* name) {
    const auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return "";
    if (const auto* value = found->get_ptr<const std::string*>(); value != nullptr) return *value;
    complain(fmt::format("status.{} is not a text", name));
    return "";
  }
  void complain(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  const Json& object_;
  std::string wrong_;
};

bool is_token(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

ExecAnswer read_status(StatusReader& status) {
  ExecAnswer answer;
  Credential& credential = answer.credential;
  const std::string token = status.text("token");
  credential.client_certificate_pem = status.text("clientCertificateData");
  credential.client_key_pem = status.text("clientKeyData");
  const std::string expires = status.text("expirationTimestamp");
  const bool certificate = !credential.client_certificate_pem.empty();
  if (certificate != !credential.client_key_pem.empty())
    status.complain("it has a certificate or a key without the other");
  if (token.empty() && !certificate) status.complain("it has neither a token nor a certificate");
  if (!is_token(token)) status.complain("status.token has blanks or control characters in it");
  if (certificate && !(check_pem(credential.client_certificate_pem, "") &&
                       check_pem(credential.client_key_pem, "")))
    status.complain("its certificate or key is not PEM");
  if (!token.empty()) credential.authorization = "Bearer " + token;
  if (expires.empty()) return answer;
  const auto when = parse_rfc3339(expires);
  if (when)
    answer.expires = *when;
  else
    status.complain("status.expirationTimestamp is not a time (RFC 3339)");
  return answer;
}

}  // namespace

std::string exec_info(const ClusterConfig& config) {
  Json spec = Json::object();
  if (config.exec->provide_cluster_info) spec["cluster"] = cluster_info(config);
  spec["interactive"] = false;
  return to_line(
      {{"kind", "ExecCredential"}, {"apiVersion", config.exec->api_version}, {"spec", spec}});
}

Result<ExecAnswer> parse_exec_credential(const std::string& output, const ExecPlugin& plugin) {
  const auto wrong = [&](const std::string& why) {
    return failure(ErrorCode::corrupt,
                   fmt::format("the answer of the exec plugin \"{}\" cannot be used: {}",
                               printable(plugin.command, 200), why),
                   "run the plugin by hand, and look at its answer; or update it");
  };
  const Json answer = Json::parse(output, nullptr, false);
  if (!answer.is_object()) return wrong("it is not a JSON object");
  if (answer.value("kind", Json()) != "ExecCredential")
    return wrong("its kind is not ExecCredential");
  if (answer.value("apiVersion", Json()) != plugin.api_version)
    return wrong(
        fmt::format("its apiVersion is not {}, which the kubeconfig says", plugin.api_version));
  const auto status = answer.find("status");
  if (status == answer.end() || !status->is_object()) return wrong("it has no status");
  StatusReader reader(*status);
  ExecAnswer result = read_status(reader);
  if (!reader.wrong().empty()) return wrong(reader.wrong());
  return result;
}

}  // namespace tenure::kube
