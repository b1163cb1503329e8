#include "store/gcs_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/duration.h"
#include "base/random.h"
#include "core/record_codec.h"

namespace tenure::gcs {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = Observation::Kind;

const Place kPlace{"https://storage.googleapis.com", "locks", "app/"};
constexpr const char* kContent =
    R"({"holderIdentity":"pod-a","leaseDurationSeconds":15,)"
    R"("acquireTime":"2026-01-02T03:04:05.000000001Z","renewTime":"2026-01-02T03:04:06.123456789Z",)"
    R"("leaseTransitions":7,"strategy":"","preferredHolder":"",)"
    R"("writeId":"0123456789abcdeffedcba9876543211","cluster":"eu-west","version":1})";

LeaderElectionRecord held_record() {
  LeaderElectionRecord record;
  record.holder_identity = "pod-a";
  record.lease_duration_seconds = 15;
  record.acquire_time = *parse_rfc3339("2026-01-02T03:04:05.000000001Z");
  record.renew_time = *parse_rfc3339("2026-01-02T03:04:06.123456789Z");
  record.leader_transitions = 7;
  record.write_id = {0x0123456789abcdef, 0xfedcba9876543211};
  record.cluster = "eu-west";
  return record;
}

HttpResponse answer(int status, std::string body = {}, HttpHeaders headers = {}) {
  return {status, std::move(headers), std::move(body)};
}

std::string error_body(int code, const std::string& message) {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"message":")" + message + R"("}})";
}

// -------------------------------------------------------------------------------------------------
// content

TEST(GcsCodec, WritesTheEpochAndTimesAsTheOtherControllersDo) {
  EXPECT_EQ(encode(held_record()), kContent);
}

TEST(GcsCodec, WhatWasWrittenIsReadBack) {
  LeaderElectionRecord record = held_record();
  record.preferred_holder = "pod-b";
  record.strategy = "OldestEmulationVersion";
  record.resign_epoch = 7;
  record.unknown_json = R"({"fromTheFuture":{"list":[1,2,3]}})";
  const Observation seen = decode(encode(record), "41");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_EQ(seen.record, record);
  EXPECT_EQ(seen.version, "41");
}

TEST(GcsCodec, TimesBeforeTheEpochKeepTheirNanoseconds) {
  LeaderElectionRecord record = held_record();
  for (const std::int64_t ns :
       {std::int64_t{-1}, std::int64_t{-1'000'000'001}, std::int64_t{0},
        std::numeric_limits<std::int64_t>::min() + 1, std::numeric_limits<std::int64_t>::max()}) {
    record.renew_time = WallTime::from_ns(ns);
    EXPECT_EQ(decode(encode(record), "1").record.renew_time.ns(), ns);
  }
}

// As gke-labs/multicluster-leader-election writes it: Go's time.Time, and no write id.
TEST(GcsCodec, ARecordOfAnotherControllerIsForeignAndStatesNoDuration) {
  const Observation seen = decode(
      R"({"holderIdentity":"eu/pod-1","renewTime":"2026-01-02T03:04:05.123456789Z","leaseTransitions":7})",
      "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_EQ(seen.record.holder_identity, "eu/pod-1");
  EXPECT_EQ(seen.record.leader_transitions, 7);
  EXPECT_EQ(seen.record.renew_time, *parse_rfc3339("2026-01-02T03:04:05.123456789Z"));
  EXPECT_EQ(seen.record.lease_duration_seconds, 0);
  EXPECT_FALSE(seen.record.write_id.present());
}

TEST(GcsCodec, ABlankHolderIsAFreeLockThatKeepsItsEpoch) {
  const Observation seen = decode(
      R"({"holderIdentity":"","renewTime":"0001-01-01T00:00:00Z","leaseTransitions":7})", "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_TRUE(seen.record.is_free());
  EXPECT_EQ(seen.record.leader_transitions, 7);
}

TEST(GcsCodec, WhatAnotherProgramAddedIsKept) {
  const Observation seen =
      decode(R"({"holderIdentity":"a","leaseTransitions":7,"note":{"by":"ops"}})", "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_THAT(encode(seen.record), HasSubstr(R"("note":{"by":"ops"})"));
}

// A record that was copied here from another store must not lose its epoch.
TEST(GcsCodec, TheEpochUnderClientGosNameCountsWhereThereIsNoOther) {
  EXPECT_EQ(decode(encode_record(held_record()), "1").record.leader_transitions, 7);
  EXPECT_EQ(decode(R"({"holderIdentity":"a","leaderTransitions":3,"leaseTransitions":9})", "1")
                .record.leader_transitions,
            9);
}

TEST(GcsCodec, WhatIsNoRecordIsUnreadableAndSaysWhy) {
  const std::string held = kContent;
  for (const std::string& bytes :
       {std::string(), std::string("[]"), std::string("null"), std::string("{}"),
        held.substr(0, held.size() - 1), std::string(20'000, '['), std::string(100'000, ' '),
        held + std::string(1, '\0'), std::string(R"({"holderIdentity":"a","leaseTransitions":-1})"),
        std::string(R"({"holderIdentity":"a","leaseTransitions":"7"})"),
        std::string(R"({"holderIdentity":"a","leaseTransitions":2147483648})"),
        std::string(R"({"holderIdentity":"a","renewTime":"yesterday"})")}) {
    const Observation seen = decode(bytes, "41");
    EXPECT_EQ(seen.kind, Kind::unreadable) << bytes.substr(0, 80);
    EXPECT_NE(seen.problem, "");
    EXPECT_EQ(seen.version, "41");
  }
  EXPECT_EQ(decode(R"({"version":2})", "41").kind, Kind::too_new);
}

TEST(GcsCodec, RandomDamageNeverCrashesAndWhatIsReadCanBeWrittenBack) {
  SplitMix random(11);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = kContent;
    for (std::uint64_t n = random.below(8) + 1; n > 0 && !damaged.empty(); --n) {
      const std::size_t at = random.below(damaged.size());
      switch (random.below(3)) {
        case 0: damaged[at] = static_cast<char>(random.next()); break;
        case 1: damaged.erase(at, random.below(20)); break;
        default: damaged.insert(at, damaged.substr(random.below(damaged.size()), 20)); break;
      }
    }
    const Observation seen = decode(damaged, "1");
    if (seen.kind == Kind::record)
      EXPECT_EQ(decode(encode(seen.record), "1").record, seen.record) << damaged;
    else
      EXPECT_NE(seen.problem, "") << damaged;
  }
}

// -------------------------------------------------------------------------------------------------
// names, versions, requests

TEST(GcsCodec, NamesThatNoObjectCanHaveAreRefused) {
  const Place bare{"https://h", "locks", ""};
  EXPECT_TRUE(check_object_name(bare, "leases/default/my-job"));
  EXPECT_TRUE(check_object_name(kPlace, ".."));  // app/..
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a\nb"),
        std::string("\xff"), std::string(".well-known/acme-challenge/x"), std::string(1025, 'x')})
    EXPECT_FALSE(check_object_name(bare, name)) << name;
  const Place deep{"https://h", "locks", std::string(800, 'p') + "/"};
  EXPECT_TRUE(check_object_name(deep, std::string(223, 'x')));
  EXPECT_FALSE(check_object_name(deep, std::string(224, 'x')));
}

TEST(GcsCodec, AGenerationIsAPositiveNumber) {
  for (const char* good : {"1", "1700000000123456", "9223372036854775807"})
    EXPECT_TRUE(may_be_generation(good)) << good;
  for (const char* bad : {"", "0", "01", "-1", "+1", "1 ", "1&x=2", "1e3", "no number",
                          "9223372036854775808", "18446744073709551616", "٣"})
    EXPECT_FALSE(may_be_generation(bad)) << bad;
}

TEST(GcsCodec, AReadNamesTheObjectAndTheVersionThatIsKnown) {
  const HttpRequest first = read_request(kPlace, "a/b ?#%41", "");
  EXPECT_EQ(first.method, "GET");
  EXPECT_EQ(
      first.url,
      "https://storage.googleapis.com/storage/v1/b/locks/o/app%2Fa%2Fb%20%3F%23%2541?alt=media");
  EXPECT_EQ(read_request(kPlace, "a", "41").url,
            "https://storage.googleapis.com/storage/v1/b/locks/o/app%2Fa?alt=media"
            "&ifGenerationNotMatch=41");
}

TEST(GcsCodec, AWriteIsConditionalAndMayNotBeCached) {
  const HttpRequest create = write_request(kPlace, "a/b", held_record(), "");
  EXPECT_EQ(create.method, "POST");
  EXPECT_EQ(create.url,
            "https://storage.googleapis.com/upload/storage/v1/b/locks/o?uploadType=multipart"
            "&name=app%2Fa%2Fb&ifGenerationMatch=0&fields=generation");
  EXPECT_EQ(create.headers,
            HttpHeaders({{"Content-Type", "multipart/related; boundary=tenure-part"}}));
  EXPECT_EQ(
      create.body,
      "--tenure-part\r\nContent-Type: application/json\r\n\r\n"
      R"({"contentType":"application/json","cacheControl":"no-cache, no-store, must-revalidate"})"
      "\r\n--tenure-part\r\nContent-Type: application/json\r\n\r\n" +
          std::string(kContent) + "\r\n--tenure-part--\r\n");
  EXPECT_THAT(write_request(kPlace, "a", held_record(), "41").url,
              HasSubstr("&ifGenerationMatch=41&"));
}

TEST(GcsCodec, NoRecordCanEndItsPartOfTheUpload) {
  LeaderElectionRecord record = held_record();
  record.holder_identity = "x\r\n--tenure-part--\r\n";
  const std::string content = encode(record);
  EXPECT_THAT(content, Not(HasSubstr("\n")));
  EXPECT_EQ(decode(content, "1").record.holder_identity, record.holder_identity);
}

TEST(GcsCodec, AListNamesPrefixAndPage) {
  const Place place{"http://127.0.0.1:1", "locks", "ä&b/"};
  EXPECT_EQ(list_request(place, "").url,
            "http://127.0.0.1:1/storage/v1/b/locks/o?maxResults=1000&prefix=%C3%A4%26b%2F"
            "&fields=items%28name%2Cgeneration%2Csize%29%2CnextPageToken");
  EXPECT_THAT(list_request(place, "t=1&x").url, HasSubstr("&pageToken=t%3D1%26x"));
}

// -------------------------------------------------------------------------------------------------
// answers

TEST(GcsCodec, AReadThatSucceedsHasContentVersionAndTheServersTime) {
  const auto result =
      read_result(answer(200, kContent,
                         {{"x-goog-generation", "41"}, {"date", "Fri, 02 Jan 2026 03:04:07 GMT"}}),
                  "", kPlace);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->outcome, ReadOutcome::ok);
  EXPECT_EQ(result->observation.version, "41");
  EXPECT_EQ(result->observation.record, held_record());
  EXPECT_EQ(result->server_time, *parse_rfc3339("2026-01-02T03:04:07Z"));
}

TEST(GcsCodec, NotModifiedMeansTheKnownVersionAndNothingWithoutOne) {
  EXPECT_FALSE(read_result(answer(304), "41", kPlace));
  const auto unasked = read_result(answer(304), "", kPlace);
  ASSERT_TRUE(unasked);
  EXPECT_EQ(unasked->outcome, ReadOutcome::unknown);
}

TEST(GcsCodec, AReadWithoutAVersionIsNoObservation) {
  for (const char* version : {"", "0", "abc", "-5", "99999999999999999999"}) {
    const auto result =
        read_result(answer(200, kContent, {{"x-goog-generation", version}}), "", kPlace);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->outcome, ReadOutcome::unknown) << version;
    EXPECT_THAT(result->detail, HasSubstr("Google Cloud Storage"));
  }
}

TEST(GcsCodec, CompressedContentIsUnreadableAndHasAVersion) {
  const auto result = read_result(
      answer(200, kContent, {{"x-goog-generation", "41"}, {"content-encoding", "gzip"}}), "",
      kPlace);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->observation.kind, Kind::unreadable);
  EXPECT_EQ(result->observation.version, "41");
  EXPECT_THAT(result->observation.problem, HasSubstr("gzip"));
}

TEST(GcsCodec, EachStatusOfAReadMeansWhatTheApiSays) {
  struct Row {
    int status;
    const char* body;
    ReadOutcome outcome;
  };
  for (const Row& row : {
           Row{404, "No such object: locks/app/a", ReadOutcome::ok},
           Row{404, "Not Found", ReadOutcome::ok},
           Row{404, "The specified bucket does not exist.", ReadOutcome::rejected},
           Row{400, "", ReadOutcome::rejected},
           Row{401, "", ReadOutcome::rejected},
           Row{403, "", ReadOutcome::rejected},
           Row{429, "", ReadOutcome::throttled},
           Row{408, "", ReadOutcome::unknown},
           Row{500, "", ReadOutcome::unknown},
           Row{502, "", ReadOutcome::unknown},
           Row{503, "", ReadOutcome::unknown},
           Row{504, "", ReadOutcome::unknown},
           Row{302, "", ReadOutcome::unknown},
       }) {
    for (const std::string& body : {std::string(row.body), error_body(row.status, row.body)}) {
      const auto result = read_result(answer(row.status, body), "41", kPlace);
      ASSERT_TRUE(result);
      EXPECT_EQ(result->outcome, row.outcome) << row.status << ' ' << body;
      EXPECT_EQ(result->observation.kind, Kind::absent);
      EXPECT_EQ(result->detail.empty(), row.outcome == ReadOutcome::ok) << row.status;
    }
  }
}

TEST(GcsCodec, EachStatusOfAWriteMeansWhatTheApiSays) {
  const std::pair<int, WriteOutcome> table[] = {
      {412, WriteOutcome::conflict}, {400, WriteOutcome::rejected}, {401, WriteOutcome::rejected},
      {403, WriteOutcome::rejected}, {404, WriteOutcome::rejected}, {413, WriteOutcome::rejected},
      {408, WriteOutcome::unknown},  {409, WriteOutcome::unknown},  {429, WriteOutcome::unknown},
      {500, WriteOutcome::unknown},  {502, WriteOutcome::unknown},  {503, WriteOutcome::unknown},
      {504, WriteOutcome::unknown},  {302, WriteOutcome::unknown},  {0, WriteOutcome::unknown}};
  for (const auto& [status, outcome] : table) {
    const WriteResult result = write_result(answer(status, error_body(status, "why")), kPlace);
    EXPECT_EQ(result.outcome, outcome) << status;
    EXPECT_EQ(result.version, "") << status;
    EXPECT_THAT(result.detail, HasSubstr("why")) << status;
  }
}

TEST(GcsCodec, AWriteIsAppliedOnlyWithItsNewVersion) {
  const WriteResult good = write_result(answer(200, R"({"generation":"42"})"), kPlace);
  EXPECT_EQ(good.outcome, WriteOutcome::applied);
  EXPECT_EQ(good.version, "42");
  for (const char* body : {"", "{}", "ok", R"({"generation":42})", R"({"generation":"0"})",
                           R"({"generation":"4 2"})", R"(["generation"])"}) {
    const WriteResult result = write_result(answer(200, body), kPlace);
    EXPECT_EQ(result.outcome, WriteOutcome::unknown) << body;
    EXPECT_EQ(result.version, "") << body;
  }
}

TEST(GcsCodec, AnAskedPauseIsKeptAndBounded) {
  const std::pair<const char*, std::int64_t> table[] = {{"7", 7},
                                                        {"", 1},
                                                        {"0", 0},
                                                        {"99999", 60},
                                                        {"99999999999999999999999", 1},
                                                        {"-3", 1},
                                                        {"Fri, 02 Jan 2026 03:04:07 GMT", 1}};
  for (const auto& [text, seconds] : table) {
    const HttpResponse slow = answer(429, "", {{"retry-after", text}});
    EXPECT_EQ(read_result(slow, "", kPlace)->retry_after, std::chrono::seconds(seconds)) << text;
    EXPECT_EQ(write_result(slow, kPlace).retry_after, std::chrono::seconds(seconds)) << text;
  }
}

TEST(GcsCodec, FailuresSayWhatToDo) {
  const auto detail = [](int status, const std::string& body) {
    return write_result(answer(status, body), kPlace).detail;
  };
  EXPECT_EQ(
      detail(403, error_body(403, "robot has no storage.objects.create")),
      "Google Cloud Storage answered with 403: robot has no storage.objects.create for bucket "
      "locks; grant the role Storage Object User on the bucket");
  EXPECT_THAT(detail(404, error_body(404, "The specified bucket does not exist.")),
              HasSubstr("create the bucket, or correct its name"));
  const std::string garbage = detail(500, "<html>\x1b[31m\n" + std::string(5000, 'x'));
  EXPECT_LT(garbage.size(), 500U);
  EXPECT_THAT(garbage, Not(HasSubstr("\x1b")));
  EXPECT_THAT(garbage, Not(HasSubstr("\n")));
}

TEST(GcsCodec, AnObjectThatIsTooLargeIsUnreadableWithItsVersion) {
  const ReadResult large =
      described_result(answer(200, R"({"generation":"41","size":"65537"})"), kPlace);
  EXPECT_EQ(large.outcome, ReadOutcome::ok);
  EXPECT_EQ(large.observation.kind, Kind::unreadable);
  EXPECT_EQ(large.observation.version, "41");
  const ReadResult bomb = described_result(
      answer(200, R"({"generation":"41","size":"90","contentEncoding":"gzip"})"), kPlace);
  EXPECT_EQ(bomb.observation.kind, Kind::unreadable);
  // Replaced in between: the next read will tell.
  EXPECT_EQ(described_result(answer(200, R"({"generation":"42","size":"300"})"), kPlace).outcome,
            ReadOutcome::unknown);
  EXPECT_EQ(described_result(answer(404), kPlace).observation.kind, Kind::absent);
  EXPECT_EQ(described_result(answer(200, "garbage"), kPlace).outcome, ReadOutcome::unknown);
}

TEST(GcsCodec, APageHasNamesWithoutThePrefix) {
  const auto page =
      list_result(answer(200, R"({"items":[{"name":"app/","generation":"1","size":"0"},)"
                              R"({"name":"app/leases/ns/","generation":"1","size":"0"},)"
                              R"({"name":"app/b","generation":"2","size":"300"},)"
                              R"({"name":"app/huge","generation":"3","size":"70000"},)"
                              R"({"name":"elsewhere"},{}],"nextPageToken":"t"})"),
                  kPlace);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->next, "t");
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].lock, "b");
  EXPECT_FALSE(page->objects[0].observation);
  EXPECT_EQ(page->objects[1].lock, "huge");
  ASSERT_TRUE(page->objects[1].observation);
  EXPECT_EQ(page->objects[1].observation->kind, Kind::unreadable);
  EXPECT_EQ(page->objects[1].observation->version, "3");

  EXPECT_TRUE(list_result(answer(200, "{}"), kPlace)->objects.empty());
}

TEST(GcsCodec, AListThatFailsSaysWhichWay) {
  const auto code = [](int status, const char* body = "") {
    return list_result(answer(status, body), kPlace).error().code;
  };
  EXPECT_EQ(code(403), ErrorCode::permission_denied);
  EXPECT_EQ(code(401), ErrorCode::permission_denied);
  EXPECT_EQ(code(404), ErrorCode::not_found);
  EXPECT_EQ(code(503), ErrorCode::unavailable);
  EXPECT_EQ(code(200, "garbage"), ErrorCode::corrupt);
}

TEST(GcsCodec, TheGenerationTellsTheMomentWhereItFitsTheHeader) {
  const auto written = [](const char* generation, const char* modified) {
    HttpResponse answer;
    answer.status = 200;
    answer.headers = {{"x-goog-generation", generation}, {"last-modified", modified}};
    return written_at(answer);
  };
  const char* const modified = "Sun, 22 Nov 2026 03:36:42 GMT";
  const WallTime exact = *parse_rfc3339("2026-11-22T03:36:42.519631Z");
  EXPECT_EQ(written("1795318602519631", modified), (Written{exact, exact}));
  const WallTime second = *parse_rfc3339("2026-11-22T03:36:42Z");
  for (const char* other : {"1795318603519631", "1795318601519631", "7", "9223372036854775807"})
    EXPECT_EQ(written(other, modified), (Written{second, second + std::chrono::seconds(1)}))
        << other;
  EXPECT_EQ(written("1795318602519631", "yesterday"), std::nullopt);
}

}  // namespace
}  // namespace tenure::gcs
