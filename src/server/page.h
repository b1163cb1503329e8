// The page of `tenure sidecar`: who leads, and whether that is this candidate, for a person.
//
//   PageModel model{.lock = "job", .store = "memory:", .identity = "web-1", ...};
//   exchange->respond({.content_type = "text/html; charset=utf-8",
//                      .body = render_page(model),
//                      .headers = {{"Content-Security-Policy", kPageSecurityPolicy}}});
//
// One HTML document that asks nobody else for anything. With JavaScript it follows the leader as it
// changes (it asks for "./" and listens to "api/leader", both relative to its own address, so it
// may be served below any path that ends in "/"), and says so when the sidecar no longer answers.
// Without, the browser loads it anew every few seconds.
//
// Whatever bytes the model holds, they are shown as text; names are cut after 253 bytes, as those
// of another program's record may be of any length. Pure; from any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/lease_view.h"
#include "tenure/record.h"
#include "tenure/time.h"

namespace tenure {

struct PageModel {
  /// One leader's time, as this candidate has seen it.
  struct Tenure {
    std::string leader;
    Epoch epoch = 0;
    WallTime from;
    std::optional<WallTime> until;  ///< absent: it lasts
  };

  std::string lock;
  std::string store;     ///< Store::describe()
  std::string identity;  ///< of this candidate
  Role role = Role::idle;
  bool observed = false;          ///< the lock has been read
  std::string leader;             ///< as last observed; empty: nobody
  Epoch epoch = 0;                ///< the leader's
  std::optional<WallTime> since;  ///< when this candidate first saw that leader
  Duration valid_for{};           ///< of the own lease; this candidate leads while it is positive
  WallTime now;
  Duration lease_duration{};
  Duration renew_deadline{};
  Duration retry_period{};
  std::vector<Tenure> history;  ///< newest first; the first 20 are shown
  std::string version;          ///< of the program
};

/// A complete HTML document in UTF-8.
std::string render_page(const PageModel& model);

/// The value of the header Content-Security-Policy that belongs to the page
/// (https://www.w3.org/TR/CSP3/): its own style and script, by their hashes, and nothing else.
extern const char* const kPageSecurityPolicy;

}  // namespace tenure
