#include "text_rows.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <version>

namespace idt {
namespace {

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }
inline unsigned value_of(char digit) { return static_cast<unsigned>(digit - '0'); }
inline bool is_digit(char c) { return value_of(c) < 10; }

// Reads a number that follows no space. Returns the place behind it, or null if there is none.
const char* parse_number(const char* begin, const char* end, double& number) {
  // The digits of most numbers, as an integer, and the power of ten that divides it, are exact doubles. The quotient is
  // then the nearest double, as of any other method.
  constexpr double kPowers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  constexpr int kDigits = 15;
  const bool negative = *begin == '-';
  const char* at = begin + negative;
  std::uint64_t digits = 0;  // meaningless if there are more than kDigits
  const char* const first = at;
  for (; at < end && is_digit(*at); ++at) digits = 10 * digits + value_of(*at);
  const char* const point = at;
  if (at < end && *at == '.')
    for (++at; at < end && is_digit(*at); ++at) digits = 10 * digits + value_of(*at);
  const std::ptrdiff_t n_decimals = at == point ? 0 : at - point - 1, n_digits = point - first + n_decimals;
  if (n_digits > 0 && n_digits <= kDigits && (at == end || is_space(*at) || *at == '\n')) {
    const double magnitude = static_cast<double>(static_cast<std::int64_t>(digits)) / kPowers[n_decimals];
    number = negative ? -magnitude : magnitude;
    return at;
  }
  if (first == end || (!is_digit(*first) && *first != '.')) return nullptr;  // inf, nan(1)
#ifdef __cpp_lib_to_chars  // absent from older libraries; Python then parses the text
  const auto [behind, error] = std::from_chars(begin, end, number);
  const bool whole = behind == end || is_space(*behind) || *behind == '\n';
  if (error == std::errc() && whole) return behind;
#endif
  return nullptr;
}

}  // namespace

std::optional<std::vector<float>> parse_rows(std::string_view text, std::size_t columns) {
  std::vector<float> numbers;
  numbers.reserve(text.size() / 8);
  std::size_t in_line = 0;
  const char *at = text.data(), *const end = at + text.size();
  while (true) {
    while (at < end && is_space(*at)) ++at;
    if (at == end || *at == '\n') {
      if (in_line != 0 && in_line != columns) return std::nullopt;
      if (at == end) return numbers;
      in_line = 0;
      ++at;
      continue;
    }
    double number;
    at = parse_number(at, end, number);
    if (!at) return std::nullopt;
    numbers.push_back(static_cast<float>(number));  // rounded twice, as by numpy.loadtxt
    ++in_line;
  }
}

}  // namespace idt
