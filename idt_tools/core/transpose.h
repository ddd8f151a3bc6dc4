// Squares of 8 x 8 floats.
#pragma once

#include "plane.h"

namespace idt {

// Transposes a square of 8 rows. The compiler removes columns that are not used.
inline void transpose(const Floats8* rows, Floats8* columns) {
#if defined(__AVX__) && !defined(__clang__)  // clang compiles the loops below equally well
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
  for (int i = 0; i < 8; ++i)
    for (int k = 0; k < 8; ++k) columns[i][k] = rows[k][i];
#endif
}

}  // namespace idt
