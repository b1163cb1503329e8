// Google's Application Default Credentials: access tokens for whoever this process is, found as
// Google's own libraries do. cloud.google.com/docs/authentication/application-default-credentials
//
// The order is: the file that GOOGLE_APPLICATION_CREDENTIALS names; the file that "gcloud auth
// application-default login" leaves; the metadata server, which tells the service account of a
// machine or a Pod in Google's cloud. What was found at the beginning is kept to; a file's contents
// are read again for each token, because it may be replaced under a running process.
//
// One fetch serves all who wait, and begins a fifth of a token's life (two minutes at most) before
// its end, so that nobody waits for a renewal. A server that is out of reach or answers with
// 408, 429 or 5xx is asked up to five times within half a minute: a Pod's metadata server is there
// only some seconds after the Pod. A request takes ten seconds at most.
//
// Token servers that a file names must be https, but for loopback. The proxies are those of the
// environment, for the metadata server as well: name it in NO_PROXY where there are any.
//
// Thread safety: the loop's thread only. Blocks for as long as reading small files takes.
//
//   auto source = google_credentials(loop, {.credentials_file = environment_variable(
//                                               "GOOGLE_APPLICATION_CREDENTIALS"),
//                                           .gcloud_folder = home + "/.config/gcloud",
//                                           .scope =
//                                           "https://www.googleapis.com/auth/devstorage.read_write"});
//   (*source)->get([&](Result<Credential> credential) { send(request, credential); });
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "auth/credential_source.h"
#include "runtime/loop.h"
#include "tenure/result.h"

namespace tenure {

/// What the caller read from the environment, and what the tokens are to be good for.
struct GoogleRequest {
  std::string credentials_file{};  ///< GOOGLE_APPLICATION_CREDENTIALS; empty for none
  std::string gcloud_folder{};  ///< CLOUDSDK_CONFIG, or else $HOME/.config/gcloud; empty for none
  std::string metadata_host{};  ///< GCE_METADATA_HOST; empty for Google's
  std::string scope{};
  std::string user_agent{};
  /// Told, before google_credentials() returns, of a key that every user of the machine can read.
  std::function<void(const std::string&)> warn{};
};

/// `loop` outlives the source. Errors: those of reading the file; invalid_argument and unsupported
/// (what is in it), with its path; and those of HttpClient::create. Errors of get(), within 31
/// seconds: the same, and those of a TokenExchange, with the path or the metadata server.
Result<std::unique_ptr<CredentialSource>> google_credentials(Loop& loop,
                                                             const GoogleRequest& request);

}  // namespace tenure
