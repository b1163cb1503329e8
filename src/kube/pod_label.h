// PodLabel: one label on one Pod that is there while this candidate leads, so that a Service can
// select the leader:
//
//   spec: {selector: {app: web, tenure.dev/leader: "true"}}
//
// A hint for routing, never a proof of leadership: the label comes and goes after leadership does,
// stays when the program is killed or cut off, and two Pods may have it for a while. What must
// happen once only checks the epoch at the resource that it changes, or asks /api/is-leader.
//
// The newest wish counts, with one request at a time. Failures are tried again, after pauses of up
// to ten seconds, for as long as the wish stands. Once the API server has confirmed the label it is
// not written again, for nobody else is to write it; with one exception: after a request whose fate
// was unclear, the label is written once more when that request can no longer come into force.
//
// Needs the verb patch on pods, in the cluster and namespace where the Pod runs: the client's,
// which need not be where the Lease is. Other labels are left alone.
//
// Thread safety: the loop's thread only. Loop and client outlive it; destroying it drops all
// callbacks.
//
//   kube::PodLabel label(loop, client, {.pod = "web-0", .label = *kube::parse_label(text)}, warn);
//   label.set(false);  // the first one is always sent: an earlier run may have left the label
//   label.set(true);
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kube/background_writer.h"
#include "tenure/result.h"

namespace tenure::kube {

struct Label {
  std::string key;    ///< "name" or "example.com/name"
  std::string value;  ///< may be empty
};
/// "key=value" in the syntax of Kubernetes' labels; invalid_argument otherwise.
/// kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
Result<Label> parse_label(std::string_view text);

class PodLabel {
 public:
  struct Options {
    std::string pod;
    Label label;
  };
  /// `problem` hears, in one line, why the label is not as it should be; the same kind of trouble
  /// once until a request has succeeded. It must not destroy the PodLabel.
  PodLabel(Loop& loop, Client& client, Options options, std::function<void(std::string)> problem);
  ~PodLabel();
  PodLabel(const PodLabel&) = delete;
  PodLabel& operator=(const PodLabel&) = delete;

  /// Returns at once.
  void set(bool leads);
  /// Calls `done` once, later: when the API server has confirmed the last wish or refused it, or at
  /// the deadline. It may destroy the PodLabel. For the end of the program.
  void settle(Instant deadline, std::function<void()> done) {
    writer_.settle(deadline, std::move(done));
  }

 private:
  bool begin();
  void on_answer(bool wish, const ApiAnswer& answer);
  void confirm_later();
  [[nodiscard]] std::string trouble(bool wish, const ApiAnswer& answer) const;

  Loop& loop_;
  const Options options_;
  const std::string namespace_;
  std::optional<bool> wish_;
  std::optional<bool> confirmed_;
  bool unclear_ = false;  // a request may still come into force
  Loop::TimerId confirmation_ = 0;
  Duration pause_{0};
  BackgroundWriter writer_;
};

}  // namespace tenure::kube
