// Base64 (RFC 4648) as kubeconfigs, HTTP and JSON web tokens use it.
//
// Thread safety: functions without state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tenure {

std::string base64_encoded(std::string_view bytes);
/// For URLs (section 5), without padding.
std::string base64url_encoded(std::string_view bytes);

/// With padding; line ends in between are skipped, as Go does. Nothing for any other text.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace tenure
