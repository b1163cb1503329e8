#include "store/authorized_http.h"

#include <utility>

namespace tenure {
namespace {

class NoCredentials final : public PostingSource {
 public:
  explicit NoCredentials(Loop& loop) : PostingSource(loop) {}
  void get(Done done) override { deliver(std::move(done), Credential{}); }
  void rejected(const Credential&) override {}
};

}  // namespace

std::unique_ptr<CredentialSource> no_credentials(Loop& loop) {
  return std::make_unique<NoCredentials>(loop);
}

AuthorizedHttp::~AuthorizedHttp() {
  for (const auto& [_, call] : calls_) loop_.cancel(call.patience);
}

void AuthorizedHttp::send(HttpRequest request, HttpClient::Done done) {
  const Id id = ++last_id_;
  Call& call = calls_[id];
  call.request = std::move(request);
  call.done = std::move(done);
  authorize(id);
}

void AuthorizedHttp::authorize(Id id) {
  Call& call = calls_.at(id);
  call.patience = loop_.at(call.request.deadline, [this, id] {
    finish(id, failure(ErrorCode::unavailable, "the credentials did not come in time",
                       "check that whoever gives them can be reached"));
  });
  credentials_->get([this, id](const Result<Credential>& credential) {
    if (!calls_.contains(id)) return;
    if (!credential) return finish(id, tl::unexpected(credential.error()));
    deliver(id, *credential);
  });
}

void AuthorizedHttp::deliver(Id id, const Credential& credential) {
  Call& call = calls_.at(id);
  loop_.cancel(std::exchange(call.patience, 0));
  HttpRequest request = call.request;
  if (!credential.authorization.empty())
    request.headers.emplace_back("Authorization", credential.authorization);
  http_->send(std::move(request), [this, id, credential](Result<HttpResponse> answer) {
    on_answer(id, credential, std::move(answer));
  });
}

void AuthorizedHttp::on_answer(Id id, const Credential& credential, Result<HttpResponse> answer) {
  if (answer && answer->status == 401) {
    credentials_->rejected(credential);
    if (!std::exchange(calls_.at(id).repeated, true)) return authorize(id);
  }
  finish(id, std::move(answer));
}

void AuthorizedHttp::finish(Id id, Result<HttpResponse> answer) {
  const auto found = calls_.find(id);
  const HttpClient::Done done = std::move(found->second.done);
  loop_.cancel(found->second.patience);
  calls_.erase(found);
  done(std::move(answer));
}

}  // namespace tenure
