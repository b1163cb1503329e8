#include "base/duration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace tenure {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;

__extension__ using Wide = __int128;

constexpr Duration kLongest = hours(100 * 8766);  // a hundred years of 365.25 days

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
// Longer names first where one begins with another. Go writes the micro sign, people write the
// Greek letter.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\u00b5s", 1'000},
                                         {"\u03bcs", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// What is quoted in an error must stay one short line.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > kShown ? "...\"" : "\"");
}

tl::unexpected<Error> bad_duration(std::string_view text, const char* why) {
  return failure(ErrorCode::invalid_argument,
                 fmt::format("{} is not a duration: {}", quoted(text), why),
                 R"(write a number and a unit, such as "15s", "1.5s", "500ms" or "2m30s")");
}

struct Number {
  Wide whole = 0;
  Wide fraction = 0;
  Wide scale = 1;
};

// Digits with at most one point among them; nothing when there is no digit.
std::optional<Number> take_number(std::string_view& text) {
  constexpr Wide kTooLong = kLongest.count() + 1;  // in any unit
  constexpr Wide kFinest = 1'000'000'000'000'000;  // finer than a nanosecond in any unit
  Number number;
  bool any = false;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), any = true)
    number.whole = std::min(number.whole * 10 + (text.front() - '0'), kTooLong);
  if (!text.starts_with('.')) return any ? std::optional(number) : std::nullopt;
  text.remove_prefix(1);
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), any = true)
    if (number.scale < kFinest) {
      number.fraction = number.fraction * 10 + (text.front() - '0');
      number.scale *= 10;
    }
  return any ? std::optional(number) : std::nullopt;
}

const Unit* take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits)
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return &unit;
    }
  return nullptr;
}

// value / unit without trailing zeros: 1.5
std::string decimal(std::int64_t value, const Unit& unit) {
  std::string out = std::to_string(value / unit.ns);
  std::int64_t rest = value % unit.ns;
  if (rest != 0) out += '.';
  for (std::int64_t place = unit.ns / 10; rest != 0; rest %= place, place /= 10)
    out += static_cast<char>('0' + rest / place);
  return out.append(unit.name);
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return bad_duration(text, "it is empty");
  Wide total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    if (rest.front() == '-' || rest.front() == '+') return bad_duration(text, "it has a sign");
    const std::optional<Number> number = take_number(rest);
    if (!number) return bad_duration(text, "a number is missing");
    const Unit* unit = take_unit(rest);
    if (unit == nullptr)
      return bad_duration(text, rest.empty() ? "the unit is missing" : "the unit is not known");
    total += number->whole * unit->ns + number->fraction * unit->ns / number->scale;
    if (total > kLongest.count()) return bad_duration(text, "it is longer than a hundred years");
  }
  return Duration(static_cast<std::int64_t>(total));
}

std::string format_duration(Duration duration) {
  const std::int64_t ns = duration.count();
  if (ns == 0) return "0s";
  if (ns == INT64_MIN) return "-" + format_duration(Duration::max());  // one nanosecond off
  if (ns < 0) return "-" + format_duration(-duration);
  constexpr Unit kSecond{"s", 1'000'000'000};
  if (ns < 1'000) return decimal(ns, {"ns", 1});
  if (ns < 1'000'000) return decimal(ns, {"us", 1'000});
  if (ns < kSecond.ns) return decimal(ns, {"ms", 1'000'000});

  const auto whole_hours = std::chrono::floor<hours>(duration);
  const auto whole_minutes = std::chrono::floor<minutes>(duration - whole_hours);
  const Duration rest = duration - whole_hours - whole_minutes;
  std::string out;
  if (whole_hours.count() != 0) out += fmt::format("{}h", whole_hours.count());
  if (whole_minutes.count() != 0) out += fmt::format("{}m", whole_minutes.count());
  if (rest.count() != 0) out += decimal(rest.count(), kSecond);
  return out;
}

std::string format_rfc3339(WallTime time) {
  // The clamping that the header promises needs no code: 64-bit nanoseconds reach from 1677 to
  // 2262.
  // Microseconds first: the day before the earliest nanosecond does not fit into nanoseconds.
  const auto since_epoch = std::chrono::floor<std::chrono::microseconds>(Duration(time.ns()));
  const auto day = std::chrono::floor<days>(since_epoch);
  const std::chrono::year_month_day date{sys_days(day)};
  const std::chrono::hh_mm_ss clock(since_epoch - day);
  // By hand, because a controller writes seven times a heartbeat.
  std::string text = "0000-00-00T00:00:00.000000Z";
  const auto put = [&text](std::size_t column, std::size_t digits, std::int64_t number) {
    for (std::size_t i = column + digits; i-- > column; number /= 10)
      text[i] = static_cast<char>('0' + number % 10);
  };
  put(0, 4, static_cast<int>(date.year()));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, clock.hours().count());
  put(14, 2, clock.minutes().count());
  put(17, 2, clock.seconds().count());
  put(20, 6, clock.subseconds().count());
  return text;
}

namespace {

// Reads the fixed columns of RFC 3339; ok() turns false, and stays so, at the first that is not
// there.
class Columns {
 public:
  explicit Columns(std::string_view text) : text_(text) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return ok_ && text_.empty(); }

  // A number of exactly this many digits.
  int number(std::size_t digits, int lowest, int highest) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + digit();
    ok_ = ok_ && lowest <= value && value <= highest;
    return value;
  }
  // One of these characters.
  char one_of(std::string_view choice) {
    ok_ = ok_ && !text_.empty() && choice.find(text_.front()) != std::string_view::npos;
    return ok_ ? take() : '\0';
  }
  // ".123", rounded down to nanoseconds, or nothing.
  Duration fraction() {
    if (!ok_ || !text_.starts_with('.')) return Duration(0);
    take();
    std::int64_t ns = digit() * 100'000'000LL;
    for (std::int64_t place = 10'000'000; ok_ && !text_.empty() && is_digit(text_.front());
         place /= 10)
      ns += digit() * place;
    return Duration(ns);
  }

 private:
  char take() {
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }
  int digit() {
    ok_ = ok_ && !text_.empty() && is_digit(text_.front());
    return ok_ ? take() - '0' : 0;
  }

  std::string_view text_;
  bool ok_ = true;
};

// Times that Instant's 64-bit nanoseconds cannot hold, such as Go's year 1, become the nearest.
WallTime saturated(seconds since_epoch, Duration fraction) {
  const Wide ns = static_cast<Wide>(since_epoch.count()) * 1'000'000'000 + fraction.count();
  const Wide clamped = std::clamp<Wide>(ns, INT64_MIN, INT64_MAX);
  return WallTime::from_ns(static_cast<std::int64_t>(clamped));
}

}  // namespace

Result<WallTime> parse_rfc3339(std::string_view text) {
  Columns in(text);
  const std::chrono::year year(in.number(4, 1, 9999));
  in.one_of("-");
  const std::chrono::month month(static_cast<unsigned>(in.number(2, 1, 12)));
  in.one_of("-");
  const std::chrono::day day(static_cast<unsigned>(in.number(2, 1, 31)));
  in.one_of("Tt");
  const hours hour(in.number(2, 0, 23));
  in.one_of(":");
  const minutes minute(in.number(2, 0, 59));
  in.one_of(":");
  const seconds second(in.number(2, 0, 60));  // 60: a leap second
  const Duration fraction = in.fraction();
  minutes offset(0);
  if (const char sign = in.one_of("Zz+-"); sign == '+' || sign == '-') {
    offset = hours(in.number(2, 0, 23));
    in.one_of(":");
    offset += minutes(in.number(2, 0, 59));
    if (sign == '-') offset = -offset;
  }
  const std::chrono::year_month_day date(year, month, day);
  if (!in.done() || !date.ok())
    return failure(ErrorCode::invalid_argument, quoted(text) + " is not a time in RFC 3339",
                   R"(write it like "2026-01-02T03:04:05.123456Z")");
  return saturated(sys_days(date).time_since_epoch() + hour + minute + second - offset, fraction);
}

}  // namespace tenure
