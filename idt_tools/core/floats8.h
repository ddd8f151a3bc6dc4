// Vectors of 8 numbers, the bins of a histogram or the coefficients of a pixel, and squares of 8 of them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "plane.h"

namespace idt {

#if defined(__AVX__)

typedef float Floats8 __attribute__((vector_size(32)));
typedef int Ints8 __attribute__((vector_size(32)));

inline Ints8 truncated(const Floats8& v) { return __builtin_convertvector(v, Ints8); }
inline Floats8 to_floats(const Ints8& v) { return __builtin_convertvector(v, Floats8); }
// max(v, low), by one instruction.
inline Floats8 at_least(float low, const Floats8& v) { return v > low ? v : Floats8{} + low; }
inline Floats8 root(const Floats8& v) {
  Floats8 roots;
  for (int i = 0; i < 8; ++i) roots[i] = std::sqrt(v[i]);
  return roots;
}
inline void add(std::uint16_t* to, const Ints8& v) {
  typedef std::uint16_t Words8 __attribute__((vector_size(16)));
  write(to, read<Words8>(to) + __builtin_convertvector(v, Words8));
}

#else

typedef float Floats4 __attribute__((vector_size(16)));
typedef int Ints4 __attribute__((vector_size(16)));

// A pair of registers of 4, for processors without registers of 8: compilers would keep a vector of 8 in memory.
template <class Half, class Number>
struct Eight {
  Half low, high;

  Eight() = default;
  Eight(const Half& l, const Half& h) : low(l), high(h) {}
  Eight(Number number) : low(Half{} + number), high(low) {}
  Eight(Number a, Number b, Number c, Number d, Number e, Number f, Number g, Number h)
      : low{a, b, c, d}, high{e, f, g, h} {}
  Number operator[](int i) const { return i < 4 ? low[i] : high[i - 4]; }

  friend Eight operator+(const Eight& a, const Eight& b) { return {a.low + b.low, a.high + b.high}; }
  friend Eight operator-(const Eight& a, const Eight& b) { return {a.low - b.low, a.high - b.high}; }
  friend Eight operator*(const Eight& a, const Eight& b) { return {a.low * b.low, a.high * b.high}; }
  friend Eight operator&(const Eight& a, const Eight& b) { return {a.low & b.low, a.high & b.high}; }
  friend Eight operator|(const Eight& a, const Eight& b) { return {a.low | b.low, a.high | b.high}; }
  friend Eight operator~(const Eight& a) { return {~a.low, ~a.high}; }
  friend Eight operator-(const Eight& a) { return {-a.low, -a.high}; }
  Eight& operator+=(const Eight& b) { return *this = *this + b; }
};
using Floats8 = Eight<Floats4, float>;
using Ints8 = Eight<Ints4, int>;

inline Ints8 operator<(const Floats8& a, float b) { return {a.low < b, a.high < b}; }
inline Ints8 operator>=(const Floats8& a, float b) { return {a.low >= b, a.high >= b}; }
inline Ints8 truncated(const Floats8& v) {
  return {__builtin_convertvector(v.low, Ints4), __builtin_convertvector(v.high, Ints4)};
}
inline Floats8 to_floats(const Ints8& v) {
  return {__builtin_convertvector(v.low, Floats4), __builtin_convertvector(v.high, Floats4)};
}
inline Floats8 at_least(float low, const Floats8& v) {
  const Floats4 floor = Floats4{} + low;
  return {v.low > floor ? v.low : floor, v.high > floor ? v.high : floor};
}
inline Floats8 root(const Floats8& v) {
  Floats8 roots;
  for (int i = 0; i < 4; ++i) {
    roots.low[i] = std::sqrt(v.low[i]);
    roots.high[i] = std::sqrt(v.high[i]);
  }
  return roots;
}
inline void add(std::uint16_t* to, const Ints8& v) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<std::uint16_t>(to[i] + v[i]);
}

#endif

inline Floats8 load8(const float* from) { return read<Floats8>(from); }
inline void store8(float* to, const Floats8& values) { write(to, values); }
// The values where the mask is -1, and 0 where it is 0.
inline Floats8 where(const Ints8& mask, const Floats8& values) {
  return std::bit_cast<Floats8>(std::bit_cast<Ints8>(values) & mask);
}
inline Floats8 absolute(const Floats8& v) { return where(Ints8{} + 0x7fffffff, v); }

// Transposes a square of 8 rows. The compiler removes columns that are not used.
inline void transpose(const Floats8* rows, Floats8* columns) {
#if defined(__clang__)  // which compiles the loops as well as the other branches
  alignas(32) float square[8][8];
  for (int i = 0; i < 8; ++i)
    for (int k = 0; k < 8; ++k) square[i][k] = rows[k][i];
  for (int i = 0; i < 8; ++i) columns[i] = load8(square[i]);
#elif defined(__AVX__)
  constexpr Ints8 kLow = {0, 8, 1, 9, 4, 12, 5, 13}, kHigh = {2, 10, 3, 11, 6, 14, 7, 15};
  constexpr Ints8 kFirst = {0, 1, 8, 9, 4, 5, 12, 13}, kSecond = {2, 3, 10, 11, 6, 7, 14, 15};
  constexpr Ints8 kLowerHalves = {0, 1, 2, 3, 8, 9, 10, 11}, kUpperHalves = {4, 5, 6, 7, 12, 13, 14, 15};
  Floats8 pairs[8];  // of rows: columns 0 1 | 4 5, then columns 2 3 | 6 7
  for (int i = 0; i < 4; ++i) {
    pairs[i] = __builtin_shuffle(rows[2 * i], rows[2 * i + 1], kLow);
    pairs[4 + i] = __builtin_shuffle(rows[2 * i], rows[2 * i + 1], kHigh);
  }
  for (int high = 0; high < 2; ++high) {
    const Floats8* p = pairs + 4 * high;
    const Floats8 a = __builtin_shuffle(p[0], p[1], kFirst), b = __builtin_shuffle(p[2], p[3], kFirst);
    const Floats8 c = __builtin_shuffle(p[0], p[1], kSecond), d = __builtin_shuffle(p[2], p[3], kSecond);
    columns[2 * high] = __builtin_shuffle(a, b, kLowerHalves);
    columns[2 * high + 1] = __builtin_shuffle(c, d, kLowerHalves);
    columns[2 * high + 4] = __builtin_shuffle(a, b, kUpperHalves);
    columns[2 * high + 5] = __builtin_shuffle(c, d, kUpperHalves);
  }
#else
  constexpr Ints4 kLow = {0, 4, 1, 5}, kHigh = {2, 6, 3, 7}, kFirst = {0, 1, 4, 5}, kSecond = {2, 3, 6, 7};
  const auto transpose4 = [&](const Floats4& r0, const Floats4& r1, const Floats4& r2, const Floats4& r3, Floats4* to) {
    const Floats4 a = __builtin_shuffle(r0, r1, kLow), b = __builtin_shuffle(r2, r3, kLow);
    const Floats4 c = __builtin_shuffle(r0, r1, kHigh), d = __builtin_shuffle(r2, r3, kHigh);
    to[0] = __builtin_shuffle(a, b, kFirst);
    to[1] = __builtin_shuffle(a, b, kSecond);
    to[2] = __builtin_shuffle(c, d, kFirst);
    to[3] = __builtin_shuffle(c, d, kSecond);
  };
  Floats4 low[8], high[8];  // of the columns
  transpose4(rows[0].low, rows[1].low, rows[2].low, rows[3].low, low);
  transpose4(rows[0].high, rows[1].high, rows[2].high, rows[3].high, low + 4);
  transpose4(rows[4].low, rows[5].low, rows[6].low, rows[7].low, high);
  transpose4(rows[4].high, rows[5].high, rows[6].high, rows[7].high, high + 4);
  for (int i = 0; i < 8; ++i) columns[i] = {low[i], high[i]};
#endif
}

}  // namespace idt
