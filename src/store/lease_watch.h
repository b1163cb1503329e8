// LeaseWatch: says when one Lease has been changed by somebody else.
//
// One streaming request that is opened again whenever it ends. Every connection begins with the
// Lease as it is, so nothing is missed between two; and after each break "changed" is said once, so
// that where watching is forbidden or impossible it becomes a slow poll.
//
// Thread safety: the loop's thread only. `changed` never comes from inside the constructor, and
// may destroy the watch.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/store_types.h"
#include "kube/client.h"
#include "runtime/clock.h"
#include "runtime/loop.h"
#include "tenure/record.h"

namespace tenure {

class LeaseWatch {
 public:
  /// `path` is that of the namespace's leases. Loop and client outlive the watch.
  LeaseWatch(Loop& loop, kube::Client& client, const std::string& path, const std::string& lock,
             std::function<void()> changed);
  ~LeaseWatch();
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;

  /// Ends it for good; Loop and client may then go.
  void stop();
  /// This version has been read, and needs no announcement.
  void version_is(const Version& version) { known_ = version; }
  /// Between these two, events wait: the news of a write may come before its answer. `version` is
  /// empty when nothing, or nothing certain, was written.
  void write_begins();
  void write_ends(const Version& version);
  /// What the event said that has just been announced, once; nothing when that may be older than a
  /// write of ours, or when there was no event. It saves the request that would read the same.
  std::optional<Observation> take_news();

 private:
  void open();
  void on_data(std::string_view bytes);
  void on_line(std::string_view line);
  void on_end();
  void announce_unless_known(const Version& version);
  void announce();

  Loop& loop_;
  kube::Client& client_;
  const std::string path_;
  const std::function<void()> changed_;
  SystemRandom random_;
  std::unique_ptr<HttpClient::Stream> stream_;
  std::string line_;  // that is not complete yet
  Instant opened_at_;
  Duration pause_{0};
  Loop::TimerId reopen_ = 0;
  Version known_;            // the last one that was read or heard of
  std::deque<Version> own_;  // written by us; their events are still to come
  int writes_ = 0;
  std::optional<Version> waiting_;  // the newest event since a write began
  std::string news_;                // the newest event when no write has begun since
  const std::shared_ptr<char> alive_;
};

}  // namespace tenure
