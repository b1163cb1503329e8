// CredentialSource: the credentials for the next request to a server, whatever they come from.
//
// Thread safety: the loop's thread only.
//
//   source->get([&](Result<Credential> credential) { send(request, credential); });
//   // ... and when the server answers 401:
//   source->rejected(credential);  // then get() once more and repeat the request
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/loop.h"
#include "tenure/result.h"

namespace tenure {

/// What one request is to carry. Secret: never log it.
struct Credential {
  std::string authorization{};  ///< the header's value, "Bearer …" or "Basic …"; empty for none
  std::string client_certificate_pem{};  ///< both empty for none
  std::string client_key_pem{};

  bool operator==(const Credential&) const = default;
};

class CredentialSource {
 public:
  using Done = std::function<void(Result<Credential>)>;

  /// Calls `done` once: on the loop's thread, never from inside get(), not after the source is
  /// destroyed, and within 61 seconds. May destroy the source. Errors: see what made the source.
  virtual void get(Done done) = 0;

  /// The server answered 401 to this one. No effect when a newer one is at hand already.
  virtual void rejected(const Credential& credential) = 0;

  /// Ends a fetch that is under way.
  virtual ~CredentialSource() = default;
};

/// Delivers answers as get() promises.
class PostingSource : public CredentialSource {
 protected:
  /// `loop` outlives the source.
  explicit PostingSource(Loop& loop) : loop_(loop) {}

  void deliver(Done done, Result<Credential> credential) {
    loop_.post_for(alive_, [done = std::move(done), credential = std::move(credential)]() mutable {
      done(std::move(credential));
    });
  }

  Loop& loop_;

 private:
  const std::shared_ptr<void> alive_ = std::make_shared<char>();
};

}  // namespace tenure
