// Base64 (RFC 4648, section 4) as kubeconfigs and HTTP use it.
//
// Thread safety: functions without state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tenure::kube {

std::string base64_encoded(std::string_view bytes);

/// With padding; line ends in between are skipped, as Go does. Nothing for any other text.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace tenure::kube
