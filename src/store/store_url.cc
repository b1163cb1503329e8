#include "store/store_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/duration.h"

namespace tenure {
namespace {

constexpr const char* kWaysToSayIt = "use sqlite:///absolute/path/locks.db, sqlite: or memory:";

constexpr std::array<std::string_view, 9> kSchemesOfOtherBuilds = {
    "gs", "s3", "azblob", "etcd", "etcds", "postgres", "postgresql", "k8s", "gist"};

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

std::string known_keys() {
  std::string out;
  for (const DurationKey& key : kDurationKeys) {
    if (!out.empty()) out += ", ";
    out += key.name;
  }
  return out;
}

Status parse_setting(std::string_view url, std::string_view text, SettingsOverrides& out) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string_view name = text.substr(0, equals);
  const auto* const key = std::find_if(kDurationKeys.begin(), kDurationKeys.end(),
                                       [&](const DurationKey& k) { return k.name == name; });
  if (key == kDurationKeys.end())
    return refuse(url, fmt::format("unknown setting \"{}\"", name), "known are " + known_keys());
  std::optional<Duration>& field = out.*(key->field);
  if (field) return refuse(url, fmt::format("{} is given twice", name), "give it once");
  const auto value = percent_decoded(text.substr(std::min(equals + 1, text.size())));
  const auto duration = parse_duration(value.value_or(""));
  if (!duration)
    return refuse(url, fmt::format("{} is not a duration", name),
                  fmt::format("write it as {}=15s", name));
  field = *duration;
  return {};
}

Result<SettingsOverrides> parse_query(std::string_view url, std::string_view query) {
  SettingsOverrides out;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (end > 0)
      if (Status parsed = parse_setting(url, query.substr(0, end), out); !parsed)
        return tl::unexpected(parsed.error());
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return out;
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

/// How many bytes the UTF-8 character at the front takes (RFC 3629, so no overlong forms and no
/// surrogates); 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  const bool outside = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                       (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return outside ? 0 : length;
}

/// C0, DEL and C1: they would garble a terminal and a log.
bool is_control(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  return first < 0x20 || first == 0x7f ||
         (first == 0xc2 && static_cast<std::uint8_t>(character[1]) < 0xa0);
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
  const bool is_default = address.empty();
  if (!is_default &&
      (colon == std::string_view::npos || (scheme != "sqlite" && scheme != "memory")))
    return refuse(url, "no known kind of store", kWaysToSayIt);
  const std::string_view rest = is_default ? "" : address.substr(colon + 1);

  StoreUrl out;
  auto overrides = parse_query(url, url.substr(std::min(question + 1, url.size())));
  if (!overrides) return tl::unexpected(overrides.error());
  out.overrides = *overrides;
  if (scheme == "memory") {
    if (!rest.empty()) return refuse(url, "memory: takes no path", "write memory:");
    out.kind = StoreUrl::Kind::memory;
    return out;
  }
  out.in_state_folder = rest.empty();
  auto path = rest.empty() ? default_path(folders) : explicit_path(url, rest);
  if (!path) return tl::unexpected(path.error());
  out.path = std::move(*path);
  return out;
}

std::string redact_url(std::string_view url) {
  const std::size_t slashes = url.find("://");
  // The last '@' of all: an unescaped password may contain any of "@/?".
  const std::size_t at = url.rfind('@');
  std::string out(url);
  if (slashes != std::string_view::npos && at != std::string_view::npos && at > slashes &&
      url[std::min(slashes + 3, url.size() - 1)] != '/')
    out = fmt::format("{}***{}", url.substr(0, slashes + 3), url.substr(at));
  if (const std::size_t question = out.find('?'); question != std::string::npos)
    out.replace(question, std::string::npos, "?...");
  return out;
}

Status check_lock_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 253;
  const auto refuse_name = [](std::string why, std::string remedy) {
    return failure(ErrorCode::invalid_argument, "the lock name " + std::move(why),
                   std::move(remedy));
  };
  if (name.empty()) return refuse_name("is empty", "give it a name such as backup");
  if (name.size() > kMaxBytes)
    return refuse_name(fmt::format("is {} bytes long", name.size()),
                       fmt::format("at most {} are allowed", kMaxBytes));
  for (std::size_t i = 0; i < name.size();) {
    const std::size_t length = utf8_length(name.substr(i));
    if (length == 0)
      return refuse_name(fmt::format("is not UTF-8 at byte {}", i + 1), "write it in UTF-8");
    if (is_control(name.substr(i, length)))
      return refuse_name(fmt::format("has a control character at byte {}", i + 1), "take it out");
    i += length;
  }
  return {};
}

}  // namespace tenure
