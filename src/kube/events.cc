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

/// "LEASE.0123456789abcdef", with as much of the Lease's name as there is room for.
std::string event_name(std::string lease, std::uint64_t number) {
  const std::string suffix = fmt::format(".{:016x}", number);
  lease.resize(std::min(lease.size(), kMaxNameBytes - suffix.size()));
  // A part of a name ends with a letter or a digit.
  while (lease.ends_with('.') || lease.ends_with('-')) lease.pop_back();
  return lease + suffix;
}

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
    post({.uid = text_in_metadata(lease, "uid"),
          .resource_version = text_in_metadata(lease, "resourceVersion")});
  });
  return true;
}

void EventRecorder::post(const LeaseMark& lease) {
  writer_.send({.method = "POST",
                .path = fmt::format("/api/v1/namespaces/{}/events", percent_encoded(namespace_)),
                .body = body(lease)},
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
std::string EventRecorder::body(const LeaseMark& lease) const {
  const std::string at = format_rfc3339(current_->at);
  Json about = {{"kind", "Lease"},
                {"apiVersion", "coordination.k8s.io/v1"},
                {"namespace", namespace_},
                {"name", options_.lease}};
  if (!lease.uid.empty()) about["uid"] = lease.uid;
  if (!lease.resource_version.empty()) about["resourceVersion"] = lease.resource_version;
  return Json{{"apiVersion", "v1"},
              {"kind", "Event"},
              {"metadata", {{"name", current_->name}, {"namespace", namespace_}}},
              {"involvedObject", about},
              {"reason", "LeaderElection"},
              {"message", current_->message},
              {"type", "Normal"},
              {"firstTimestamp", at},
              {"lastTimestamp", at},
              {"count", 1},
              {"source", {{"component", kComponent}}},
              {"reportingComponent", kComponent},
              {"reportingInstance", utf8_prefix(options_.identity, kMaxInstanceBytes)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tenure::kube
