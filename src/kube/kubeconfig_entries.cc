#include "kube/kubeconfig_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "auth/small_file.h"
#include "base/printable.h"
#include "kube/field_reader.h"
#include "kube/pem_source.h"

namespace tenure::kube {
namespace {

constexpr std::size_t kMaxTokenBytes = 64U * 1024U;
constexpr std::size_t kMaxHint = 500;
constexpr const char* kExecVersion = "client.authentication.k8s.io/v1";
constexpr const char* kOldExecVersion = "client.authentication.k8s.io/v1beta1";

bool starts_with_scheme(std::string_view url, std::string_view scheme) {
  return url.size() > scheme.size() && url.substr(scheme.size(), 3) == "://" &&
         std::equal(scheme.begin(), scheme.end(), url.begin(), [](char wanted, char c) {
           return std::tolower(static_cast<unsigned char>(c)) == wanted;
         });
}

bool is_one_word(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != '\x7f'; });
}

std::string read_server(FieldReader& fields) {
  std::string url = fields.text("server");
  const auto refuse = [&](const char* why) {
    fields.fail("server", why, "write it as https://host:port");
    return std::string();
  };
  if (url.empty()) return refuse("is missing");
  const bool secure = starts_with_scheme(url, "https");
  if (!secure && !starts_with_scheme(url, "http")) return refuse("has no https:// in front");
  if (!is_one_word(url)) return refuse("has blanks or control characters in it");
  const std::size_t host = secure ? 8 : 7;
  url.resize(std::min(url.find_first_of("?#"), url.size()));  // as client-go does
  const std::string authority = url.substr(host, url.find('/', host) - host);
  if (authority.empty() || authority[0] == ':') return refuse("names no host");
  if (authority.find('@') != std::string::npos)
    return refuse("has a user name in it, which belongs in the users section");
  while (url.ends_with('/')) url.pop_back();
  return (secure ? "https://" : "http://") + url.substr(host);
}

std::string read_proxy(FieldReader& fields) {
  std::string url = fields.text("proxy-url");
  const bool known = starts_with_scheme(url, "http") || starts_with_scheme(url, "https") ||
                     starts_with_scheme(url, "socks5");
  if (!url.empty() && (!known || !is_one_word(url)))
    fields.fail("proxy-url", "is neither http://, https:// nor socks5://",
                "write it as http://host:port");
  return url;
}

/// The part of the cluster's extensions that is meant for exec plugins.
std::string read_extension(FieldReader& fields, const std::string& place) {
  const YamlTree* list = fields.list("extensions");
  if (list == nullptr) return "";
  for (const YamlTree& item : list->items) {
    FieldReader extension(place + ".extensions", item);
    if (extension.text("name") != "client.authentication.k8s.io/exec") continue;
    const YamlTree* value = item.find("extension");
    return value != nullptr ? to_json(*value) : "";
  }
  return "";
}

void read_exec_environment(FieldReader& fields, ExecPlugin& plugin) {
  const YamlTree* list = fields.list("env");
  if (list == nullptr) return;
  for (const YamlTree& item : list->items) {
    FieldReader variable(fields.where("env"), item);
    std::string name = variable.text("name");
    if (name.empty() || name.find('=') != std::string::npos)
      variable.fail("name", "is not the name of a variable", "correct the file");
    plugin.environment.emplace_back(std::move(name), variable.text("value"));
    fields.fail(variable.status());
  }
}

void check_exec(FieldReader& fields, const ExecPlugin& plugin) {
  if (plugin.command.empty()) fields.fail("command", "is missing", "name the plugin's command");
  if (plugin.api_version != kExecVersion && plugin.api_version != kOldExecVersion)
    fields.fail(failure(ErrorCode::unsupported,
                        fmt::format("{} is \"{}\", not {}", fields.where("apiVersion"),
                                    printable(plugin.api_version, 100), kExecVersion),
                        "update the plugin, and let it write this section anew"));
  std::string mode = fields.text("interactiveMode");
  if (mode.empty() && plugin.api_version == kOldExecVersion) mode = "IfAvailable";
  if (mode == "Always")
    fields.fail(failure(ErrorCode::unsupported,
                        fields.where("interactiveMode") +
                            " is Always: the plugin wants to ask a person, and none is there",
                        "use a service account's token, or a plugin that can log in by itself"));
  else if (mode != "Never" && mode != "IfAvailable")
    fields.fail("interactiveMode", "is neither Never nor IfAvailable", "set it to Never");
}

void read_exec(FieldReader& user, const KubeconfigEntry& entry, ClusterConfig& config) {
  const YamlTree* section = user.map("exec");
  if (section == nullptr) return;
  const bool needless = !config.token.empty() || !config.token_file.empty() ||
                        !config.username.empty() || !config.client_certificate_pem.empty();
  if (needless) {
    config.warnings.push_back(user.where("exec") +
                              " is not run, because other credentials are there, too");
    return;
  }
  FieldReader fields(user.where("exec"), *section);
  ExecPlugin plugin;
  plugin.command = fields.text("command");
  if (plugin.command.find('/') != std::string::npos)
    plugin.command = resolved(plugin.command, entry.file);
  plugin.arguments = fields.texts("args");
  plugin.api_version = fields.text("apiVersion");
  plugin.install_hint = printable(fields.text("installHint"), kMaxHint);
  plugin.provide_cluster_info = fields.flag("provideClusterInfo");
  read_exec_environment(fields, plugin);
  check_exec(fields, plugin);
  user.fail(fields.status());
  config.exec = std::move(plugin);
}

void refuse_auth_provider(FieldReader& user) {
  const YamlTree* section = user.map("auth-provider");
  if (section == nullptr) return;
  FieldReader fields(user.where("auth-provider"), *section);
  const std::string name = fields.text("name");
  const char* remedy = "use an exec plugin or a service account's token instead";
  if (name == "gcp")
    remedy = "install gke-gcloud-auth-plugin and run: gcloud container clusters get-credentials";
  if (name == "azure") remedy = "install kubelogin and run: kubelogin convert-kubeconfig";
  user.fail(failure(ErrorCode::unsupported,
                    fmt::format("{}: the built-in login \"{}\" is a thing of the past",
                                user.where("auth-provider"), printable(name, 50)),
                    remedy));
}

void read_impersonation(FieldReader& user, Impersonation& who) {
  who.user = user.text("as");
  who.uid = user.text("as-uid");
  who.groups = user.texts("as-groups");
  if (const YamlTree* extra = user.map("as-user-extra"); extra != nullptr) {
    FieldReader fields(user.where("as-user-extra"), *extra);
    for (const YamlField& field : extra->fields)
      who.extra.emplace_back(field.name, fields.texts(field.name));
    user.fail(fields.status());
  }
  if (who.user.empty() && (!who.uid.empty() || !who.groups.empty() || !who.extra.empty()))
    user.fail("as", "is missing, but as-uid, as-groups or as-user-extra is there",
              "say who they belong to, or remove them");
}

void read_token(FieldReader& user, const KubeconfigEntry& entry, ClusterConfig& config) {
  config.token = user.text("token");
  const std::string file = user.text("tokenFile");
  if (!config.token.empty() && !is_one_word(config.token))
    user.fail("token", "has blanks or control characters in it", "correct the file");
  if (file.empty()) return;
  config.token_file = resolved(file, entry.file);
  if (!config.token.empty()) return;  // it does until the file can be read
  const auto read = read_small_file(config.token_file, kMaxTokenBytes, user.where("tokenFile"));
  if (!read) user.fail(tl::unexpected(read.error()));
}

bool is_in_file(FieldReader& user, const std::string& name) {
  return user.text(name + "-data").empty() && !user.text(name).empty();
}

}  // namespace

std::string place_of(const KubeconfigEntry& entry, const std::string& name, const char* list,
                     const char* body) {
  return fmt::format("{}: {}[{}].{}", entry.file, list, printable(name, 200), body);
}

Status apply_cluster(const std::string& name, const KubeconfigEntry& entry, ClusterConfig& config) {
  const std::string place = place_of(entry, name, "clusters", "cluster");
  FieldReader fields(place, entry.body);
  config.server = read_server(fields);
  config.proxy_url = read_proxy(fields);
  config.tls_server_name = fields.text("tls-server-name");
  config.insecure_skip_tls_verify = fields.flag("insecure-skip-tls-verify");
  config.disable_compression = fields.flag("disable-compression");
  config.ca_pem = read_pem(fields, "certificate-authority", entry.file, config.warnings);
  if (config.insecure_skip_tls_verify && !config.ca_pem.empty())
    fields.fail("insecure-skip-tls-verify", "is true, but there is a certificate-authority, too",
                "remove one of the two");
  if (config.insecure_skip_tls_verify)
    config.warnings.push_back(place +
                              ".insecure-skip-tls-verify is true: whoever sits between us " +
                              "and the server can read the credentials and change the answers");
  if (config.exec) config.exec->cluster_extension = read_extension(fields, place);
  return fields.status();
}

Status apply_user(const std::string& name, const KubeconfigEntry& entry, ClusterConfig& config) {
  FieldReader user(place_of(entry, name, "users", "user"), entry.body);
  refuse_auth_provider(user);
  read_token(user, entry, config);
  config.username = user.text("username");
  config.password = user.text("password");
  if (!config.username.empty() && !(config.token.empty() && config.token_file.empty()))
    user.fail("", "has a token and a username, and only one can be sent", "remove one of the two");
  config.client_certificate_pem = read_pem(user, "client-certificate", entry.file, config.warnings);
  config.client_key_pem = read_pem(user, "client-key", entry.file, config.warnings);
  if (!config.client_certificate_pem.empty() && config.client_key_pem.empty())
    user.fail("client-key", "is missing, but there is a client-certificate", "add the key");
  if (config.client_certificate_pem.empty()) config.client_key_pem.clear();  // as client-go does
  if (is_in_file(user, "client-certificate") && is_in_file(user, "client-key")) {
    config.client_certificate_file = resolved(user.text("client-certificate"), entry.file);
    config.client_key_file = resolved(user.text("client-key"), entry.file);
  }
  read_exec(user, entry, config);
  read_impersonation(user, config.impersonate);
  return user.status();
}

}  // namespace tenure::kube
