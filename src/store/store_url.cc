#include "store/store_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/duration.h"
#include "store/text_fault.h"

namespace tenure {
namespace {

constexpr const char* kWaysToSayIt =
    "use sqlite:///absolute/path/locks.db, k8s://namespace, gs://bucket/prefix or memory:";

constexpr std::array<std::string_view, 7> kSchemesOfOtherBuilds = {
    "s3", "azblob", "etcd", "etcds", "postgres", "postgresql", "gist"};

struct DurationKey {
  std::string_view name;
  std::optional<Duration> SettingsOverrides::*field;
};
constexpr std::array<DurationKey, 5> kDurationKeys = {{
    {"lease-duration", &SettingsOverrides::lease_duration},
    {"renew-deadline", &SettingsOverrides::renew_deadline},
    {"retry-period", &SettingsOverrides::retry_period},
    {"request-timeout", &SettingsOverrides::request_timeout},
    {"stop-margin", &SettingsOverrides::stop_margin},
}};

tl::unexpected<Error> refuse(std::string_view url, std::string_view why, std::string remedy) {
  return failure(ErrorCode::invalid_argument,
                 fmt::format("store URL \"{}\": {}", redact_url(url), why), std::move(remedy));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    const char* const digits = text.data() + i + 1;
    if (text.size() - i < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
      return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

bool is_cluster(StoreUrl::Kind kind) {
  return kind == StoreUrl::Kind::k8s || kind == StoreUrl::Kind::mcl;
}

std::string known_keys(StoreUrl::Kind kind) {
  std::string out = is_cluster(kind) ? "kubeconfig" : kind == StoreUrl::Kind::gs ? "endpoint" : "";
  for (const DurationKey& key : kDurationKeys) {
    if (!out.empty()) out += ", ";
    out += key.name;
  }
  return out;
}

Status parse_kubeconfig(std::string_view url, std::optional<std::string> value, StoreUrl& out) {
  if (!out.kubeconfig.empty()) return refuse(url, "kubeconfig is given twice", "give it once");
  if (!value || value->empty() || value->find('\0') != std::string::npos)
    return refuse(url, "kubeconfig is not a path", "write it as kubeconfig=/path/to/config");
  out.kubeconfig = std::move(*value);
  return {};
}

Status parse_endpoint(std::string_view url, std::optional<std::string> value, StoreUrl& out) {
  if (!out.endpoint.empty()) return refuse(url, "endpoint is given twice", "give it once");
  if (value && value->ends_with('/')) value->pop_back();
  if (!value || !is_endpoint(*value))
    return refuse(url, "endpoint is not an address",
                  "write it as endpoint=https://host or endpoint=http://127.0.0.1:4443");
  out.endpoint = *std::move(value);
  return {};
}

Status parse_setting(std::string_view url, std::string_view text, StoreUrl& out) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string_view name = text.substr(0, equals);
  const auto value = percent_decoded(text.substr(std::min(equals + 1, text.size())));
  if (name == "kubeconfig" && is_cluster(out.kind)) return parse_kubeconfig(url, value, out);
  if (name == "endpoint" && out.kind == StoreUrl::Kind::gs) return parse_endpoint(url, value, out);
  const auto* const key = std::find_if(kDurationKeys.begin(), kDurationKeys.end(),
                                       [&](const DurationKey& k) { return k.name == name; });
  if (key == kDurationKeys.end())
    return refuse(url, fmt::format("unknown setting \"{}\"", name),
                  "known are " + known_keys(out.kind));
  std::optional<Duration>& field = out.overrides.*(key->field);
  if (field) return refuse(url, fmt::format("{} is given twice", name), "give it once");
  const auto duration = parse_duration(value.value_or(""));
  if (!duration)
    return refuse(url, fmt::format("{} is not a duration", name),
                  fmt::format("write it as {}=15s", name));
  field = *duration;
  return {};
}

Status parse_query(std::string_view url, std::string_view query, StoreUrl& out) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (end > 0)
      if (Status parsed = parse_setting(url, query.substr(0, end), out); !parsed) return parsed;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

Result<std::string> default_path(const StateFolders& folders) {
  // The XDG rule: a relative value is to be ignored.
  if (folders.xdg_state_home.starts_with('/')) return folders.xdg_state_home + "/tenure/locks.db";
  if (folders.home.starts_with('/')) return folders.home + "/.local/state/tenure/locks.db";
  return failure(ErrorCode::invalid_argument,
                 "the default lock database has no place: HOME and XDG_STATE_HOME are not set",
                 "name a file: sqlite:///absolute/path/locks.db");
}

Result<std::string> explicit_path(std::string_view url, std::string_view rest) {
  if (!rest.starts_with("///"))
    return refuse(url, "the path is not absolute",
                  "write three slashes and the whole path: sqlite:///absolute/path/locks.db");
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  const auto path = percent_decoded(rest);
  if (!path)
    return refuse(url, "a '%' is not followed by two hexadecimal digits",
                  "write %25 for a percent sign");
  if (path->find('\0') != std::string::npos)
    return refuse(url, "the path contains a NUL byte", "take %00 out");
  if (path->empty() || path->ends_with('/'))
    return refuse(url, "the path names a folder", "name a file: sqlite:///absolute/path/locks.db");
  return "/" + *path;
}

Status parse_sqlite(std::string_view url, std::string_view rest, const StateFolders& folders,
                    StoreUrl& out) {
  out.in_state_folder = rest.empty();
  auto path = rest.empty() ? default_path(folders) : explicit_path(url, rest);
  if (!path) return tl::unexpected(path.error());
  out.path = std::move(*path);
  return {};
}

Status parse_cluster(std::string_view url, std::string_view rest, StoreUrl& out) {
  const std::string shape = fmt::format("write {0}://namespace or {0}://context/namespace",
                                        out.kind == StoreUrl::Kind::mcl ? "mcl" : "k8s");
  if (rest.empty()) return {};
  if (!rest.starts_with("//")) return refuse(url, "two slashes are missing", shape);
  rest.remove_prefix(2);
  const std::size_t slash = rest.find('/');
  const auto context =
      percent_decoded(slash == std::string_view::npos ? "" : rest.substr(0, slash));
  const std::string_view name = rest.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (!context)
    return refuse(url, "a '%' is not followed by two hexadecimal digits",
                  "write %25 for a percent sign");
  // RFC 1123, as the API server checks it; what fails here would otherwise become another path.
  const bool is_label = name.size() <= 63 && !name.starts_with('-') && !name.ends_with('-') &&
                        std::all_of(name.begin(), name.end(), [](char c) {
                          return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                        });
  if (!is_label)
    return refuse(url, fmt::format("\"{}\" cannot be the name of a namespace", name), shape);
  out.context = *context;
  out.namespace_name = name;
  return {};
}

/// https://cloud.google.com/storage/docs/buckets#naming, without the words that Google keeps for
/// itself: such buckets may exist.
bool is_bucket_name(std::string_view name) {
  constexpr std::string_view kEnds = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kAll = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  constexpr std::size_t kLongestPart = 63;
  constexpr std::size_t kLongestOfParts = 222;
  if (name.size() < 3 || name.size() > kLongestOfParts ||
      name.find_first_not_of(kAll) != std::string_view::npos ||
      kEnds.find(name.front()) == std::string_view::npos ||
      kEnds.find(name.back()) == std::string_view::npos)
    return false;
  const bool is_address = name.find_first_not_of("0123456789.") == std::string_view::npos &&
                          std::count(name.begin(), name.end(), '.') == 3;
  if (is_address) return false;
  for (;;) {
    const std::size_t part = std::min(name.find('.'), name.size());
    if (part == 0 || part > kLongestPart) return false;
    if (part == name.size()) return true;
    name.remove_prefix(part + 1);
  }
}

Status parse_gs(std::string_view url, std::string_view rest, StoreUrl& out) {
  constexpr const char* kShape = "write gs://bucket or gs://bucket/prefix";
  constexpr std::size_t kLongestPrefix = 512;  // an object's name has at most 1024 bytes
  if (!rest.starts_with("//")) return refuse(url, "two slashes are missing", kShape);
  rest.remove_prefix(2);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  out.bucket = rest.substr(0, slash);
  if (!is_bucket_name(out.bucket))
    return refuse(url, fmt::format("\"{}\" cannot be the name of a bucket", out.bucket), kShape);
  const auto prefix = percent_decoded(rest.substr(std::min(slash + 1, rest.size())));
  if (!prefix)
    return refuse(url, "a '%' is not followed by two hexadecimal digits",
                  "write %25 for a percent sign");
  if (prefix->size() > kLongestPrefix)
    return refuse(url, fmt::format("the prefix is {} bytes long", prefix->size()),
                  fmt::format("at most {} are allowed", kLongestPrefix));
  if (const auto fault = text_fault(*prefix))
    return refuse(url, "the prefix " + fault->what, fault->remedy);
  out.prefix = *prefix;
  if (!prefix->empty() && !prefix->ends_with('/')) out.prefix += '/';
  return {};
}

}  // namespace

void SettingsOverrides::apply_to(Settings& settings) const {
  settings.lease_duration = lease_duration.value_or(settings.lease_duration);
  settings.renew_deadline = renew_deadline.value_or(settings.renew_deadline);
  settings.retry_period = retry_period.value_or(settings.retry_period);
  settings.request_timeout = request_timeout.value_or(settings.request_timeout);
  settings.stop_margin = stop_margin.value_or(settings.stop_margin);
}

Result<StoreUrl> parse_store_url(std::string_view url, const StateFolders& folders) {
  const std::size_t question = std::min(url.find('?'), url.size());
  const std::string_view address = url.substr(0, question);
  const std::size_t colon = address.find(':');
  const std::string scheme = lower(address.substr(0, std::min(colon, address.size())));

  if (std::find(kSchemesOfOtherBuilds.begin(), kSchemesOfOtherBuilds.end(), scheme) !=
      kSchemesOfOtherBuilds.end())
    return failure(ErrorCode::unsupported,
                   fmt::format("store URL \"{}\": {}: is not available in this build",
                               redact_url(url), scheme),
                   kWaysToSayIt);
  StoreUrl out;
  if (scheme == "memory") {
    out.kind = StoreUrl::Kind::memory;
  } else if (scheme == "k8s") {
    out.kind = StoreUrl::Kind::k8s;
  } else if (scheme == "mcl") {
    out.kind = StoreUrl::Kind::mcl;
  } else if (scheme == "gs") {
    out.kind = StoreUrl::Kind::gs;
  } else if (scheme != "sqlite" && !address.empty()) {
    return refuse(url, "no known kind of store", kWaysToSayIt);
  }
  if (!address.empty() && colon == std::string_view::npos)
    return refuse(url, "no known kind of store", kWaysToSayIt);
  const std::string_view rest = address.empty() ? "" : address.substr(colon + 1);

  Status parsed = parse_query(url, url.substr(std::min(question + 1, url.size())), out);
  if (!parsed) return tl::unexpected(parsed.error());
  switch (out.kind) {
    case StoreUrl::Kind::memory:
      if (!rest.empty()) return refuse(url, "memory: takes no path", "write memory:");
      break;
    case StoreUrl::Kind::sqlite: parsed = parse_sqlite(url, rest, folders, out); break;
    case StoreUrl::Kind::k8s:
    case StoreUrl::Kind::mcl: parsed = parse_cluster(url, rest, out); break;
    case StoreUrl::Kind::gs: parsed = parse_gs(url, rest, out); break;
  }
  if (!parsed) return tl::unexpected(parsed.error());
  return out;
}

bool is_endpoint(std::string_view text) {
  constexpr std::string_view kHostAndPort =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
  const std::size_t host = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return host > 0 && host < text.size() &&
         text.find_first_not_of(kHostAndPort, host) == std::string_view::npos;
}

std::string redact_url(std::string_view url) {
  const std::size_t slashes = url.find("://");
  // The last '@' of all: an unescaped password may contain any of "@/?".
  const std::size_t at = url.rfind('@');
  std::string out(url);
  // A context may be called user@cluster, and no password has a place there.
  if (!url.starts_with("k8s:") && !url.starts_with("mcl:") && slashes != std::string_view::npos &&
      at != std::string_view::npos && at > slashes &&
      url[std::min(slashes + 3, url.size() - 1)] != '/')
    out = fmt::format("{}***{}", url.substr(0, slashes + 3), url.substr(at));
  if (const std::size_t question = out.find('?'); question != std::string::npos)
    out.replace(question, std::string::npos, "?...");
  return out;
}

Status check_lock_name(std::string_view name, std::size_t max_bytes) {
  const auto refuse_name = [](std::string why, std::string remedy) {
    return failure(ErrorCode::invalid_argument, "the lock name " + std::move(why),
                   std::move(remedy));
  };
  if (name.empty()) return refuse_name("is empty", "give it a name such as backup");
  if (name.size() > max_bytes)
    return refuse_name(fmt::format("is {} bytes long", name.size()),
                       fmt::format("at most {} are allowed", max_bytes));
  if (auto fault = text_fault(name)) return refuse_name(std::move(fault->what), fault->remedy);
  return {};
}

}  // namespace tenure
