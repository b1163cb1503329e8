#include "kube/label_selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/printable.h"
#include "kube/names.h"

namespace tenure::kube {
namespace {

constexpr std::size_t kMaxShown = 100;
constexpr std::string_view kSpecial = "=!(),><";
constexpr std::string_view kBlank = " \t\r\n";
constexpr const char* kExample =
    "write it as team=a, env in (x,y) or !z, with commas between several";

/// A word, an operator of special characters, or "" at the end.
std::string_view take_token(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlank), rest.size()));
  std::size_t size =
      std::min(rest.find_first_of(std::string(kSpecial) + std::string(kBlank)), rest.size());
  if (size == 0 && !rest.empty()) size = rest.starts_with("==") || rest.starts_with("!=") ? 2 : 1;
  const std::string_view token = rest.substr(0, size);
  rest.remove_prefix(size);
  return token;
}

bool is_word(std::string_view token) {
  return !token.empty() && kSpecial.find(token.front()) == std::string_view::npos;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text), token_(take_token(rest_)) {}

  Status parse() {
    if (token_.empty()) return {};
    for (;;) {
      if (Status ok = requirement(); !ok) return ok;
      if (token_.empty()) return {};
      if (token_ != ",") return refuse("has something after a requirement");
      next();
    }
  }

 private:
  void next() { token_ = take_token(rest_); }

  [[nodiscard]] tl::unexpected<Error> refuse(const char* why) const {
    return failure(
        ErrorCode::invalid_argument,
        fmt::format("the selector \"{}\" {}{}", printable(text_, kMaxShown), why,
                    token_.empty() ? ", at its end"
                                   : fmt::format(", at \"{}\"", printable(token_, kMaxShown))),
        kExample);
  }

  Status requirement() {
    const bool is_absence = token_ == "!";
    if (is_absence) next();
    if (!is_word(token_) || !is_label_key(token_)) return refuse("lacks the key of a label");
    next();
    if (is_absence || token_.empty() || token_ == ",") return {};
    const std::string_view op = token_;
    next();
    if (op == "=" || op == "==" || op == "!=") return value();
    if (op == "<" || op == ">") return number();
    if (op == "in" || op == "notin") return values();
    token_ = op;
    return refuse("has an operator that is not known");
  }

  /// May be empty.
  Status value() {
    if (!is_word(token_)) return {};
    if (!is_label_word(token_)) return refuse("has what cannot be the value of a label");
    next();
    return {};
  }

  Status number() {
    const bool is_number =
        !token_.empty() && token_.size() <= 18 &&
        std::all_of(token_.begin(), token_.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return refuse("compares with what is no number");
    next();
    return {};
  }

  Status values() {
    if (token_ != "(") return refuse("lacks the list of values");
    next();
    for (;;) {
      if (Status ok = value(); !ok) return ok;
      if (token_ == ")") break;
      if (token_ != ",") return refuse("has a list of values without its end");
      next();
    }
    next();
    return {};
  }

  const std::string_view text_;
  std::string_view rest_;
  std::string_view token_;
};

}  // namespace

Status check_label_selector(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace tenure::kube
