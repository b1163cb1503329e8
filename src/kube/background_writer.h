// BackgroundWriter: writes that are good to have and must never hurt an election: what
// EventRecorder and PodLabel share.
//
// One attempt at a time, each of its requests with a deadline of ten seconds; a pause after a
// failure; a trouble that is told once; and an end that waits no longer than it is told to. What is
// to be written, and how often it is tried, is the owner's.
//
// Thread safety: the loop's thread only. Loop and client outlive it; destroying it drops all
// callbacks. next(), next_after() and end_settling() may be its end, by what settle() was given.
//
//   BackgroundWriter writer({.loop = loop, .client = client, .problem = say, .begin = [&] {
//     if (nothing_to_write) return false;
//     writer.send(request, [&](const ApiAnswer& answer) { writer.next(); });
//     return true;
//   }});
//   writer.wake();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "kube/client.h"
#include "runtime/clock.h"
#include "runtime/loop.h"

namespace tenure::kube {

/// What became of one request.
struct ApiAnswer {
  enum class Verdict : std::uint8_t {
    accepted,
    failed,   ///< it may work later, and may have worked now
    refused,  ///< the same request will be refused again, until somebody changes something
  };
  Verdict verdict = Verdict::failed;
  int status = 0;      ///< 0: there was no answer
  std::string reason;  ///< why not, one line, bounded
  Duration wait{0};    ///< the pause that the server asks for
  std::string body;    ///< when accepted
};

class BackgroundWriter {
 public:
  struct Parts {
    Loop& loop;
    Client& client;
    /// Hears of trouble, in one line. Must not destroy the writer.
    std::function<void(std::string)> problem;
    /// Begins an attempt with send() and returns true; false when there is nothing to write.
    std::function<bool()> begin;
  };
  explicit BackgroundWriter(Parts parts);
  ~BackgroundWriter();
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  /// There is something to write: begins when the attempt and the pause before it are over.
  void wake();
  /// The same without the pause.
  void hurry();
  /// A request of the attempt, with a deadline of its own.
  void send(ApiRequest request, std::function<void(const ApiAnswer&)> done);
  /// The attempt is over, and the next one may begin.
  void next();
  /// The same after this pause, of which chance takes up to a half, or after a longer one that the
  /// server asks for.
  void next_after(Duration pause, const ApiAnswer& answer);

  /// Calls `problem`, unless it has heard of this status (ApiAnswer) since all_is_well().
  void tell(int status, std::string problem);
  void all_is_well() { told_.clear(); }

  /// Calls `done` once, when there is nothing to write or at the deadline, whatever comes first;
  /// not from inside. A pause is cut short for that. `done` may destroy the writer; a second call
  /// replaces the first.
  void settle(Instant deadline, std::function<void()> done);
  /// What settle() waits for will not come.
  void end_settling();

 private:
  Loop& loop_;
  Client& client_;
  const std::function<void(std::string)> problem_;
  const std::function<bool()> begin_;
  SystemRandom random_;
  bool busy_ = false;
  Loop::TimerId pause_ = 0;
  std::set<int> told_;
  std::function<void()> settled_;
  Loop::TimerId patience_ = 0;
  const std::shared_ptr<char> alive_;
};

/// " ... ; allow the verb create on events in namespace n", when that is what was refused; else
/// empty. For the end of a message.
std::string missing_verb(const ApiAnswer& answer, const std::string& verb,
                         const std::string& resource, const std::string& namespace_name);

}  // namespace tenure::kube
