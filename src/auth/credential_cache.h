// CredentialCache: when to fetch credentials that expire, and what to hand out meanwhile. A step
// class: told what happened and when, it decides; it knows neither clock nor plugin.
//
// - Handed out until it expires. From a fifth of its life before that, two minutes at the most, the
//   next one is fetched while this one goes on.
// - One fetch at a time, and a second between two at least.
// - After a failure a pause, doubling from one second to one minute; then the failure is the
//   answer, unless there is a credential that is still good.
// - A rejected one is fetched anew at once. One that is rejected within a minute of being fetched,
//   again and again, earns the same growing pause, in which it goes on: there is nothing better.
//
// A server that says how long a credential lasts is believed on this machine's own clock. Calendar
// time is used only for those who give nothing else, such as exec plugins.
//
// Thread safety: none.
//
//   const auto todo = cache.ask(now);
//   if (todo.fetch) start();           // then fetched() or failed(), once
//   if (todo.answer == CredentialCache::Answer::cached) use(cache.credential());
#pragma once

#include <optional>

#include "auth/credential_source.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

class CredentialCache {
 public:
  enum class Answer {
    cached,   ///< credential()
    failure,  ///< error()
    wait,     ///< for the fetch that is under way, or is to begin now
  };
  struct Todo {
    Answer answer;
    bool fetch;  ///< begin one now
  };

  Todo ask(Now now);
  /// `expires` is empty for a credential that does not.
  void fetched(Now now, Credential credential, std::optional<WallTime> expires);
  void fetched(Now now, Credential credential, Instant expires);
  void failed(Now now, Error error);
  void rejected(Now now, const Credential& credential);

  [[nodiscard]] const Credential& credential() const { return *credential_; }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  [[nodiscard]] bool is_good(Now now) const;
  void keep(Now now, Credential credential);

  std::optional<Credential> credential_;
  std::optional<WallTime> expires_;  // by the calendar
  std::optional<WallTime> refresh_;
  Instant ends_ = Instant::never();  // by our own clock
  Instant renew_ = Instant::never();
  std::optional<Error> error_;  // of the last fetch
  Instant fetched_at_;
  Instant not_before_ = Instant::from_ns(INT64_MIN);  // of the next fetch
  bool fetching_ = false;
  bool rejected_ = false;
  unsigned failures_ = 0;    // in a row
  unsigned rejections_ = 0;  // of young ones, in a row
};

}  // namespace tenure
