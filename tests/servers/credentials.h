// Keys, tokens and the small files that hold them. Any thread.
#pragma once

#include <string>

#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure::test {

/// 128 random bits in hexadecimal digits.
std::string random_word();

/// At most 1 MiB.
Result<std::string> read_file(const std::string& path);
/// Replaces `path` in one step by a file of mode 0600.
Status write_secret_file(const std::string& path, const std::string& content);

/// Writes a new P-256 private key as PEM, as for signing ServiceAccount tokens.
Status write_signing_key(const std::string& path);

struct PemPair {
  std::string certificate;
  std::string key;
};
/// A new authority for client certificates.
Result<PemPair> make_client_authority();
/// What an API server that trusts the authority takes for this user of this group, from now on for
/// so long.
Result<PemPair> issue_client_certificate(const PemPair& authority, const std::string& user,
                                         const std::string& group, Duration valid_for);

/// The last certificate of a PEM text: where kube-apiserver makes its own serving certificate, the
/// authority that has signed it.
std::string last_certificate(const std::string& pem);

/// A kubeconfig that needs no other file.
std::string kubeconfig_text(const std::string& server_url, const std::string& ca_pem,
                            const std::string& user, const std::string& token);

}  // namespace tenure::test
