// CachedSource: a CredentialSource whose credentials must be fetched and then last for a while. One
// fetch for all who wait; when to fetch and what to hand out meanwhile is CredentialCache's choice.
//
// Thread safety: the loop's thread only.
//
//   class Plugin final : public CachedSource {
//     void fetch() override { start([this](auto credential, auto end) { fetched(credential, end);
//     }); }
//   };
#pragma once

#include <optional>
#include <vector>

#include "auth/credential_cache.h"
#include "auth/credential_source.h"

namespace tenure {

class CachedSource : public PostingSource {
 public:
  void get(Done done) final;
  void rejected(const Credential& credential) final { cache_.rejected(loop_.now(), credential); }

 protected:
  using PostingSource::PostingSource;

  /// Begins one, which leads to one call of fetched() or failed(), perhaps from inside. Not called
  /// again before that.
  virtual void fetch() = 0;

  void fetched(Credential credential, std::optional<WallTime> expires);
  void fetched(Credential credential, Instant expires);
  void failed(const Error& error);

 private:
  void answer_all(const Result<Credential>& credential);

  CredentialCache cache_;
  std::vector<Done> waiters_;
};

}  // namespace tenure
