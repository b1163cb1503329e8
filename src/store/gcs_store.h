// GcsStore: locks as objects in a bucket of Google Cloud Storage, shared with the controllers of
// gke-labs/multicluster-leader-election (gcs_codec.h).
//
// Writes are uploads with ifGenerationMatch. A read of a lock that was read before asks with
// ifGenerationNotMatch, and an answer "unchanged" is the observation from before; such a read costs
// no body. There is no watch: candidates look.
//
// Nothing is repeated, except once after a 401 (authorized_http.h). A write that was answered with
// 408, 429 or 5xx is `unknown`.
//
// Needs storage.objects.get, create and delete (overwriting needs it), and list for list(): the
// role Storage Object User. The bucket should have neither soft delete nor versioning, which keep
// and bill each renewal, and must not be readable by the public.
#pragma once

#include <memory>
#include <string>

#include "auth/credential_source.h"
#include "net/http_client.h"
#include "runtime/loop.h"
#include "store/gcs_codec.h"
#include "store/store.h"

namespace tenure {

class GcsStore {
 public:
  /// `url` is what describe() says. `loop` outlives the store. Asks the server nothing yet.
  static std::unique_ptr<Store> create(Loop& loop, std::unique_ptr<HttpClient> http,
                                       std::unique_ptr<CredentialSource> credentials,
                                       gcs::Place place, std::string url);
};

}  // namespace tenure
