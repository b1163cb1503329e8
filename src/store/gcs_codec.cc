#include "store/gcs_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/duration.h"
#include "base/json_walk.h"
#include "base/printable.h"
#include "core/record_codec.h"
#include "core/record_json.h"
#include "store/store_url.h"

namespace tenure::gcs {
namespace {

constexpr std::size_t kLongestName = 1024;  // bytes
constexpr std::size_t kMaxMessageBytes = 300;
constexpr int kPageSize = 1000;
constexpr std::size_t kMaxPageBytes = 4 * 1024 * 1024;
/// For a server that says "slow down" and not how long.
constexpr Duration kDefaultRetryAfter = std::chrono::seconds(1);
constexpr std::int64_t kMaxRetryAfterSeconds = 60;
/// Cannot occur in a part: both are one line each.
constexpr const char* kBoundary = "tenure-part";
/// Without it a bucket that the public may read serves old content for an hour.
constexpr const char* kMetadata =
    R"({"contentType":"application/json","cacheControl":"no-cache, no-store, must-revalidate"})";

// The record's key for the epoch, and the object's.
constexpr const char* kRecordEpoch = "leaderTransitions";
constexpr const char* kObjectEpoch = "leaseTransitions";

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string bucket_url(const Place& place, std::string_view upload = {}) {
  return fmt::format("{}{}/storage/v1/b/{}/o", place.endpoint, upload,
                     percent_encoded(place.bucket));
}

std::string object_url(const Place& place, std::string_view lock) {
  // The slashes, too, or they would be segments of the path.
  return bucket_url(place) + "/" + percent_encoded(place.prefix + std::string(lock));
}

std::string nine_digits(WallTime time) {
  std::string text = format_rfc3339(time);
  text.pop_back();  // the 'Z' behind six digits
  return text + fmt::format("{:03}Z", (time.ns() % 1000 + 1000) % 1000);
}

/// The server's words: {"error":{"code":…,"message":"…"}}, or plain text where content was asked.
/// https://cloud.google.com/storage/docs/json_api/v1/status-codes
std::string words_of(const HttpResponse& answer) {
  const auto json = parse_bounded(answer.body);
  std::string words;
  if (json && json->is_object() && json->contains("error")) {
    words = text_of((*json)["error"], "message");
    if (words.empty()) words = text_of(*json, "error_description");
  } else {
    words = answer.body;
  }
  return printable(words, kMaxMessageBytes);
}

bool is_missing_bucket(const HttpResponse& answer) {
  std::string words = words_of(answer);
  std::transform(words.begin(), words.end(), words.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return answer.status == 404 && words.find("bucket does not exist") != std::string::npos;
}

/// Why this is no success, and what to do.
std::string explain(const HttpResponse& answer, const Place& place) {
  const std::string words = words_of(answer);
  std::string out = fmt::format("Google Cloud Storage answered with {}{}{} for bucket {}",
                                answer.status, words.empty() ? "" : ": ", words, place.bucket);
  switch (answer.status) {
    case 401: return out + "; check the credentials";
    case 403: return out + "; grant the role Storage Object User on the bucket";
    case 404: return out + "; create the bucket, or correct its name";
    default: return out;
  }
}

Duration retry_after(const HttpResponse& answer) {
  const auto seconds = number_in(answer.header("retry-after"));
  if (!seconds) return kDefaultRetryAfter;
  return std::chrono::seconds(std::min<std::uint64_t>(*seconds, kMaxRetryAfterSeconds));
}

/// Also where the status is fine, for an answer that does not have what it must have.
constexpr const char* kNoGeneration =
    "the answer names no generation; check that the endpoint is Google Cloud Storage";

Observation unreadable(Version version, std::string problem) {
  return {Observation::Kind::unreadable, std::move(version), {}, std::move(problem)};
}

ReadResult failed_read(const HttpResponse& answer, const Place& place) {
  ReadResult result;
  result.server_time = http_date(answer.header("date"));
  if (answer.status == 404 && !is_missing_bucket(answer)) {
    result.outcome = ReadOutcome::ok;  // absent
    return result;
  }
  result.detail = explain(answer, place);
  if (answer.status == 429) {
    result.outcome = ReadOutcome::throttled;
    result.retry_after = retry_after(answer);
  } else if (answer.status >= 400 && answer.status < 500 && answer.status != 408) {
    result.outcome = ReadOutcome::rejected;
  }
  return result;
}

WriteOutcome write_outcome(int status) {
  switch (status) {
    case 412: return WriteOutcome::conflict;
    case 408:
    case 409:
    case 429: return WriteOutcome::unknown;
    default: return status >= 400 && status < 500 ? WriteOutcome::rejected : WriteOutcome::unknown;
  }
}

/// A folder as the console makes them; nobody could have written a record so short.
bool is_folder(std::string_view lock, std::uint64_t size) {
  return lock.empty() || (lock.ends_with('/') && size == 0);
}

}  // namespace

Status check_object_name(const Place& place, std::string_view lock) {
  if (Status named = check_lock_name(lock, kLongestName); !named) return named;
  const std::string name = place.prefix + std::string(lock);
  const auto refuse = [](const std::string& why) {
    return failure(
        ErrorCode::invalid_argument,
        "the lock's name cannot be the name of an object in Google Cloud Storage: " + why,
        "use another name, or a prefix in the URL: gs://bucket/prefix");
  };
  if (name.size() > kLongestName)
    return refuse(fmt::format("with its prefix it has {} bytes, and {} are allowed", name.size(),
                              kLongestName));
  if (name == "." || name == "..") return refuse("it would be \"" + name + "\"");
  if (name.starts_with(".well-known/acme-challenge/"))
    return refuse("it begins with .well-known/acme-challenge/");
  return {};
}

bool may_be_generation(std::string_view version) {
  constexpr std::size_t kMostDigits = 19;  // a positive int64
  const auto number = number_in(version);
  return number && version.size() <= kMostDigits && version.front() != '0' &&
         *number <= static_cast<std::uint64_t>(INT64_MAX);
}

HttpRequest read_request(const Place& place, std::string_view lock, const Version& known) {
  HttpRequest request;
  request.url = object_url(place, lock) + "?alt=media";
  if (!known.empty()) request.url += "&ifGenerationNotMatch=" + known;
  // An object that somebody has stored compressed is sent as it was before.
  // https://cloud.google.com/storage/docs/transcoding
  request.headers = {{"Accept-Encoding", "identity"}};
  request.max_response_bytes = kMaxRecordBytes;
  return request;
}

HttpRequest describe_request(const Place& place, std::string_view lock) {
  HttpRequest request;
  request.url = object_url(place, lock) + "?fields=generation,size,contentEncoding";
  request.max_response_bytes = kMaxRecordBytes;
  return request;
}

HttpRequest write_request(const Place& place, std::string_view lock,
                          const LeaderElectionRecord& record, const Version& expected) {
  HttpRequest request;
  request.method = "POST";
  request.url =
      fmt::format("{}?uploadType=multipart&name={}&ifGenerationMatch={}&fields=generation",
                  bucket_url(place, "/upload"), percent_encoded(place.prefix + std::string(lock)),
                  expected.empty() ? "0" : expected);
  request.headers = {{"Content-Type", fmt::format("multipart/related; boundary={}", kBoundary)}};
  request.body = fmt::format(
      "--{0}\r\nContent-Type: application/json\r\n\r\n{1}\r\n"
      "--{0}\r\nContent-Type: application/json\r\n\r\n{2}\r\n--{0}--\r\n",
      kBoundary, kMetadata, encode(record));
  request.max_response_bytes = kMaxRecordBytes;
  return request;
}

HttpRequest list_request(const Place& place, const std::string& page_token) {
  HttpRequest request;
  request.url = fmt::format("{}?maxResults={}&prefix={}&fields={}", bucket_url(place), kPageSize,
                            percent_encoded(place.prefix),
                            percent_encoded("items(name,generation,size),nextPageToken"));
  if (!page_token.empty()) request.url += "&pageToken=" + percent_encoded(page_token);
  request.max_response_bytes = kMaxPageBytes;
  return request;
}

std::optional<ReadResult> read_result(const HttpResponse& answer, const Version& known,
                                      const Place& place) {
  if (answer.status == 304 && !known.empty()) return std::nullopt;
  if (answer.status != 200) return failed_read(answer, place);
  ReadResult result;
  result.server_time = http_date(answer.header("date"));
  Version version(answer.header("x-goog-generation"));
  if (!may_be_generation(version)) {
    result.detail = kNoGeneration;
    return result;
  }
  result.outcome = ReadOutcome::ok;
  const std::string_view encoding = answer.header("content-encoding");
  result.observation =
      encoding.empty() || encoding == "identity"
          ? decode(answer.body, std::move(version))
          : unreadable(std::move(version), "its content is encoded as " + printable(encoding, 40));
  return result;
}

// A generation is the microsecond of the writing, which nobody promises: believed when it fits the
// header that is.
std::optional<Written> written_at(const HttpResponse& answer) {
  const auto modified = http_date(answer.header("last-modified"));
  if (!modified) return std::nullopt;
  constexpr std::uint64_t kMostThatFits = INT64_MAX / 1000;
  const std::uint64_t generation = number_in(answer.header("x-goog-generation")).value_or(0);
  const WallTime exact =
      WallTime::from_ns(static_cast<std::int64_t>(std::min(generation, kMostThatFits)) * 1000);
  const Duration within = exact - *modified;
  const Duration second = std::chrono::seconds(1);
  if (within >= Duration(0) && within < second) return Written{exact, exact};
  return Written{*modified, *modified + second};
}

ReadResult described_result(const HttpResponse& answer, const Place& place) {
  if (answer.status != 200) return failed_read(answer, place);
  ReadResult result;
  result.server_time = http_date(answer.header("date"));
  const Json json = parse_bounded(answer.body).value_or(Json());
  Version version = text_of(json, "generation");
  const auto size = number_in(text_of(json, "size"));
  if (!may_be_generation(version) || !size) {
    result.detail = kNoGeneration;
  } else if (*size > kMaxRecordBytes || !text_of(json, "contentEncoding").empty()) {
    result.outcome = ReadOutcome::ok;
    result.observation = unreadable(std::move(version), "it is larger than 64 KiB");
  } else {
    result.detail = "the object has just been replaced";
  }
  return result;
}

WriteResult write_result(const HttpResponse& answer, const Place& place) {
  WriteResult result;
  result.server_time = http_date(answer.header("date"));
  if (answer.status == 200) {
    JsonWalk(answer.body).each_member([&](std::string_view key, JsonValue& value) {
      if (key == "generation") result.version = tenure::text_of(value);
      return true;
    });
    if (may_be_generation(result.version)) {
      result.outcome = WriteOutcome::applied;
    } else {
      result.version.clear();
      result.detail = kNoGeneration;
    }
    return result;
  }
  result.outcome = write_outcome(answer.status);
  result.detail = explain(answer, place);
  if (answer.status == 429) result.retry_after = retry_after(answer);
  return result;
}

Result<Page> list_result(const HttpResponse& answer, const Place& place) {
  if (answer.status != 200) {
    const bool refused = answer.status == 401 || answer.status == 403;
    return failure(refused                ? ErrorCode::permission_denied
                   : answer.status == 404 ? ErrorCode::not_found
                                          : ErrorCode::unavailable,
                   explain(answer, place));
  }
  const auto json = parse_bounded(answer.body);
  if (!json || !json->is_object())
    return failure(ErrorCode::corrupt, "the answer to a list is no JSON object",
                   "check that the endpoint is Google Cloud Storage");
  Page page;
  page.next = text_of(*json, "nextPageToken");
  const auto items = json->find("items");  // absent when there are none
  if (items == json->end() || !items->is_array()) return page;
  for (const Json& item : *items) {
    const std::string name = text_of(item, "name");
    if (!name.starts_with(place.prefix)) continue;
    ListedObject object{name.substr(place.prefix.size()), std::nullopt};
    const auto size = number_in(text_of(item, "size")).value_or(0);
    if (is_folder(object.lock, size)) continue;
    if (Version version = text_of(item, "generation");
        size > kMaxRecordBytes && may_be_generation(version))
      object.observation = unreadable(std::move(version), "it is larger than 64 KiB");
    page.objects.push_back(std::move(object));
  }
  return page;
}

std::string encode(const LeaderElectionRecord& record) {
  return text_of_record(record, kObjectEpoch, nine_digits);
}

Observation decode(std::string_view bytes, Version version) {
  std::optional<Json> json;
  if (bytes.size() <= kMaxRecordBytes) json = parse_bounded(bytes);
  if (!json || !json->is_object())
    return decode_record(bytes, std::move(version));  // it says what is wrong
  if (const auto found = json->find(kObjectEpoch); found != json->end()) {
    const Json epoch = *found;
    json->erase(kObjectEpoch);
    (*json)[kRecordEpoch] = epoch;
  }
  return observation_of_json(*std::move(json), std::move(version));
}

}  // namespace tenure::gcs
