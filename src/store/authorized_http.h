// AuthorizedHttp: HTTP requests that carry the credentials of a CredentialSource.
//
// A 401 makes the credentials be asked for anew, and the request goes out once more: it was
// certainly not carried out. Nothing else is repeated.
//
// Thread safety: the loop's thread only; callbacks as HttpClient has them.
//
//   AuthorizedHttp http(loop, std::move(client), std::move(credentials));
//   http.send({.url = "https://host/path", .deadline = soon}, [](Result<HttpResponse> r) { ... });
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "auth/credential_source.h"
#include "net/http_client.h"
#include "runtime/loop.h"

namespace tenure {

class AuthorizedHttp {
 public:
  /// `loop` outlives it.
  AuthorizedHttp(Loop& loop, std::unique_ptr<HttpClient> http,
                 std::unique_ptr<CredentialSource> credentials)
      : loop_(loop), http_(std::move(http)), credentials_(std::move(credentials)) {}
  ~AuthorizedHttp();
  AuthorizedHttp(const AuthorizedHttp&) = delete;
  AuthorizedHttp& operator=(const AuthorizedHttp&) = delete;

  /// The deadline includes getting credentials. Errors are those of HttpClient::send and of the
  /// source. `done` may destroy this.
  void send(HttpRequest request, HttpClient::Done done);

 private:
  using Id = std::uint64_t;
  struct Call {
    HttpRequest request;
    HttpClient::Done done;
    Loop::TimerId patience = 0;  // while credentials are awaited
    bool repeated = false;
  };

  void authorize(Id id);
  void deliver(Id id, const Credential& credential);
  void on_answer(Id id, const Credential& credential, Result<HttpResponse> answer);
  void finish(Id id, Result<HttpResponse> answer);

  Loop& loop_;
  std::map<Id, Call> calls_;
  Id last_id_ = 0;
  // Last, so that they are gone, with their callbacks, before what those would use.
  const std::unique_ptr<HttpClient> http_;
  const std::unique_ptr<CredentialSource> credentials_;
};

/// For servers that believe everybody. `loop` outlives it.
std::unique_ptr<CredentialSource> no_credentials(Loop& loop);

}  // namespace tenure
