// Where secrets may be sent: over TLS, or without it where nobody can listen.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <string_view>

#include "tenure/result.h"

namespace tenure {

enum class PlainHttp {
  on_loopback,                 ///< emulators and tests
  on_loopback_and_link_local,  ///< and the metadata servers of clouds (169.254.0.0/16)
};

/// Host and port as the URL has them, for messages. Error: invalid_argument, which names `field`
/// and does not quote the URL, because its query may hold a secret.
Result<std::string> check_endpoint(std::string_view field, std::string_view url, PlainHttp allowed);

/// Whether it is a host name or an address with or without a port, and nothing else.
bool is_authority(std::string_view text);

}  // namespace tenure
