# The mistakes. Most were made by somebody: in client-go, in Vault, in other electors, or here while this was written.

mutant(clock_after_answer
  "std::max(view_.valid_until, write.sent_at + options_.timing.renew_deadline)"
  "std::max(view_.valid_until, now_.mono + options_.timing.renew_deadline)")

mutant(validity_from_the_newest_unclear_write
  "const SentWrite write = *landed;"
  "const SentWrite write{landed->kind, landed->id, unsettled_.back().sent_at, landed->epoch};")

mutant(leads_on_though_superseded
  "end_tenure(StopReason::superseded);" "settled_id_ = seen_.record.write_id;")

mutant(release_without_looking_who_holds
  "if (unsettled_.empty() && !own_record_stands()) return finish_release();" ""
  "if (!unclear && !own_record_stands()) {" "if (seen_.record.is_free()) return finish_release();\n  if (false) {")

mutant(release_forgets_the_epoch
  "outgoing_.lease_duration_seconds = 1;" "outgoing_.leader_transitions = 0;")

mutant(release_before_the_work_ended
  "  view_.role = Role::stopping;\n  stop_reason_ = reason;"
  "  view_.role = Role::releasing;\n  give_up_release_ = now_.mono + 2 * options_.timing.request_timeout;\n  stop_reason_ = reason;")

mutant(conflict_taken_as_loss
  "      must_read_ = in_doubt_ = true;\n      return;\n    case WriteOutcome::unknown:"
  "      must_read_ = in_doubt_ = true;\n      if (view_.role == Role::leading) end_tenure(StopReason::superseded);\n      return;\n    case WriteOutcome::unknown:")

mutant(unclear_answer_taken_as_success
  "      report(Action::Note::store_unreachable);\n      must_read_ = in_doubt_ = true;\n      return;"
  "      seen_.kind = Observation::Kind::record;\n      seen_.record = outgoing_;\n      settle(write);\n      return;")

mutant(unclear_writes_are_forgotten
  "const auto landed = std::find_if(unsettled_.begin(), unsettled_.end(), [&](const SentWrite& w) {"
  "unsettled_.clear();\n    const auto landed = std::find_if(unsettled_.begin(), unsettled_.end(), [&](const SentWrite& w) {")

mutant(expiry_by_the_wall_clock_of_another_machine
  "const Instant free_at = is_free ? seen_at_ : seen_at_ + stated_duration(seen_.record);"
  "const bool over = is_free || now_.wall > seen_.record.renew_time + stated_duration(seen_.record);\n  const Instant free_at = over ? seen_at_ : seen_at_ + stated_duration(seen_.record);")

mutant(countdown_not_restarted_by_a_renewal
  "  seen_ = std::move(observation);\n  seen_at_ = now_.mono;"
  "  const bool same_holder = !first && observation.kind == seen_.kind && observation.record.holder_identity == seen_.record.holder_identity;\n  seen_ = std::move(observation);\n  if (!same_holder) seen_at_ = now_.mono;")

mutant(own_duration_instead_of_the_holders
  "if (record.lease_duration_seconds <= 0) return options_" "if (record.lease_duration_seconds >= 0) return options_")

mutant(same_identity_counts_as_own
  "return record.write_id.present() && record.write_id == settled_id_ &&\n         (record.is_free() || record.holder_identity == options_.identity);"
  "return record.holder_identity == options_.identity;")

mutant(epoch_kept_by_the_same_holder
  "outgoing_.leader_transitions = highest_epoch_ + 1;"
  "outgoing_.leader_transitions = std::max<Epoch>(1, highest_epoch_ + (seen_.record.holder_identity == options_.identity ? 0 : 1));")

mutant(epoch_starts_again_when_the_record_was_free
  "outgoing_.leader_transitions = highest_epoch_ + 1;"
  "outgoing_.leader_transitions = seen_.record.is_free() ? 1 : highest_epoch_ + 1;")

mutant(deadline_is_the_whole_lease
  "view_.valid_until = write.sent_at + options_.timing.renew_deadline;  // H1\n  view_.hard_deadline = write.sent_at + options_.timing.hard_deadline;"
  "view_.valid_until = write.sent_at + options_.timing.lease_duration;\n  view_.hard_deadline = view_.valid_until;")

mutant(no_margin_for_clock_rates
  "std::max(view_.hard_deadline, write.sent_at + options_.timing.hard_deadline)"
  "std::max(view_.hard_deadline, write.sent_at + options_.timing.lease_duration * 3 / 2)"
  "!killed_ && now_.mono >= view_.hard_deadline" "!killed_ && now_.mono >= view_.hard_deadline + options_.timing.lease_duration")

mutant(foreign_claim_ignored
  "const bool foreign = " "const bool foreign = view_.role == Role::idle && ")

mutant(later_format_overwritten
  "case Observation::Kind::too_new: return Instant::never();" "case Observation::Kind::too_new: return seen_at_;")

mutant(write_limit_ignored
  "if (written_once_) when = std::max(when, last_write_sent_ + options_.store.min_write_interval);\n  if (now_.mono < when) return wake_by(when);\n  write(OpKind::renew);"
  "if (now_.mono < when) return wake_by(when);\n  write(OpKind::renew);")

mutant(retries_without_waiting
  "not_before_ = std::max(now_.mono + at_least, op_.sent_at + retry_wait());" "not_before_ = now_.mono + at_least;"
  "not_before_ = std::max(not_before_, last_write_sent_ + retry_wait());" "")

mutant(two_requests_at_once
  "void Elector::pursue_leading() {\n  wake_by(view_.valid_until);\n  if (op_.kind != OpKind::none) return;"
  "void Elector::pursue_leading() {\n  wake_by(view_.valid_until);\n  if (op_.kind == OpKind::read) return;")

mutant(missed_news_are_never_made_up_for
  "return std::max(p, options_.timing.lease_duration / 2);" "return std::chrono::hours(24);"
  "const Instant free_at = is_free ? seen_at_ : seen_at_ + stated_duration(seen_.record);"
  "const Instant free_at = is_free ? seen_at_ : Instant::never();")

mutant(stops_contending_after_a_loss
  "  if (goes_on && (record_is_gone || may_retake)) {\n    view_.role = Role::contending;"
  "  if (goes_on && (record_is_gone || may_retake)) {\n    view_.role = Role::idle;")
