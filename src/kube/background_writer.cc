#include "kube/background_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tenure::kube {
namespace {

constexpr Duration kRequestTimeout = std::chrono::seconds(10);

ApiAnswer judge(Result<HttpResponse> response) {
  using Verdict = ApiAnswer::Verdict;
  ApiAnswer answer;
  if (!response) {
    answer.reason = response.error().to_string();
    return answer;
  }
  answer.status = response->status;
  if (response->status >= 200 && response->status < 300) {
    answer.verdict = Verdict::accepted;
    answer.body = std::move(response->body);
    return answer;
  }
  const ApiFailure failure = parse_failure(*response);
  const bool may_pass = failure.code == 429 || failure.code >= 500;
  answer.verdict = may_pass ? Verdict::failed : Verdict::refused;
  answer.reason = failure.message.empty()
                      ? fmt::format("the API server answered with status {}", failure.code)
                      : failure.message;
  answer.wait = failure.retry_after.value_or(Duration(0));
  return answer;
}

}  // namespace

BackgroundWriter::BackgroundWriter(Parts parts)
    : loop_(parts.loop),
      client_(parts.client),
      problem_(std::move(parts.problem)),
      begin_(std::move(parts.begin)),
      alive_(std::make_shared<char>()) {}

BackgroundWriter::~BackgroundWriter() {
  loop_.cancel(pause_);
  loop_.cancel(patience_);
}

void BackgroundWriter::wake() {
  if (busy_ || pause_ != 0) return;
  busy_ = begin_();
  if (!busy_) end_settling();
}

void BackgroundWriter::hurry() {
  loop_.cancel(std::exchange(pause_, 0));
  wake();
}

void BackgroundWriter::send(ApiRequest request, std::function<void(const ApiAnswer&)> done) {
  request.deadline = loop_.now().mono + kRequestTimeout;
  client_.send(std::move(request), [alive = std::weak_ptr(alive_),
                                    done = std::move(done)](Result<HttpResponse> response) {
    if (!alive.expired()) done(judge(std::move(response)));
  });
}

void BackgroundWriter::next() {
  busy_ = false;
  wake();
}

void BackgroundWriter::next_after(Duration pause, const ApiAnswer& answer) {
  busy_ = false;
  pause = std::max(random_.between(pause / 2, pause), answer.wait);
  pause_ = loop_.at(loop_.now().mono + pause, [this] { hurry(); });
}

void BackgroundWriter::tell(int status, std::string problem) {
  if (told_.insert(status).second) problem_(std::move(problem));
}

void BackgroundWriter::settle(Instant deadline, std::function<void()> done) {
  loop_.cancel(patience_);
  settled_ = std::move(done);
  patience_ = loop_.at(deadline, [this] { end_settling(); });
  loop_.post_for(alive_, [this] { hurry(); });
}

void BackgroundWriter::end_settling() {
  loop_.cancel(std::exchange(patience_, 0));
  if (const auto done = std::exchange(settled_, {})) done();
}

std::string missing_verb(const ApiAnswer& answer, const std::string& verb,
                         const std::string& resource, const std::string& namespace_name) {
  // Quotas and admission plugins answer 403, too; these words are the authorizer's.
  const std::string denied = fmt::format("cannot {} resource \"{}\"", verb, resource);
  if (answer.status != 403 || answer.reason.find(denied) == std::string::npos) return {};
  return fmt::format("; allow the verb {} on {} in namespace {}", verb, resource, namespace_name);
}

}  // namespace tenure::kube
