// Signatures of JSON web tokens: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3, "RS256").
// By libcrypto of OpenSSL.
//
// Thread safety: any thread.
#pragma once

#include <string>
#include <string_view>

#include "tenure/result.h"

namespace tenure {

/// The signature's bytes. `pem` is a private RSA key of 2048 bits or more, PKCS #8 or PKCS #1, not
/// encrypted. Errors: invalid_argument (the key; its text is never shown), internal.
Result<std::string> sign_rs256(std::string_view pem, std::string_view text);

}  // namespace tenure
