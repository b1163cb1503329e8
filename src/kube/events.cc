#include "kube/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/duration.h"
#include "base/utf8.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::json;
using std::chrono::seconds;

constexpr const char* kComponent = "tenure";
constexpr std::size_t kMaxWaiting = 8;
/// What often befalls a leader is an API server that is away for a while.
constexpr Duration kPauses[] = {seconds(2), seconds(10)};
/// Of a name, and of reportingInstance: k8s.io/apimachinery and pkg/apis/core/validation/events.go.
constexpr std::size_t kMaxNameBytes = 253;
constexpr std::size_t kMaxInstanceBytes = 128;

std::string text_in_metadata(const Json& object, const char* key) {
  const Json::json_pointer pointer = Json::json_pointer("/metadata") / key;
  return object.contains(pointer) && object[pointer].is_string()
             ? object[pointer].get<std::string>()
             : std::string();
}

const char* words(LeaderEvent event) {
  return event == LeaderEvent::became_leader ? "became leader" : "stopped leading";
}

}  // namespace

std::string event_name(std::string subject, std::uint64_t number) {
  const std::string suffix = fmt::format(".{:016x}", number);
  subject.resize(std::min(subject.size(), kMaxNameBytes - suffix.size()));
  // A part of a name ends with a letter or a digit.
  while (subject.ends_with('.') || subject.ends_with('-')) subject.pop_back();
  return subject + suffix;
}

EventRecorder::EventRecorder(Loop& loop, Client& client, Options options,
                             std::function<void(std::string)> problem)
    : loop_(loop),
      options_(std::move(options)),
      namespace_(client.config().namespace_name),
      writer_({.loop = loop, .client = client, .problem = std::move(problem), .begin = [this] {
                 return begin();
               }}) {}

void EventRecorder::record(LeaderEvent event) {
  waiting_.push_back({.name = event_name(options_.lease, random_.next()),
                      .message = fmt::format("{} {}", options_.identity, words(event)),
                      .at = loop_.now().wall});
  if (waiting_.size() > kMaxWaiting) waiting_.pop_front();
  writer_.wake();
}

bool EventRecorder::begin() {
  if (!current_ && waiting_.empty()) return false;
  if (!current_) {
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
  }
  ++current_->tries;
  const std::string path =
      fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}",
                  percent_encoded(namespace_), percent_encoded(options_.lease));
  writer_.send({.path = path}, [this](const ApiAnswer& answer) {
    // A server that does not answer would not take the Event either.
    if (answer.verdict == ApiAnswer::Verdict::failed) return on_answer(answer);
    const Json lease = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    post(text_in_metadata(lease, "uid"), text_in_metadata(lease, "resourceVersion"));
  });
  return true;
}

void EventRecorder::post(const std::string& uid, const std::string& version) {
  const EventSubject lease{.api_version = "coordination.k8s.io/v1",
                           .kind = "Lease",
                           .name_space = namespace_,
                           .name = options_.lease,
                           .uid = uid,
                           .version = version};
  writer_.send({.method = "POST",
                .path = fmt::format("/api/v1/namespaces/{}/events", percent_encoded(namespace_)),
                .body = encode_event(lease, {.name = current_->name,
                                             .message = current_->message,
                                             .at = current_->at,
                                             .instance = options_.identity})},
               [this](const ApiAnswer& answer) { on_answer(answer); });
}

void EventRecorder::on_answer(const ApiAnswer& answer) {
  constexpr int kAlreadyExists = 409;  // an earlier attempt was heard, its answer was not
  if (answer.verdict == ApiAnswer::Verdict::accepted || answer.status == kAlreadyExists) {
    writer_.all_is_well();
  } else if (answer.verdict == ApiAnswer::Verdict::failed &&
             current_->tries <= static_cast<int>(std::size(kPauses))) {
    return writer_.next_after(kPauses[current_->tries - 1], answer);
  } else {
    writer_.tell(answer.status,
                 fmt::format("the Event \"{}\" was not recorded: {}{}", current_->message,
                             answer.reason, missing_verb(answer, "create", "events", namespace_)));
  }
  current_.reset();
  writer_.next();
}

// firstTimestamp, lastTimestamp and count as client-go has them, and no eventTime: what sorts by
// lastTimestamp, as many do, would lose an Event without it.
std::string encode_event(const EventSubject& subject, const LeaderElectionEvent& event) {
  const std::string at = format_rfc3339(event.at);
  Json about = {{"kind", subject.kind},
                {"apiVersion", subject.api_version},
                {"namespace", subject.name_space},
                {"name", subject.name}};
  if (!subject.uid.empty()) about["uid"] = subject.uid;
  if (!subject.version.empty()) about["resourceVersion"] = subject.version;
  return Json{{"apiVersion", "v1"},
              {"kind", "Event"},
              {"metadata", {{"name", event.name}, {"namespace", subject.name_space}}},
              {"involvedObject", about},
              {"reason", "LeaderElection"},
              {"message", event.message},
              {"type", "Normal"},
              {"firstTimestamp", at},
              {"lastTimestamp", at},
              {"count", 1},
              {"source", {{"component", kComponent}}},
              {"reportingComponent", kComponent},
              {"reportingInstance", utf8_prefix(event.instance, kMaxInstanceBytes)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tenure::kube
