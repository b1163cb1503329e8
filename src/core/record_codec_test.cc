#include "core/record_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace tenure {
namespace {

using Kind = Observation::Kind;
using testing::HasSubstr;
using testing::Not;

// 2026-01-02T03:04:05.123456Z
constexpr std::int64_t kRenewed = 1'767'323'045'123'456'000;

LeaderElectionRecord example() {
  LeaderElectionRecord record;
  record.holder_identity = "napoleon_1";
  record.lease_duration_seconds = 15;
  record.acquire_time = WallTime::from_ns(kRenewed - 5'000'000'000);
  record.renew_time = WallTime::from_ns(kRenewed);
  record.leader_transitions = 7;
  record.preferred_holder = "cleopatra_2";
  record.write_id = {0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  record.cluster = "napoleon";
  record.resign_epoch = 7;
  return record;
}

constexpr const char* kExampleText =
    R"({"holderIdentity":"napoleon_1","leaseDurationSeconds":15,)"
    R"("acquireTime":"2026-01-02T03:04:00.123456Z","renewTime":"2026-01-02T03:04:05.123456Z",)"
    R"("leaderTransitions":7,"strategy":"","preferredHolder":"cleopatra_2",)"
    R"("writeId":"0123456789abcdeffedcba9876543210","cluster":"napoleon","version":1,)"
    R"("resignEpoch":7})";

// A record as client-go writes it, with one value replaced or one key added.
std::string with(const std::string& key, const std::string& value) {
  std::string text =
      R"({"holderIdentity":"go_1","leaseDurationSeconds":15,"acquireTime":"2026-01-02T03:04:05Z",)"
      R"("renewTime":"2026-01-02T03:04:05Z","leaderTransitions":3,"strategy":"",)"
      R"("preferredHolder":""})";
  const std::string quoted_key = "\"" + key + "\":";
  const std::size_t at = text.find(quoted_key);
  if (at == std::string::npos) return text.insert(text.size() - 1, "," + quoted_key + value);
  const std::size_t begin = at + quoted_key.size();
  const std::size_t end = text.find_first_of(",}", begin);
  return text.replace(begin, end - begin, value);
}

// What was read can be written and read again; times alone may lose digits on the way.
void expect_stable(const LeaderElectionRecord& record) {
  const std::string text = encode_record(record);
  const Observation again = decode_record(text, "1");
  ASSERT_EQ(again.kind, Kind::record) << text << "\n" << again.problem;
  EXPECT_EQ(encode_record(again.record), text);
  EXPECT_EQ(again.record.holder_identity, record.holder_identity);
}

TEST(RecordCodec, WritesTheKeysOfClientGoThenOurs) {
  EXPECT_EQ(encode_record(example()), kExampleText);
}

TEST(RecordCodec, WritesAllSevenKeysOfAFreeRecord) {
  LeaderElectionRecord record;
  record.lease_duration_seconds = 1;
  EXPECT_EQ(encode_record(record),
            R"({"holderIdentity":"","leaseDurationSeconds":1,)"
            R"("acquireTime":"1970-01-01T00:00:00.000000Z",)"
            R"("renewTime":"1970-01-01T00:00:00.000000Z","leaderTransitions":0,"strategy":"",)"
            R"("preferredHolder":"","cluster":"","version":1})");
}

TEST(RecordCodec, ReadsWhatItWrites) {
  const Observation seen = decode_record(kExampleText, "v9");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_EQ(seen.version, "v9");
  EXPECT_EQ(seen.record, example());
}

TEST(RecordCodec, ReadsARecordOfClientGo) {
  const Observation seen = decode_record(with("holderIdentity", "\"go_1\""), "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_EQ(seen.record.holder_identity, "go_1");
  EXPECT_EQ(seen.record.lease_duration_seconds, 15);
  EXPECT_EQ(seen.record.leader_transitions, 3);
  EXPECT_EQ(seen.record.renew_time.ns(), 1'767'323'045'000'000'000);
  EXPECT_FALSE(seen.record.write_id.present());
  EXPECT_EQ(seen.record.format, 1);
  EXPECT_EQ(seen.record.unknown_json, "");
}

TEST(RecordCodec, ReadsAnOlderClientGoThatLacksTheLaterKeys) {
  const Observation seen = decode_record(R"({"holderIdentity":"","renewTime":null})", "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_TRUE(seen.record.is_free());
  EXPECT_EQ(seen.record.renew_time, WallTime());
}

TEST(RecordCodec, KeepsUnknownKeysInTheirOrder) {
  const std::string text = with("zebra", R"({"b":[1,2.5,null],"a":"\u00e9\"\n"},"ant":-3)");
  const Observation seen = decode_record(text, "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_EQ(seen.record.unknown_json,
            "{\"zebra\":{\"b\":[1,2.5,null],\"a\":\"é\\\"\\n\"},\"ant\":-3}");
  const std::string rewritten = encode_record(seen.record);
  EXPECT_THAT(rewritten, HasSubstr(R"("version":1,"zebra":{"b":[1,2.5,null])"));
  EXPECT_EQ(decode_record(rewritten, "1").record, seen.record);
}

TEST(RecordCodec, UnknownKeysCannotOverruleOurs) {
  LeaderElectionRecord record = example();
  record.resign_epoch = 0;
  record.unknown_json = R"({"holderIdentity":"evil","more":1})";
  const std::string text = encode_record(record);
  EXPECT_THAT(text, Not(HasSubstr("evil")));
  EXPECT_THAT(text, HasSubstr(R"("more":1)"));
}

TEST(RecordCodec, SaysWhichKeyIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"holderIdentity", "7"},
      {"holderIdentity", "null"},
      {"leaseDurationSeconds", "\"15\""},
      {"leaseDurationSeconds", "15.0"},
      {"leaseDurationSeconds", "1e1"},
      {"leaseDurationSeconds", "-1"},
      {"leaseDurationSeconds", "9223372036"},
      {"leaseDurationSeconds", "99999999999999999999999"},
      {"acquireTime", "\"yesterday\""},
      {"acquireTime", "0"},
      {"renewTime", "\"\""},
      {"leaderTransitions", "-1"},
      {"leaderTransitions", "2147483648"},
      {"leaderTransitions", "18446744073709551615"},
      {"leaderTransitions", "true"},
      {"strategy", "{}"},
      {"preferredHolder", "[]"},
      {"cluster", "1"},
      {"version", "0"},
      {"version", "\"1\""},
      {"resignEpoch", "-1"}};
  for (const auto& [key, value] : cases) {
    const Observation seen = decode_record(with(key, value), "v");
    EXPECT_EQ(seen.kind, Kind::unreadable) << with(key, value);
    EXPECT_THAT(seen.problem, HasSubstr(key)) << value;
    EXPECT_EQ(seen.version, "v");
  }
}

TEST(RecordCodec, TreatsABadWriteIdAsForeign) {
  for (const char* id :
       {"\"\"", "7", "null", "\"0123456789ABCDEFfedcba9876543210\"",
        "\"0123456789abcdeffedcba987654321\"", "\"0123456789abcdeffedcba98765432100\"",
        "\"0123456789abcdef-edcba9876543210\"", "\"00000000000000000000000000000000\""}) {
    const Observation seen = decode_record(with("writeId", id), "1");
    ASSERT_EQ(seen.kind, Kind::record) << id << ": " << seen.problem;
    EXPECT_FALSE(seen.record.write_id.present()) << id;
  }
}

TEST(RecordCodec, ALaterFormatIsTooNewWhateverElseItHolds) {
  for (const char* text : {R"({"version":2})", R"({"version":2,"holderIdentity":{"name":"x"}})",
                           R"({"version":9223372036854775807,"holderIdentity":"x"})"}) {
    const Observation seen = decode_record(text, "v");
    EXPECT_EQ(seen.kind, Kind::too_new) << text;
    EXPECT_EQ(seen.version, "v");
    EXPECT_THAT(seen.problem, HasSubstr("newer"));
  }
}

TEST(RecordCodec, RefusesWhatIsNotOneJsonObject) {
  const std::string valid = kExampleText;
  const std::string deep = std::string(20'000, '[') + std::string(20'000, ']');
  for (const std::string& bytes :
       {std::string(), std::string("null"), std::string("[]"), std::string("7"), valid + valid,
        valid + "x", valid + std::string(1, '\0'), valid + '\0' + "x", "\xef\xbb\xbf" + valid + "}",
        with("extra", "1e400"), with("extra", "NaN"), with("extra", "\"\xff\""),
        with("extra", "\"\xc0\x80\""), with("extra", "\"\xed\xa0\x80\""), with("extra", deep),
        with("extra", "[" + deep), with("holderIdentity", "\"a\nb\""),
        with("extra", "\"" + std::string(kMaxRecordBytes, 'x') + "\"")})
    EXPECT_EQ(decode_record(bytes, "v").kind, Kind::unreadable) << bytes.substr(0, 400);
}

TEST(RecordCodec, TheLastOfTwoEqualKeysCountsAsInGo) {
  const Observation seen = decode_record(with("x", R"(1,"holderIdentity":"second")"), "1");
  ASSERT_EQ(seen.kind, Kind::record);
  EXPECT_EQ(seen.record.holder_identity, "second");
}

TEST(RecordCodec, WritesValidJsonForNamesThatAreNotUtf8) {
  LeaderElectionRecord record = example();
  record.holder_identity = "a\xff\xc3(\x01\"";
  record.cluster = std::string("nul\0nul", 7);
  const Observation seen = decode_record(encode_record(record), "1");
  ASSERT_EQ(seen.kind, Kind::record) << seen.problem;
  EXPECT_EQ(seen.record.cluster, record.cluster);
  EXPECT_THAT(seen.record.holder_identity, HasSubstr("\x01\""));
}

TEST(RecordCodec, ATruncatedRecordIsNeverARecord) {
  const std::string text = kExampleText;
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(decode_record(std::string_view(text).substr(0, size), "1").kind, Kind::unreadable)
        << size;
}

// Damage may turn one name or number into another; it must not turn a held lock into a free one.
TEST(RecordCodec, NoDamagedByteFreesALockOrIsWrittenBackUnreadable) {
  const std::string text = with("extra", R"({"deep":[1.5,"x",{"y":null}]})");
  for (std::size_t at = 0; at < text.size(); ++at)
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(byte);
      const Observation seen = decode_record(damaged, "1");
      if (seen.kind != Kind::record) continue;
      EXPECT_FALSE(seen.record.is_free()) << damaged;
      expect_stable(seen.record);
    }
}

TEST(RecordCodec, RandomDamageNeverCrashes) {
  SplitMix random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = kExampleText;
    for (std::uint64_t n = random.below(8) + 1; n > 0; --n) {
      const std::size_t at = random.below(damaged.size());
      switch (random.below(3)) {
        case 0: damaged[at] = static_cast<char>(random.next()); break;
        case 1: damaged.erase(at, random.below(20)); break;
        default: damaged.insert(at, damaged.substr(random.below(damaged.size()), 20)); break;
      }
      if (damaged.empty()) break;
    }
    const Observation seen = decode_record(damaged, "1");
    if (seen.kind == Kind::record)
      expect_stable(seen.record);
    else
      EXPECT_NE(seen.problem, "") << damaged;
  }
}

}  // namespace
}  // namespace tenure
