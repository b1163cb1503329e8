// The rules for writes, W1 to W5 of docs/guarantees.md.
#include <gtest/gtest.h>

#include <set>

#include "core/record_codec.h"
#include "core/testing/stage.h"

namespace tenure {
namespace {

using Kind = Action::Kind;

std::vector<Stage::Happened> writes_of(const Stage& stage) {
  std::vector<Stage::Happened> writes;
  for (const Stage::Happened& h : stage.log)
    if (h.action.kind == Kind::write) writes.push_back(h);
  return writes;
}

TEST(Writes, W1_nothing_makes_a_second_write_go_out_while_one_is_in_flight) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);  // a renewal
  ASSERT_EQ(stage.count(Kind::write), 2U);
  stage.send(event::Changed{});
  stage.send(event::Tick{});
  stage.send(event::Start{});
  stage.send(event::Stop{});
  stage.work_finished();
  stage.run_until(stage.now() + 2s);
  EXPECT_EQ(stage.count(Kind::write), 2U);
  EXPECT_EQ(stage.count(Kind::read), 1U) << "not even a read";
  stage.answer();
  stage.answer();  // the read that the news asks for
  EXPECT_EQ(stage.count(Kind::write), 3U) << "now the release";
}

TEST(Writes, W1_an_answer_to_an_older_request_is_ignored) {
  Stage stage;
  stage.start();
  stage.answer();
  const OpId acquisition = stage.last(Kind::write).action.op;
  stage.run_until(2500ms);  // too late for an answer; the record is read
  const std::size_t before = stage.log.size();
  stage.send(event::WriteDone{acquisition, {WriteOutcome::applied, "v1", {}, {}, {}}});
  EXPECT_EQ(stage.log.size(), before);
  EXPECT_EQ(stage.elector().unsettled_writes(), 1U);
  stage.answer();
  EXPECT_EQ(stage.count(Kind::start_work), 0U) << "the read shows nothing";
}

TEST(Writes, W1_every_write_carries_a_fresh_write_id) {
  Stage stage;
  stage.lead();
  stage.serve_until(60s);
  std::set<std::pair<std::uint64_t, std::uint64_t>> ids;
  for (const auto& write : writes_of(stage)) {
    EXPECT_TRUE(write.record.write_id.present());
    ids.emplace(write.record.write_id.high, write.record.write_id.low);
  }
  EXPECT_EQ(ids.size(), stage.count(Kind::write));
  EXPECT_GT(ids.size(), 20U);
}

TEST(Writes, W2_an_unclear_acquisition_is_not_won_before_it_was_read_back) {
  Stage stage;
  stage.start();
  stage.answer();
  const OpId acquisition = stage.last(Kind::write).action.op;
  stage.run_until(1s);
  stage.answer(WriteOutcome::unknown);
  EXPECT_EQ(stage.count(Kind::start_work), 0U);
  EXPECT_EQ(stage.elector().unsettled_writes(), 1U);
  stage.land(acquisition);
  stage.run_until(1500ms);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s)) << "from the send of the acquisition";
  EXPECT_EQ(stage.elector().unsettled_writes(), 0U);
}

TEST(Writes, W2_an_unclear_renewal_is_neither_lost_nor_won) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.answer(WriteOutcome::unknown);
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s));
  stage.answer();  // the read: it did not land
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s));
}

TEST(Writes, W2_an_unclear_renewal_that_landed_counts_from_its_send) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  const Duration sent = stage.now();
  stage.land(stage.last(Kind::write).action.op);
  stage.answer(WriteOutcome::unknown);
  stage.run_until(sent + 1s);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(sent + 10s));
}

TEST(Writes, W2_silence_until_the_deadline_is_an_unclear_answer) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  const Duration sent = stage.now();
  const OpId renewal = stage.last(Kind::write).action.op;
  EXPECT_EQ(stage.last(Kind::write).action.deadline, Stage::at(sent + 2500ms));
  stage.run_until(sent + 2500ms);
  EXPECT_TRUE(stage.asks(Kind::read));
  stage.land(renewal);
  stage.answer();
  EXPECT_EQ(stage.view().valid_until, Stage::at(sent + 10s));
}

TEST(Writes, W2_an_older_unclear_acquisition_that_lands_late_counts_from_its_own_send) {
  Stage stage(candidate("a", {.watch = true}));
  stage.start();
  stage.answer();
  const OpId older = stage.last(Kind::write).action.op;
  stage.answer(WriteOutcome::unknown);
  stage.answer();  // the read: nothing there
  stage.run_until_asked(Kind::write);
  const OpId newer = stage.last(Kind::write).action.op;
  ASSERT_NE(older, newer) << "tried again";
  stage.land(older);
  stage.answer();  // conflict
  stage.answer();  // the read
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s));
}

TEST(Writes, W2_an_older_unclear_renewal_that_lands_late_counts_from_its_own_send) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  const Duration sent = stage.now();
  const OpId older = stage.last(Kind::write).action.op;
  stage.answer(WriteOutcome::unknown);
  stage.answer();
  stage.run_until_asked(Kind::write);
  ASSERT_GT(stage.last(Kind::write).action.op, older) << "tried again";
  stage.land(older);
  stage.answer();
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(sent + 10s));
}

TEST(Writes, W2_the_record_is_read_before_an_unclear_write_is_followed_by_another) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.answer(WriteOutcome::unknown);
  for (int i = 0; i < 3; ++i) {
    stage.run_until_asked(Kind::read);
    stage.answer_read(ReadOutcome::unknown);
  }
  EXPECT_EQ(stage.count(Kind::write), 2U);
}

TEST(Writes, W2_a_throttled_write_is_not_repeated_before_the_store_allows) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.answer(WriteOutcome::throttled, 30s);
  stage.serve_until(30s - 1ns);
  EXPECT_EQ(stage.count(Kind::write), 1U);
  EXPECT_TRUE(stage.reported(Action::Note::store_throttled));
  stage.serve_until(31s);
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Writes, W2_the_store_is_left_alone_as_long_as_it_asked_though_the_work_ends) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  const Duration asked = stage.now();
  stage.answer(WriteOutcome::throttled, 60s);
  const std::size_t before = stage.count(Kind::read) + stage.count(Kind::write);
  stage.run_until(10s);
  stage.work_finished();
  stage.serve_until(asked + 60s - 1ns);
  EXPECT_EQ(stage.count(Kind::read) + stage.count(Kind::write), before);
  stage.serve_until(asked + 61s);
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Writes, W2_a_rejected_write_is_reported_and_tried_again) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.answer(WriteOutcome::rejected);
  EXPECT_TRUE(stage.reported(Action::Note::store_rejected));
  EXPECT_EQ(stage.view().role, Role::contending);
  stage.serve_until(10s);
  EXPECT_EQ(stage.view().role, Role::leading);
}

// A proxy sent the request twice: one copy was refused, the other was applied.
TEST(Writes, W2_a_write_that_landed_though_a_copy_was_refused_is_recognised) {
  for (const WriteOutcome outcome : {WriteOutcome::rejected, WriteOutcome::throttled}) {
    Stage stage(candidate("a", {.watch = true}));
    stage.start();
    stage.answer();
    const OpId acquisition = stage.last(Kind::write).action.op;
    stage.answer(outcome);
    stage.land(acquisition);
    stage.serve_until(5s);
    EXPECT_EQ(stage.view().epoch, 1);
    EXPECT_EQ(stage.last(Kind::start_work).action.deadline, Stage::at(12272727240ns));
  }
}

TEST(Writes, W2_a_failing_store_is_not_stormed) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.fail_writes_until(60s, WriteOutcome::unknown);
  EXPECT_LE(stage.count(Kind::write), 60U * 10 / 16 + 1) << "1.6 s apart at least";
}

TEST(Writes, W2_the_pause_after_a_failure_counts_from_the_send) {
  Stage stage;
  stage.start();
  stage.run_until(1s);
  stage.answer_read(ReadOutcome::unknown);
  stage.run_until_asked(Kind::read);
  EXPECT_EQ(stage.now(), 1600ms) << "0.8 retry periods after the first was sent";
}

TEST(Writes, W3_a_conflict_after_the_own_acquisition_landed_is_a_success) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.land(stage.last(Kind::write).action.op);
  stage.answer(WriteOutcome::conflict);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Writes, W3_a_conflict_after_the_own_renewal_landed_is_a_success) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.land(stage.last(Kind::write).action.op);
  stage.answer(WriteOutcome::conflict);
  EXPECT_EQ(stage.view().role, Role::leading);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(stage.now() + 10s));
}

TEST(Writes, W3_a_conflict_after_the_own_release_landed_is_a_success) {
  Stage stage;
  stage.lead();
  stage.send(event::Stop{});
  stage.work_finished();
  stage.land(stage.last(Kind::write).action.op);
  stage.answer(WriteOutcome::conflict);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_FALSE(stage.reported(Action::Note::release_failed));
}

// A store as Google's, and settings as quick as it allows.
constexpr StoreTraits kLimited{.min_write_interval = 1s};
constexpr Settings kQuick{.lease_duration = 5s, .renew_deadline = 3s, .retry_period = 1s};

void expect_a_second_apart(const Stage& stage) {
  Duration previous = -1h;
  for (const auto& write : writes_of(stage)) {
    EXPECT_GE(write.at - previous, 1s) << "write " << write.action.op;
    previous = write.at;
  }
}

class W4 : public testing::TestWithParam<WriteOutcome> {};

TEST_P(W4, W4_a_contender_writes_at_most_once_a_second_whatever_the_store_answers) {
  Stage stage(candidate("a", kLimited, kQuick));
  stage.start();
  stage.fail_writes_until(30s, GetParam());
  EXPECT_GT(stage.count(Kind::write), 10U);
  expect_a_second_apart(stage);
}

TEST_P(W4, W4_a_holder_writes_at_most_once_a_second_whatever_the_store_answers) {
  Stage stage(candidate("a", kLimited, kQuick));
  stage.lead();
  stage.fail_writes_until(3s, GetParam());
  EXPECT_GE(stage.count(Kind::write), 3U);
  expect_a_second_apart(stage);
}

INSTANTIATE_TEST_SUITE_P(Writes, W4,
                         testing::Values(WriteOutcome::conflict, WriteOutcome::rejected,
                                         WriteOutcome::throttled, WriteOutcome::unknown),
                         [](const auto& param_info) { return to_string(param_info.param); });

TEST(Writes, W4_a_release_keeps_its_distance_from_the_renewal_before) {
  Stage stage(candidate("a", kLimited, kQuick));
  stage.lead();
  stage.send(event::Stop{});
  stage.work_finished();
  stage.serve_until(5s);
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_EQ(stage.count(Kind::write), 2U);
  expect_a_second_apart(stage);
}

TEST(Writes, W4_a_herd_spreads_and_looks_before_it_writes) {
  Stage stage(candidate("a", {.watch = true, .min_write_interval = 1s}));
  stage.random.jitter = ScriptedRandom::kHighest;
  stage.put(held_by("b", 3));
  stage.start();
  stage.answer();
  stage.serve_until(15s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(15900ms);
  stage.put(held_by("c", 4));  // a quicker one of the herd
  stage.serve_until(17s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_EQ(stage.view().holder, "c");
}

TEST(Writes, W4_a_contender_keeps_its_distance_from_the_release_of_another) {
  Stage stage(candidate("a", {.watch = true, .min_write_interval = 1s}));
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(3s);
  stage.put(held_by("", 3));
  stage.send(event::Changed{});
  stage.serve_until(4s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(5s);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Writes, W5_every_body_differs_even_if_the_calendar_stands_still) {
  Stage stage;
  stage.calendar_stands = true;
  stage.lead();
  for (int i = 0; i < 20; ++i) {
    stage.run_until_asked(Kind::write);
    stage.answer();
  }
  std::set<std::string> bodies;
  for (const auto& write : writes_of(stage)) bodies.insert(encode_record(write.record));
  EXPECT_EQ(bodies.size(), 21U);
}

}  // namespace
}  // namespace tenure
