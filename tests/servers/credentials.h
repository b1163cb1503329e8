// Keys, tokens and the small files that hold them. Any thread.
#pragma once

#include <string>

#include "tenure/result.h"

namespace tenure::test {

/// 128 random bits in hexadecimal digits.
std::string random_word();

/// At most 1 MiB.
Result<std::string> read_file(const std::string& path);
/// Replaces `path` in one step by a file of mode 0600.
Status write_secret_file(const std::string& path, const std::string& content);

/// Writes a new P-256 private key as PEM, as for signing ServiceAccount tokens.
Status write_signing_key(const std::string& path);

/// The last certificate of a PEM text: where kube-apiserver makes its own serving certificate, the
/// authority that has signed it.
std::string last_certificate(const std::string& pem);

/// A kubeconfig that needs no other file.
std::string kubeconfig_text(const std::string& server_url, const std::string& ca_pem,
                            const std::string& user, const std::string& token);

}  // namespace tenure::test
