#include "store_conformance.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/record_codec.h"

namespace tenure {

using std::chrono::seconds;

std::string store_case_name(const testing::TestParamInfo<StoreCase>& info) {
  return info.param.name;
}

namespace {

/// Long enough for news that is on its way to arrive.
constexpr std::chrono::milliseconds kAWhile{100};

}  // namespace

// -------------------------------------------------------------------------------------------------
// reading and writing
// -------------------------------------------------------------------------------------------------

TEST_P(StoreConformance, ALockThatNobodyWroteIsAbsent) {
  const ReadResult result = read(*store_, "nobody");
  EXPECT_EQ(result.outcome, ReadOutcome::ok) << result.detail;
  EXPECT_EQ(result.observation.kind, Observation::Kind::absent);
  EXPECT_EQ(result.observation.version, "");
}

TEST_P(StoreConformance, ARecordIsCreatedOnce) {
  const auto first = record_of("napoleon", 1);
  const WriteResult created = write(*store_, "lock", first, "");
  ASSERT_EQ(created.outcome, WriteOutcome::applied) << created.detail;
  EXPECT_NE(created.version, "");
  const auto other = backend_->open(loop());
  EXPECT_EQ(write(*other, "lock", record_of("cleopatra", 1), "").outcome, WriteOutcome::conflict);
  const ReadResult found = read(*other, "lock");
  ASSERT_EQ(found.observation.kind, Observation::Kind::record);
  EXPECT_EQ(found.observation.record, first);
  EXPECT_EQ(found.observation.version, created.version);
}

TEST_P(StoreConformance, AnUpdateNeedsTheVersionThatIsThere) {
  const auto second = record_of("napoleon", 2);
  const Version v1 = write(*store_, "lock", record_of("napoleon", 1), "").version;
  const WriteResult updated = write(*store_, "lock", second, v1, false);
  ASSERT_EQ(updated.outcome, WriteOutcome::applied) << updated.detail;
  for (const Version& wrong : {v1, Version("1234567"), Version("no number"), Version()})
    EXPECT_EQ(write(*store_, "lock", record_of("stalin", 9), wrong).outcome, WriteOutcome::conflict)
        << wrong;
  const ReadResult found = read(*store_, "lock");
  EXPECT_EQ(found.observation.record, second);
  EXPECT_EQ(found.observation.version, updated.version);
}

TEST_P(StoreConformance, AnUpdateOfAnAbsentRecordConflicts) {
  EXPECT_EQ(write(*store_, "lock", record_of("stalin", 1), "1").outcome, WriteOutcome::conflict);
  EXPECT_EQ(read(*store_, "lock").observation.kind, Observation::Kind::absent);
}

TEST_P(StoreConformance, EveryWriteHasAVersionOfItsOwn) {
  std::set<Version> seen;
  Version version;
  for (int i = 0; i < 20; ++i) {
    version = write(*store_, "lock", record_of("napoleon", 1), version, false).version;
    EXPECT_TRUE(seen.insert(version).second) << version;
  }
}

TEST_P(StoreConformance, LocksDoNotTouchEachOther) {
  write(*store_, "a", record_of("napoleon", 1), "");
  const auto b = record_of("cleopatra", 7);
  ASSERT_EQ(write(*store_, "b", b, "").outcome, WriteOutcome::applied);
  EXPECT_EQ(read(*store_, "a").observation.record.holder_identity, "napoleon");
  EXPECT_EQ(read(*store_, "b").observation.record, b);
}

TEST_P(StoreConformance, EveryFieldSurvives) {
  auto record = record_of("Ναπολέων 👑 \"quoted\\\"", kMaxEpoch);
  record.strategy = "OldestEmulationVersion";
  record.preferred_holder = "cleopatra";
  record.cluster = "eu-west";
  record.resign_epoch = 41;
  record.unknown_json = R"({"fromTheFuture":{"list":[1,2,3]}})";
  record = backend_->fullest(record);
  ASSERT_EQ(write(*store_, "lock", record, "").outcome, WriteOutcome::applied);
  EXPECT_EQ(read(*backend_->open(loop()), "lock").observation.record, record);
}

TEST_P(StoreConformance, AReleasedLockKeepsItsEpoch) {
  const Version held = write(*store_, "lock", record_of("napoleon", 5), "").version;
  auto released = record_of("", 5);
  released.lease_duration_seconds = 1;
  ASSERT_EQ(write(*store_, "lock", released, held).outcome, WriteOutcome::applied);
  const ReadResult found = read(*store_, "lock");
  EXPECT_TRUE(found.observation.record.is_free());
  EXPECT_EQ(found.observation.record.leader_transitions, 5);
}

TEST_P(StoreConformance, NamesMayBeAlmostAnything) {
  std::vector<std::string> names = backend_->names();
  for (const std::string& name : names)
    ASSERT_EQ(write(*store_, name, record_of(name, 1), "").outcome, WriteOutcome::applied) << name;
  for (const std::string& name : names)
    EXPECT_EQ(read(*store_, name).observation.record.holder_identity, name);
  std::sort(names.begin(), names.end());
  std::vector<std::string> listed;
  const auto locks = list(*store_).value();
  for (const ListedLock& lock : locks) listed.push_back(lock.name);
  EXPECT_EQ(listed, names);
}

TEST_P(StoreConformance, ListShowsEveryRecordWithItsVersion) {
  EXPECT_TRUE(list(*store_).value().empty());
  const Version version = write(*store_, "b", record_of("napoleon", 3), "").version;
  backend_->put_raw("a", "not a record");
  const auto locks = list(*store_).value();
  ASSERT_EQ(locks.size(), 2U);
  EXPECT_EQ(locks[0].name, "a");
  EXPECT_EQ(locks[0].observation.kind, Observation::Kind::unreadable);
  EXPECT_EQ(locks[1].name, "b");
  EXPECT_EQ(locks[1].observation.version, version);
  EXPECT_EQ(locks[1].observation.record.leader_transitions, 3);
}

// -------------------------------------------------------------------------------------------------
// records that are not ours
// -------------------------------------------------------------------------------------------------

TEST_P(StoreConformance, ADamagedRecordIsUnreadableAndMayBeReplaced) {
  for (const std::string& bytes : {std::string("{\"holderIdentity\": "), std::string(20'000, '['),
                                   std::string("[]"), std::string()}) {
    backend_->put_raw("lock", bytes);
    const ReadResult found = read(*store_, "lock");
    ASSERT_EQ(found.outcome, ReadOutcome::ok) << found.detail;
    EXPECT_EQ(found.observation.kind, Observation::Kind::unreadable) << bytes.substr(0, 30);
    EXPECT_NE(found.observation.problem, "");
    EXPECT_EQ(write(*store_, "lock", record_of("napoleon", 1), found.observation.version).outcome,
              WriteOutcome::applied);
  }
}

TEST_P(StoreConformance, ARecordOfALaterFormatIsRecognised) {
  auto record = record_of("napoleon", 1);
  record.format = kRecordFormat + 1;
  backend_->put_raw("lock", encode_record(record));
  const ReadResult found = read(*store_, "lock");
  EXPECT_EQ(found.observation.kind, Observation::Kind::too_new);
  EXPECT_NE(found.observation.version, "");
}

// -------------------------------------------------------------------------------------------------
// several at once
// -------------------------------------------------------------------------------------------------

/// Raises the epoch of "lock" `times` times, reading again after each conflict.
class Climber {
 public:
  Climber(std::unique_ptr<Store> store, LeaderElectionRecord mine, int times)
      : store_(std::move(store)), mine_(std::move(mine)), left_(times) {}

  void climb() {
    store_->read("lock", boot_now() + seconds(20), [this](const ReadResult& found) {
      ASSERT_EQ(found.outcome, ReadOutcome::ok) << found.detail;
      mine_.leader_transitions = found.observation.record.leader_transitions + 1;
      write(found.observation.version);
    });
  }
  [[nodiscard]] bool finished() const { return left_ == 0; }

 private:
  void write(const Version& expected) {
    store_->write("lock", {&mine_, expected, false}, boot_now() + seconds(20),
                  [this](const WriteResult& result) {
                    if (result.outcome == WriteOutcome::applied && --left_ == 0) return;
                    climb();
                  });
  }

  const std::unique_ptr<Store> store_;
  LeaderElectionRecord mine_;
  int left_;
};

TEST_P(StoreConformance, OfManyWritersEachWinIsOneStepAndNoneIsLost) {
  constexpr int kWriters = 4;
  constexpr int kWins = 25;
  std::vector<std::unique_ptr<Climber>> climbers;
  for (int i = 0; i < kWriters; ++i) {
    climbers.push_back(std::make_unique<Climber>(backend_->open(loop()),
                                                 record_of("c" + std::to_string(i), 0), kWins));
    climbers.back()->climb();
  }
  run_until(
      [&] {
        return std::all_of(climbers.begin(), climbers.end(),
                           [](const auto& climber) { return climber->finished(); });
      },
      "every writer to win its share");
  EXPECT_EQ(read(*store_, "lock").observation.record.leader_transitions, kWriters * kWins);
}

TEST_P(StoreConformance, AnUnclearWriteIsSettledByItsWriteId) {
  const auto first = record_of("napoleon", 1);
  const auto second = record_of("napoleon", 1);
  const Version version = write(*store_, "lock", first, "").version;
  ASSERT_EQ(write(*store_, "lock", second, version).outcome, WriteOutcome::applied);
  // The same write sent again, as after an unclear answer: a conflict that the record explains.
  EXPECT_EQ(write(*store_, "lock", second, version).outcome, WriteOutcome::conflict);
  const WriteId found = read(*store_, "lock").observation.record.write_id;
  EXPECT_EQ(found, second.write_id);
  EXPECT_NE(found, first.write_id);
}

// -------------------------------------------------------------------------------------------------
// the contract of calls
// -------------------------------------------------------------------------------------------------

TEST_P(StoreConformance, WhatIsAskedAfterItsDeadlineIsUnknownAndNeverDone) {
  const Instant past = boot_now() - seconds(1);
  const auto record = record_of("napoleon", 1);
  std::optional<WriteResult> written;
  std::optional<ReadResult> seen;
  std::optional<Result<std::vector<ListedLock>>> listed;
  store_->write("lock", {&record, "", true}, past, [&](WriteResult r) { written = std::move(r); });
  store_->read("lock", past, [&](ReadResult r) { seen = std::move(r); });
  store_->list(past, [&](auto r) { listed = std::move(r); });
  run_until([&] { return written && seen && listed; }, "the late answers");
  EXPECT_EQ(written->outcome, WriteOutcome::unknown);
  EXPECT_NE(written->detail, "");
  EXPECT_EQ(seen->outcome, ReadOutcome::unknown);
  ASSERT_FALSE(*listed);
  EXPECT_EQ(listed->error().code, ErrorCode::unavailable);
  EXPECT_EQ(read(*store_, "lock").observation.kind, Observation::Kind::absent);
}

TEST_P(StoreConformance, NoCallbackRunsBeforeItsCallHasReturned) {
  bool returned = false;
  int answers = 0;
  loop().post([&] {
    const auto record = record_of("napoleon", 1);
    const auto check = [&](const auto&) {
      EXPECT_TRUE(returned);
      ++answers;
    };
    for (const Instant deadline : {soon(), boot_now() - seconds(1)}) {
      store_->read("lock", deadline, check);
      store_->write("lock", {&record, "", true}, deadline, check);
      store_->list(deadline, check);
    }
    returned = true;
  });
  run_until([&] { return answers == 6; }, "six answers");
}

TEST_P(StoreConformance, TheRecordIsReadBeforeWriteReturns) {
  std::optional<WriteResult> out;
  {
    const auto record = record_of("a name too long to be kept inside of a string object", 1);
    const std::string lock = "a-lock-name-too-long-to-be-kept-inside-of-a-string-object";
    store_->write(lock, {&record, "", true}, soon(), [&](WriteResult r) { out = std::move(r); });
  }
  run_until([&] { return out.has_value(); }, "the answer to a write");
  EXPECT_EQ(out->outcome, WriteOutcome::applied);
  EXPECT_EQ(list(*store_).value().size(), 1U);
}

TEST_P(StoreConformance, DestroyingTheStoreCallsNothing) {
  auto doomed = backend_->open(loop());
  const auto record = record_of("napoleon", 1);
  bool called = false;
  const auto never = [&](const auto&) { called = true; };
  for (int i = 0; i < 20; ++i) {
    doomed->read("lock", soon(), never);
    doomed->write("lock", {&record, "", true}, boot_now() + std::chrono::milliseconds(50), never);
    doomed->list(soon(), never);
  }
  const auto watch = doomed->watch("lock", [&] { called = true; });
  doomed.reset();
  write(*store_, "other", record, "");
  run_for(kAWhile);
  EXPECT_FALSE(called);
}

TEST_P(StoreConformance, ACallbackMayDestroyItsStore) {
  auto doomed = backend_->open(loop());
  bool answered = false;
  doomed->read("lock", soon(), [&](const ReadResult&) {
    doomed.reset();
    answered = true;
  });
  run_until([&] { return answered; }, "the answer to a read");
}

TEST_P(StoreConformance, DescribeNamesTheStore) {
  EXPECT_NE(store_->describe().find(':'), std::string::npos);
}

// -------------------------------------------------------------------------------------------------
// watching
// -------------------------------------------------------------------------------------------------

TEST_P(StoreConformance, AnotherStoresWriteIsAnnounced) {
  if (!store_->traits().watch) {
    EXPECT_EQ(store_->watch("lock", [] {}), nullptr);
    return;
  }
  int heard = 0;
  const auto watch = store_->watch("lock", [&] { ++heard; });
  ASSERT_NE(watch, nullptr);
  const auto other = backend_->open(loop());
  Version version;
  for (int i = 1; i <= 5; ++i) {
    heard = 0;
    const WriteResult written = write(*other, "lock", record_of("napoleon", i), version, i == 1);
    ASSERT_EQ(written.outcome, WriteOutcome::applied) << written.detail;
    version = written.version;
    run_until([&] { return heard > 0; }, "the announcement of write " + std::to_string(i));
    EXPECT_EQ(read(*store_, "lock").observation.version, version);
  }
  heard = 0;
  backend_->put_raw("lock", "damaged");
  run_until([&] { return heard > 0; }, "the announcement of a foreign write");
}

TEST_P(StoreConformance, OwnWritesAndOtherLocksAreNotAnnounced) {
  if (!store_->traits().watch) return;
  const auto other = backend_->open(loop());
  int heard = 0;
  const auto watch = store_->watch("mine", [&] { ++heard; });
  Version version = write(*other, "mine", record_of("cleopatra", 1), "").version;
  run_until([&] { return heard > 0; }, "the announcement of a foreign write");
  run_for(kAWhile);
  heard = 0;
  for (int i = 0; i < 10; ++i)
    version = write(*store_, "mine", record_of("napoleon", 1), version, false).version;
  write(*other, "other", record_of("cleopatra", 1), "");
  run_for(kAWhile);
  EXPECT_EQ(heard, 0);
}

TEST_P(StoreConformance, AnEndedSubscriptionIsSilent) {
  if (!store_->traits().watch) return;
  const auto other = backend_->open(loop());
  int ended_heard = 0;
  int heard = 0;
  auto ended = store_->watch("lock", [&] { ++ended_heard; });
  const auto watch = store_->watch("lock", [&] { ++heard; });
  run_for(kAWhile);
  ended.reset();
  write(*other, "lock", record_of("napoleon", 1), "");
  run_until([&] { return heard > 0; }, "the subscription that is left");
  run_for(kAWhile);
  EXPECT_EQ(ended_heard, 0);
}

TEST_P(StoreConformance, ASubscriptionMayEndItself) {
  if (!store_->traits().watch) return;
  const auto other = backend_->open(loop());
  int heard = 0;
  std::unique_ptr<Store::Subscription> watch;
  watch = store_->watch("lock", [&] {
    ++heard;
    watch.reset();
  });
  run_for(kAWhile);
  Version version = write(*other, "lock", record_of("napoleon", 1), "").version;
  run_until([&] { return heard > 0; }, "the announcement");
  write(*other, "lock", record_of("napoleon", 1), version);
  run_for(kAWhile);
  EXPECT_EQ(heard, 1);
}

}  // namespace tenure
