// CredentialSource: the credentials for the next request to an API server, whatever they come from:
// a token, a token file that is rotated, user name and password, a client certificate, or an exec
// plugin whose answers are cached.
//
// A token file is read again when the last reading is 50 seconds old, or after the server rejected
// the token: client-go's rule (transport/token_source.go). While it cannot be read, or is empty,
// the token of the last reading goes on.
//
// An exec plugin runs once for all who wait, at most a minute. Its answer is cached until it
// expires or is rejected; shortly before it expires the next one is fetched while the old one is
// still handed out, so that a slow plugin delays no request. Failures and repeated rejections are
// followed by a pause that doubles from one second to one minute, in which the last failure is the
// answer.
//
// Thread safety: the loop's thread only.
//
//   auto source = CredentialSource::create(loop, config);
//   (*source)->get([&](Result<Credential> credential) { send(request, credential); });
//   // ... and when the server answers 401:
//   (*source)->rejected(credential);  // then get() once more and repeat the request
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kube/cluster_config.h"
#include "runtime/loop.h"
#include "tenure/result.h"

namespace tenure::kube {

/// What one request is to carry. Secret: never log it.
struct Credential {
  std::string authorization;  ///< the header's value, "Bearer …" or "Basic …"; empty for none
  std::string client_certificate_pem;  ///< both empty for none
  std::string client_key_pem;

  bool operator==(const Credential&) const = default;
};

class CredentialSource {
 public:
  using Done = std::function<void(Result<Credential>)>;

  /// `loop` outlives the source. Reads a token file once; that one's errors, when there is no token
  /// to begin with, are the only ones.
  static Result<std::unique_ptr<CredentialSource>> create(Loop& loop, const ClusterConfig& config);

  /// Calls `done` once: on the loop's thread, never from inside get(), not after the source is
  /// destroyed, and within 61 seconds. May destroy the source. Errors, of exec plugins only:
  /// not_found and permission_denied (the command), unavailable (it failed, or took too long),
  /// corrupt (its answer), each with the command's name and the last line that it wrote to its
  /// standard error.
  virtual void get(Done done) = 0;

  /// The server answered 401 to this one. No effect when a newer one is at hand already.
  virtual void rejected(const Credential& credential) = 0;

  /// Kills a plugin that runs.
  virtual ~CredentialSource() = default;
};

}  // namespace tenure::kube
