// The credentials of a ClusterConfig: a token, a token file that is rotated, user name and
// password, a client certificate, or an exec plugin whose answers are cached.
//
// A token file is read again when the last reading is 50 seconds old, or after the server rejected
// the token: client-go's rule (transport/token_source.go). While it cannot be read, or is empty,
// the token of the last reading goes on.
//
// An exec plugin runs once for all who wait, at most a minute. Its answer is cached until it
// expires or is rejected; shortly before it expires the next one is fetched while the old one is
// still handed out, so that a slow plugin delays no request. Failures and repeated rejections are
// followed by a pause that doubles from one second to one minute, in which the last failure is the
// answer. Destroying the source kills a plugin that runs.
//
// Thread safety: the loop's thread only.
//
//   auto source = cluster_credentials(loop, config);
//   (*source)->get([&](Result<Credential> credential) { send(request, credential); });
#pragma once

#include <memory>

#include "auth/credential_source.h"
#include "kube/cluster_config.h"
#include "runtime/loop.h"
#include "tenure/result.h"

namespace tenure::kube {

/// `loop` outlives the source. Reads a token file once; that one's errors, when there is no token
/// to begin with, are the only ones. Errors of get(), of exec plugins only: not_found and
/// permission_denied (the command), unavailable (it failed, or took too long), corrupt (its
/// answer), each with the command's name and the last line that it wrote to its standard error.
Result<std::unique_ptr<CredentialSource>> cluster_credentials(Loop& loop,
                                                              const ClusterConfig& config);

}  // namespace tenure::kube
