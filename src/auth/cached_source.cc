#include "auth/cached_source.h"

#include <utility>

namespace tenure {

void CachedSource::get(Done done) {
  const auto todo = cache_.ask(loop_.now());
  switch (todo.answer) {
    case CredentialCache::Answer::cached: deliver(std::move(done), cache_.credential()); break;
    case CredentialCache::Answer::failure:
      deliver(std::move(done), tl::unexpected(cache_.error()));
      break;
    case CredentialCache::Answer::wait: waiters_.push_back(std::move(done)); break;
  }
  if (todo.fetch) fetch();
}

void CachedSource::fetched(Credential credential, std::optional<WallTime> expires) {
  cache_.fetched(loop_.now(), credential, expires);
  answer_all(std::move(credential));
}

void CachedSource::fetched(Credential credential, Instant expires) {
  cache_.fetched(loop_.now(), credential, expires);
  answer_all(std::move(credential));
}

void CachedSource::failed(const Error& error) {
  cache_.failed(loop_.now(), error);
  answer_all(tl::unexpected(error));
}

void CachedSource::answer_all(const Result<Credential>& credential) {
  for (Done& done : std::exchange(waiters_, {})) deliver(std::move(done), credential);
}

}  // namespace tenure
