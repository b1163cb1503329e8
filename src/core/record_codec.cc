#include "core/record_codec.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/duration.h"
#include "core/record_json.h"

namespace tenure {
namespace {

constexpr std::array kKnownKeys = {
    "holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime", "leaderTransitions",
    "strategy",       "preferredHolder",      "writeId",     "cluster",   "version",
    "resignEpoch",    "graceMilliseconds"};

constexpr const char* kTooLarge = "it is larger than 64 KiB";

// Anything else than what text_of_write_id() writes is another program's, and so no write id.
WriteId parse_write_id(const Json* value) {
  const auto* text = value == nullptr ? nullptr : value->get_ptr<const std::string*>();
  if (text == nullptr || text->size() != 32) return {};
  WriteId id;
  for (std::size_t i = 0; i < 32; ++i) {
    const std::size_t digit = std::string_view("0123456789abcdef").find((*text)[i]);
    if (digit == std::string_view::npos) return {};
    std::uint64_t& half = i < 16 ? id.high : id.low;
    half = half << 4U | digit;
  }
  return id;
}

// Takes the keys out of a record; the first that is not as it should be is the problem. A key that
// is absent or null leaves its field alone, which is how Go reads them too.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}
  [[nodiscard]] const std::string& problem() const { return problem_; }

  [[nodiscard]] const Json* find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  void required_text(const char* key, std::string& field) {
    if (find(key) == nullptr) return fail(key, "is missing");
    text(key, field);
  }
  void text(const char* key, std::string& field) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return fail(key, "is not a string");
    field = value->get_ref<const std::string&>();
  }
  template <class Integer>
  void integer(const char* key, Integer& field, std::int64_t lowest, std::int64_t highest) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number_integer()) return fail(key, "is not a whole number");
    // An unsigned number beyond the signed range comes out of get() negative.
    const bool huge = value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX;
    const auto number = value->get<std::int64_t>();
    if (huge || number < lowest || number > highest) return fail(key, "is out of range");
    field = static_cast<Integer>(number);
  }
  void time(const char* key, WallTime& field) {
    std::string written;
    text(key, written);
    if (find(key) == nullptr || !problem_.empty()) return;
    const Result<WallTime> parsed = parse_rfc3339(written);
    if (!parsed) return fail(key, "is not a time in RFC 3339");
    field = *parsed;
  }

 private:
  void fail(const char* key, const char* what) {
    if (problem_.empty()) problem_ = std::string("its key ") + key + " " + what;
  }

  const Json& json_;
  std::string problem_;
};

bool is_known(const std::string& key) {
  return std::find(kKnownKeys.begin(), kKnownKeys.end(), key) != kKnownKeys.end();
}

std::string unknown_keys(Json json) {
  for (const char* key : kKnownKeys) json.erase(key);
  return json.empty() ? std::string() : print(json);
}

Observation unreadable(Version version, std::string problem) {
  return {Observation::Kind::unreadable, std::move(version), {}, std::move(problem)};
}

}  // namespace

std::string text_of_write_id(const WriteId& id) {
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    text[15 - i] = "0123456789abcdef"[id.high >> (4 * i) & 0xfU];
    text[31 - i] = "0123456789abcdef"[id.low >> (4 * i) & 0xfU];
  }
  return text;
}

Json unknown_keys_of(const LeaderElectionRecord& record) {
  if (record.unknown_json.empty()) return {};
  return parse_bounded(record.unknown_json).value_or(Json());
}

std::string text_of_record(const LeaderElectionRecord& record, const char* epoch_key,
                           std::string (*text_of)(WallTime)) {
  std::string text = "{";
  const auto put = [&text](std::string_view key, std::string_view value) {
    text.append(text.size() > 1 ? ",\"" : "\"").append(key).append("\":").append(value);
  };
  put("holderIdentity", json_text(record.holder_identity));
  put("leaseDurationSeconds", std::to_string(record.lease_duration_seconds));
  put("acquireTime", json_text(text_of(record.acquire_time)));
  put("renewTime", json_text(text_of(record.renew_time)));
  put(epoch_key, std::to_string(record.leader_transitions));
  put("strategy", json_text(record.strategy));
  put("preferredHolder", json_text(record.preferred_holder));
  if (record.write_id.present()) put("writeId", json_text(text_of_write_id(record.write_id)));
  put("cluster", json_text(record.cluster));
  put("version", std::to_string(record.format));
  if (record.resign_epoch != 0) put("resignEpoch", std::to_string(record.resign_epoch));
  const auto grace = std::chrono::floor<std::chrono::milliseconds>(record.grace);
  if (record.grace != Duration(0)) put("graceMilliseconds", std::to_string(grace.count()));
  if (const Json kept = unknown_keys_of(record); kept.is_object())
    for (const auto& [key, value] : kept.items())
      if (key != epoch_key && !is_known(key))
        text.append(",").append(json_text(key)).append(":").append(print(value));
  return text + "}";
}

std::string encode_record(const LeaderElectionRecord& record) {
  return text_of_record(record, "leaderTransitions", format_rfc3339);
}

Observation decode_record(std::string_view bytes, Version version) {
  if (bytes.size() > kMaxRecordBytes) return unreadable(std::move(version), kTooLarge);
  // The JSON library takes a NUL byte for the end of the text.
  if (bytes.find('\0') != std::string_view::npos)
    return unreadable(std::move(version), "it has a NUL byte");
  std::optional<Json> json = parse_bounded(bytes);
  if (!json) return unreadable(std::move(version), "it is not JSON, or nested too deeply");
  if (!json->is_object()) return unreadable(std::move(version), "it is not a JSON object");
  return observation_of_json(*std::move(json), std::move(version));
}

Observation observation_of_json(Json json, Version version) {
  Fields fields(json);
  LeaderElectionRecord record;
  std::int64_t format = kRecordFormat;
  fields.integer("version", format, 1, INT64_MAX);
  // Before anything else: what the other keys mean in a later format is not known here.
  if (format > kRecordFormat)
    return {Observation::Kind::too_new,
            std::move(version),
            {},
            "it was written in format " + std::to_string(format) +
                " by a newer tenure; this one knows formats up to " +
                std::to_string(kRecordFormat)};
  fields.required_text("holderIdentity", record.holder_identity);
  fields.integer("leaseDurationSeconds", record.lease_duration_seconds, 0, INT32_MAX);
  fields.time("acquireTime", record.acquire_time);
  fields.time("renewTime", record.renew_time);
  fields.integer("leaderTransitions", record.leader_transitions, 0, kMaxEpoch);
  fields.text("strategy", record.strategy);
  fields.text("preferredHolder", record.preferred_holder);
  record.write_id = parse_write_id(fields.find("writeId"));
  fields.text("cluster", record.cluster);
  fields.integer("resignEpoch", record.resign_epoch, 0, kMaxEpoch);
  std::int64_t grace = 0;
  fields.integer("graceMilliseconds", grace, 0, INT32_MAX);
  record.grace = std::chrono::milliseconds(grace);
  if (!fields.problem().empty()) return unreadable(std::move(version), fields.problem());

  record.unknown_json = unknown_keys(std::move(json));
  if (record.unknown_json.size() > kMaxRecordBytes)
    return unreadable(std::move(version), kTooLarge);
  return {Observation::Kind::record, std::move(version), std::move(record), {}};
}

}  // namespace tenure
