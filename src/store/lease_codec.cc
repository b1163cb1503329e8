#include "store/lease_codec.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/duration.h"
#include "core/record_json.h"
#include "kube/names.h"
#include "kube/object_reader.h"

namespace tenure {
namespace {

constexpr const char* kApiVersion = "coordination.k8s.io/v1";
constexpr std::string_view kOurs = "tenure.dev/";

/// The keys of a record and of a Lease's spec that mean the same.
struct Renamed {
  const char* record;
  const char* lease;
};
constexpr std::array kSpecKeys = {
    Renamed{"holderIdentity", "holderIdentity"},
    Renamed{"leaseDurationSeconds", "leaseDurationSeconds"},
    Renamed{"acquireTime", "acquireTime"},
    Renamed{"renewTime", "renewTime"},
    Renamed{"leaderTransitions", "leaseTransitions"},
    Renamed{"strategy", "strategy"},
    Renamed{"preferredHolder", "preferredHolder"},
};
/// The parts of a Lease's metadata that an update would lose if they were not sent back.
constexpr std::array kKeptMetadata = {"labels", "ownerReferences", "finalizers"};

/// The member of an object; null when there is none.
const Json& member(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(key);
  return found == object.end() ? nothing : *found;
}

std::string text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::string annotation(const Json& lease, const char* name) {
  return text(member(member(member(lease, "metadata"), "annotations"), name));
}

Version version_of(const std::string& resource_version, const std::string& uid) {
  return resource_version.empty() || uid.empty() ? Version() : resource_version + "@" + uid;
}

Version version_in(const Json& metadata) {
  return version_of(text(member(metadata, "resourceVersion")), text(member(metadata, "uid")));
}

Version version_of(const kube::ObjectVersion& object) {
  return version_of(object.version, object.uid);
}

/// Says which write a write id names. client-go sets a new renewTime, in microseconds, with every
/// write.
std::string write_of(const std::string& renew_time, const std::string& transitions,
                     const std::string& holder) {
  return renew_time + " " + transitions + " " + holder;
}

/// Numbers stand as text in annotations; what is no number stays text, which the record's codec
/// then refuses.
Json number_in(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return text;
  return number;
}

bool is_spec_key(std::string_view key) {
  for (const auto& [_, known] : kSpecKeys)
    if (key == known) return true;
  return false;
}

/// What the record has no key for, in the Lease's own shape.
void keep_foreign(const Json& lease, Json& record) {
  const Json& metadata = member(lease, "metadata");
  Json kept;
  for (const char* key : kKeptMetadata)
    if (!member(metadata, key).is_null()) kept[key] = member(metadata, key);
  if (const Json& all = member(metadata, "annotations"); all.is_object())
    for (const auto& [key, value] : all.items())
      if (!key.starts_with(kOurs)) kept["annotations"][key] = value;
  if (!kept.is_null()) record["metadata"] = std::move(kept);
  if (const Json& spec = member(lease, "spec"); spec.is_object())
    for (const auto& [key, value] : spec.items())
      if (!is_spec_key(key)) record["spec"][key] = value;
}

Json record_in(const Json& lease) {
  const Json& spec = member(lease, "spec");
  Json record;
  for (const auto& [ours, theirs] : kSpecKeys)
    if (!member(spec, theirs).is_null()) record[ours] = member(spec, theirs);
  // Absent in a Lease that nobody has held yet.
  if (!record.contains("holderIdentity")) record["holderIdentity"] = "";
  if (annotation(lease, "tenure.dev/write-of") == write_of(text(member(spec, "renewTime")),
                                                           print(member(spec, "leaseTransitions")),
                                                           text(member(spec, "holderIdentity"))))
    record["writeId"] = annotation(lease, "tenure.dev/write-id");
  record["cluster"] = annotation(lease, "tenure.dev/cluster");
  if (const auto format = annotation(lease, "tenure.dev/format"); !format.empty())
    record["version"] = number_in(format);
  if (const auto epoch = annotation(lease, "tenure.dev/resign-epoch"); !epoch.empty())
    record["resignEpoch"] = number_in(epoch);
  keep_foreign(lease, record);
  return record;
}

Observation unreadable(const char* problem) {
  Observation observation;
  observation.kind = Observation::Kind::unreadable;
  observation.problem = problem;
  return observation;
}

Observation not_json() {
  return unreadable("it is not JSON, or nested too deeply");
}

Observation decode(const Json& lease) {
  Version version = version_in(member(lease, "metadata"));
  if (version.empty()) return unreadable("it is not a Lease: it has no resourceVersion or no uid");
  return observation_of_json(record_in(lease), std::move(version));
}

/// Members of an object, each with a comma before it: those that keep_foreign() has kept.
std::string kept_members(const Json& kept, bool (*is_ours)(std::string_view key)) {
  std::string members;
  if (!kept.is_object()) return members;
  for (const auto& [key, value] : kept.items())
    if (!is_ours(key)) members += fmt::format(",{}:{}", json_text(key), print(value));
  return members;
}

std::string metadata_of(const std::string& namespace_name, const std::string& name,
                        const Version& version, const Json& kept) {
  std::string metadata =
      fmt::format(R"("name":{},"namespace":{})", json_text(name), json_text(namespace_name));
  if (const std::size_t at = version.find('@'); at != Version::npos)
    metadata += fmt::format(R"(,"resourceVersion":{},"uid":{})", json_text(version.substr(0, at)),
                            json_text(version.substr(at + 1)));
  for (const char* key : kKeptMetadata)
    if (const Json& value = member(kept, key); !value.is_null())
      metadata += fmt::format(R"(,"{}":{})", key, print(value));
  return metadata;
}

std::string annotations_of(const LeaderElectionRecord& record, const std::string& renew_time) {
  std::string all = fmt::format(R"("tenure.dev/format":"{}")", record.format);
  if (!record.cluster.empty())
    all += fmt::format(R"(,"tenure.dev/cluster":{})", json_text(record.cluster));
  if (record.resign_epoch != 0)
    all += fmt::format(R"(,"tenure.dev/resign-epoch":"{}")", record.resign_epoch);
  if (record.write_id.present())
    all += fmt::format(R"(,"tenure.dev/write-id":"{}","tenure.dev/write-of":{})",
                       text_of_write_id(record.write_id),
                       json_text(write_of(renew_time, std::to_string(record.leader_transitions),
                                          record.holder_identity)));
  return all;
}

std::string spec_of(const LeaderElectionRecord& record, const std::string& renew_time) {
  std::string spec = fmt::format(
      R"("holderIdentity":{},"leaseDurationSeconds":{},"acquireTime":"{}","renewTime":"{}","leaseTransitions":{})",
      json_text(record.holder_identity), record.lease_duration_seconds,
      format_rfc3339(record.acquire_time), renew_time, record.leader_transitions);
  // The API server refuses an empty strategy, and a preferred holder without a strategy.
  if (!record.strategy.empty())
    spec += fmt::format(R"(,"strategy":{},"preferredHolder":{})", json_text(record.strategy),
                        json_text(record.preferred_holder));
  return spec;
}

}  // namespace

std::string encode_lease(const LeaderElectionRecord& record, const std::string& namespace_name,
                         const std::string& name, const Version& version) {
  const Json kept = unknown_keys_of(record);
  const Json& metadata = member(kept, "metadata");
  const std::string renew_time = format_rfc3339(record.renew_time);
  return fmt::format(
      R"({{"apiVersion":"{}","kind":"Lease","metadata":{{{},"annotations":{{{}{}}}}},"spec":{{{}{}}}}})",
      kApiVersion, metadata_of(namespace_name, name, version, metadata),
      annotations_of(record, renew_time),
      kept_members(member(metadata, "annotations"),
                   [](std::string_view key) { return key.starts_with(kOurs); }),
      spec_of(record, renew_time), kept_members(member(kept, "spec"), is_spec_key));
}

bool may_be_lease_version(std::string_view version) {
  const std::size_t at = version.find('@');
  return at != std::string_view::npos && at > 0 && at + 1 < version.size();
}

Observation decode_lease(std::string_view bytes) {
  const auto lease = parse_bounded(bytes);
  return lease ? decode(*lease) : not_json();
}

LeasePage decode_lease_list(std::string_view bytes) {
  LeasePage page;
  const auto list = parse_bounded(bytes);
  if (!list || !member(*list, "items").is_array()) return page;
  page.readable = true;
  page.next = text(member(member(*list, "metadata"), "continue"));
  for (const Json& lease : member(*list, "items"))
    page.locks.push_back({text(member(member(lease, "metadata"), "name")), decode(lease)});
  return page;
}

Version lease_version(std::string_view bytes) {
  return version_of(kube::version_of_object(bytes));
}

Version watched_version(std::string_view line) {
  // That of an ERROR is a Status, which has no uid.
  return version_of(kube::version_of_event(line));
}

Observation decode_watched_lease(std::string_view line) {
  const auto event = parse_bounded(line);
  if (!event) return not_json();
  if (text(member(*event, "type")) == "DELETED") return {};
  return decode(member(*event, "object"));
}

Status check_lease_name(std::string_view name) {
  if (kube::is_dns_subdomain(name)) return {};
  return failure(ErrorCode::invalid_argument,
                 "the lock's name cannot be the name of a Kubernetes Lease",
                 "use lower-case letters, digits, '-' and '.', at most 253 characters, such as "
                 "\"my-job\"");
}

}  // namespace tenure
