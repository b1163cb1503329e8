#include "mcl/lease_object.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/duration.h"
#include "core/bounded_json.h"

namespace tenure::mcl {
namespace {

using std::chrono::seconds;

/// What is only read: half as dear as a Json, which keeps the order of keys.
using Parsed = nlohmann::json;

/// Cheaper than parse_bounded(), which makes the library report each value for it. What is no JSON
/// may be counted wrongly; the parser finds out.
bool is_deep(std::string_view bytes) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < bytes.size() && depth <= kMaxJsonDepth; ++i) {
    const char c = bytes[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
  }
  return depth > kMaxJsonDepth;
}

const Parsed& member(const Parsed& object, const char* key) {
  static const Parsed nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string text(const Parsed& object, const char* key) {
  const Parsed& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::int64_t number(const Parsed& object, const char* key) {
  const Parsed& value = member(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

std::int64_t seconds_in(const Parsed& object, const char* key) {
  const auto time = parse_rfc3339(text(object, key));
  if (!time) return 0;
  return std::chrono::floor<seconds>(*time - WallTime::from_ns(0)).count();
}

Json time_or_null(std::int64_t since_1970) {
  if (since_1970 == 0) return nullptr;
  std::string text = format_rfc3339(WallTime::from_ns(0) + seconds(since_1970));
  return text.replace(text.find('.'), std::string::npos, "Z");  // metav1.Time has no fraction
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

struct ConditionType {
  const char* type;
  const char* holds;  // the reason
  const char* fails;  // the reason
  Condition LeaseStatus::*condition;
};
constexpr std::array kConditions = {
    ConditionType{"BackendHealthy", "BackendHealthy", "BackendError",
                  &LeaseStatus::backend_healthy},
    ConditionType{"LockAcquiredInBackend", "LockAcquired", "LockNotAcquired",
                  &LeaseStatus::lock_acquired},
    ConditionType{"CandidateLive", "HeartbeatMoves", "NoHeartbeat", &LeaseStatus::candidate_live},
    ConditionType{"Leader", "Leads", "DoesNotLead", &LeaseStatus::leader},
};

const ConditionType* known(const std::string& type) {
  const auto* const found =
      std::find_if(kConditions.begin(), kConditions.end(),
                   [&](const ConditionType& condition) { return type == condition.type; });
  return found == kConditions.end() ? nullptr : found;
}

void read_condition(const Parsed& json, LeaseStatus& status, Parsed& foreign) {
  const ConditionType* type = known(text(json, "type"));
  if (type == nullptr) return foreign.push_back(json);
  status.*type->condition = {text(json, "status") == "True", text(json, "message"),
                             seconds_in(json, "lastTransitionTime")};
}

void read_status(const Parsed& json, LeaseObject& object) {
  LeaseStatus& status = object.status;
  status.observed_generation = number(json, "observedGeneration");
  status.holder = text(json, "globalHolderIdentity");
  status.renewed_seconds = seconds_in(json, "globalRenewTime");
  status.lease_duration_seconds = number(json, "globalLeaseDurationSeconds");
  status.epoch = std::clamp<Epoch>(number(json, "globalLeaseTransitions"), 0, kMaxEpoch);
  const Parsed& leads = member(json, "isLeader");
  status.is_leader = leads.is_boolean() && leads.get<bool>();
  status.heartbeat_seconds = seconds_in(json, "lastHeartbeatTime");
  const Parsed& conditions = member(json, "conditions");
  if (!conditions.is_array()) return;
  Parsed foreign;
  for (const Parsed& one : conditions) read_condition(one, status, foreign);
  if (!foreign.is_null()) object.foreign_conditions = foreign.dump();
}

Json conditions_of(const LeaseStatus& status, std::int64_t generation,
                   std::string_view foreign_conditions) {
  Json list = Json::array();
  for (const ConditionType& type : kConditions) {
    const Condition& condition = status.*type.condition;
    list.push_back(
        {{"type", type.type},
         {"status", condition.holds ? "True" : "False"},
         {"reason", condition.holds ? type.holds : type.fails},
         {"message", condition.message},
         {"observedGeneration", generation},
         {"lastTransitionTime", time_or_null(std::max<std::int64_t>(condition.since_seconds, 1))}});
  }
  if (foreign_conditions.empty()) return list;
  const Json foreign = parse_bounded(foreign_conditions).value_or(Json());
  if (foreign.is_array()) list.insert(list.end(), foreign.begin(), foreign.end());
  return list;
}

}  // namespace

std::optional<LeaseObject> decode_lease_object(std::string_view bytes) {
  // The library takes a NUL byte for the end of the text.
  if (bytes.find('\0') != std::string_view::npos || is_deep(bytes)) return std::nullopt;
  const Parsed json = Parsed::parse(bytes, nullptr, /*allow_exceptions=*/false);
  const Parsed& metadata = member(json, "metadata");
  const Parsed& spec = member(json, "spec");
  LeaseObject object;
  object.name_space = text(metadata, "namespace");
  object.uid = text(metadata, "uid");
  object.lock = text(spec, "lockName");
  Candidate& candidate = object.candidate;
  candidate.name = text(metadata, "name");
  candidate.version = text(metadata, "resourceVersion");
  candidate.generation = number(metadata, "generation");
  if (object.lock.empty()) object.lock = candidate.name;
  if (candidate.name.empty() || object.name_space.empty()) return std::nullopt;
  // One that is being deleted is no candidate any more, whatever keeps it from going.
  if (text(metadata, "deletionTimestamp").empty())
    candidate.identity = text(spec, "holderIdentity");
  candidate.renew_time = text(spec, "renewTime");
  const auto duration = [&](const char* key) { return Duration(seconds(number(spec, key))); };
  if (number(spec, "leaseDurationSeconds") > 0)
    candidate.timing.lease_duration = duration("leaseDurationSeconds");
  candidate.timing.renew_deadline = duration("renewDeadlineSeconds");
  candidate.timing.retry_period = duration("retryPeriodSeconds");
  candidate.priority = number(spec, "priority");
  read_status(member(json, "status"), object);
  return object;
}

std::string encode_candidacy(const Candidacy& candidacy, const std::string& name) {
  const auto whole_seconds = [](Duration duration) {
    return std::chrono::duration_cast<seconds>(duration).count();
  };
  const Json spec = {{"holderIdentity", candidacy.identity},
                     {"renewTime", candidacy.renew_time},
                     {"leaseDurationSeconds", whole_seconds(candidacy.timing.lease_duration)},
                     {"renewDeadlineSeconds", whole_seconds(candidacy.timing.renew_deadline)},
                     {"retryPeriodSeconds", whole_seconds(candidacy.timing.retry_period)}};
  if (!candidacy.version.empty())
    return print({{"metadata", {{"resourceVersion", candidacy.version}}}, {"spec", spec}});
  return print({{"apiVersion", kLeasesPath + std::char_traits<char>::length("/apis/")},
                {"kind", "MultiClusterLease"},
                {"metadata", {{"name", name}}},
                {"spec", spec}});
}

std::string encode_status_patch(const LeaseStatus& status, const Candidate& candidate,
                                const LockPlace& place, std::string_view foreign_conditions) {
  const bool held = !status.holder.empty();
  const Json epoch = status.epoch > 0 ? Json(status.epoch) : Json(nullptr);
  Json fields = {
      {"globalHolderIdentity", text_or_null(status.holder)},
      {"globalRenewTime", time_or_null(status.renewed_seconds)},
      {"globalLeaseDurationSeconds",
       status.lease_duration_seconds > 0 ? Json(status.lease_duration_seconds) : Json(nullptr)},
      {"globalLeaseTransitions", epoch},
      {"fencingToken", held ? epoch : Json(nullptr)},
      {"isLeader", status.is_leader},
      {"currentLeader", text_or_null(status.holder)},
      {"lastHeartbeatTime", time_or_null(status.heartbeat_seconds)},
      {"lock", {{"store", place.store}, {"key", place.key}}},
      {"conditions", conditions_of(status, candidate.generation, foreign_conditions)}};
  if (status.observed_generation > 0) fields["observedGeneration"] = status.observed_generation;
  return print(
      {{"metadata", {{"resourceVersion", candidate.version}}}, {"status", std::move(fields)}});
}

}  // namespace tenure::mcl
