#include "kube/pod_label.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/printable.h"
#include "kube/names.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstPause = milliseconds(500);
constexpr Duration kLongestPause = seconds(10);
/// An API server gives up a request after a minute (its flag --request-timeout).
constexpr Duration kLateLanding = seconds(70);

constexpr std::size_t kMaxShown = 100;

tl::unexpected<Error> no_label(std::string_view text, const char* why, const char* remedy) {
  return failure(ErrorCode::invalid_argument,
                 fmt::format("\"{}\" {}", printable(text, kMaxShown), why), remedy);
}

}  // namespace

Result<Label> parse_label(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return no_label(text, "is not a label with a value",
                    "write it as key=value, such as tenure.dev/leader=true");
  const std::string_view key = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);
  const std::size_t slash = key.find('/');
  if (slash != std::string_view::npos && !is_dns_subdomain(key.substr(0, slash)))
    return no_label(key, "cannot be the key of a label, because of what is before the slash",
                    "use a DNS name there: lower-case letters, digits, '-' and '.', at most 253");
  if (!is_label_word(slash == std::string_view::npos ? key : key.substr(slash + 1)))
    return no_label(key, "cannot be the key of a label",
                    "use letters, digits, '-', '_' and '.', at most 63, the first and the last a "
                    "letter or a digit; a DNS name and a slash may stand before it");
  if (!value.empty() && !is_label_word(value))
    return no_label(value, "cannot be the value of a label",
                    "use letters, digits, '-', '_' and '.', at most 63, the first and the last a "
                    "letter or a digit");
  return Label{std::string(key), std::string(value)};
}

PodLabel::PodLabel(Loop& loop, Client& client, Options options,
                   std::function<void(std::string)> problem)
    : loop_(loop),
      options_(std::move(options)),
      namespace_(client.config().namespace_name),
      writer_({.loop = loop, .client = client, .problem = std::move(problem), .begin = [this] {
                 return begin();
               }}) {}

PodLabel::~PodLabel() {
  loop_.cancel(confirmation_);
}

void PodLabel::set(bool leads) {
  if (wish_ == leads) return;
  wish_ = leads;
  writer_.hurry();
}

bool PodLabel::begin() {
  if (!wish_ || wish_ == confirmed_) return false;
  confirmed_.reset();
  const bool wish = *wish_;
  const Json value = wish ? Json(options_.label.value) : Json();  // null removes (RFC 7396)
  const Json patch = {{"metadata", {{"labels", {{options_.label.key, value}}}}}};
  writer_.send({.method = "PATCH",
                .path = fmt::format("/api/v1/namespaces/{}/pods/{}", percent_encoded(namespace_),
                                    percent_encoded(options_.pod)),
                .body = patch.dump(-1, ' ', false, Json::error_handler_t::replace),
                .content_type = "application/merge-patch+json"},
               [this, wish](const ApiAnswer& answer) { on_answer(wish, answer); });
  return true;
}

void PodLabel::on_answer(bool wish, const ApiAnswer& answer) {
  if (answer.verdict == ApiAnswer::Verdict::accepted) {
    confirmed_ = wish;
    pause_ = Duration(0);
    writer_.all_is_well();
    if (std::exchange(unclear_, false)) confirm_later();
    return writer_.next();
  }
  if (answer.verdict == ApiAnswer::Verdict::failed) unclear_ = true;
  writer_.tell(answer.status, trouble(wish, answer));
  if (wish_ != wish) return writer_.next();
  if (answer.verdict == ApiAnswer::Verdict::refused) {
    writer_.next_after(kLongestPause, answer);
    return writer_.end_settling();
  }
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  writer_.next_after(pause_, answer);
}

void PodLabel::confirm_later() {
  loop_.cancel(confirmation_);
  confirmation_ = loop_.at(loop_.now().mono + kLateLanding, [this] {
    confirmed_.reset();
    writer_.wake();
  });
}

std::string PodLabel::trouble(bool wish, const ApiAnswer& answer) const {
  std::string remedy = missing_verb(answer, "patch", "pods", namespace_);
  if (answer.status == 404)
    remedy = fmt::format("; check the Pod's name, and that it runs in namespace {} of this cluster",
                         namespace_);
  return fmt::format("the label {} of Pod {} was not {}: {}{}", options_.label.key, options_.pod,
                     wish ? "set" : "removed", answer.reason, remedy);
}

}  // namespace tenure::kube
