#include "controller/lease_events.h"

#include <fmt/format.h>

#include <utility>

namespace tenure::controller {
namespace {

constexpr std::size_t kMaxWaiting = 256;
constexpr Duration kPause = std::chrono::seconds(2);
constexpr int kAlreadyExists = 409;  // an earlier attempt was heard, its answer was not

}  // namespace

LeaseEvents::LeaseEvents(Loop& loop, kube::Client& client, std::string instance,
                         std::function<void(std::string)> problem)
    : loop_(loop),
      instance_(std::move(instance)),
      writer_({.loop = loop, .client = client, .problem = std::move(problem), .begin = [this] {
                 return begin();
               }}) {}

void LeaseEvents::record(const kube::EventSubject& about, const std::string& message) {
  if (waiting_.size() >= kMaxWaiting) waiting_.erase(std::next(waiting_.begin()));
  waiting_.push_back({.subject = about,
                      .event = {.name = kube::event_name(about.name, random_.next()),
                                .message = message,
                                .at = loop_.now().wall,
                                .instance = instance_}});
  writer_.wake();
}

bool LeaseEvents::begin() {
  if (waiting_.empty()) return false;
  const Waiting& first = waiting_.front();
  writer_.send({.method = "POST",
                .path = fmt::format("/api/v1/namespaces/{}/events",
                                    percent_encoded(first.subject.name_space)),
                .body = kube::encode_event(first.subject, first.event)},
               [this](const kube::ApiAnswer& answer) { on_answer(answer); });
  return true;
}

void LeaseEvents::on_answer(const kube::ApiAnswer& answer) {
  using Verdict = kube::ApiAnswer::Verdict;
  Waiting& first = waiting_.front();
  if (answer.verdict == Verdict::failed && !std::exchange(first.tried, true))
    return writer_.next_after(kPause, answer);
  if (answer.verdict == Verdict::accepted || answer.status == kAlreadyExists) {
    writer_.all_is_well();
  } else {
    writer_.tell(
        answer.status,
        fmt::format("the Event \"{}\" was not recorded: {}{}", first.event.message, answer.reason,
                    kube::missing_verb(answer, "create", "events", first.subject.name_space)));
  }
  waiting_.pop_front();
  writer_.next();
}

}  // namespace tenure::controller
