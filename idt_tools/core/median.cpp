// 5 x 5 median by sorting networks, the same operations for every pixel, so that they vectorise.
//
// Every column of 5 is sorted once and shared by the 5 windows that hold it. Sorting each rank across the 5 columns of
// a window leaves the columns sorted; then element (i, j), counted from 1, has at least i j - 1 others below or equal
// and (6 - i)(6 - j) - 1 above or equal, and only the 13 with both products <= 13 can be the median: 6 are known to lie
// below and 6 above, so it is the 7th of those 13. It is found by dropping the least and the greatest of 8, then of 7
// (one joined), and so on to 3.
#include "median.h"

#include <algorithm>
#include <vector>

namespace idt {
namespace {

constexpr int kRadius = 2;

inline void order(float& a, float& b) {
  const float low = a < b ? a : b;
  b = a < b ? b : a;
  a = low;
}

inline void sort5(float& a, float& b, float& c, float& d, float& e) {
  order(a, b);
  order(d, e);
  order(c, e);
  order(c, d);
  order(b, e);
  order(a, d);
  order(a, c);
  order(b, d);
  order(b, c);
}

IDT_VECTORISED void sort_columns(const float* const* rows, int width, float* __restrict s0, float* __restrict s1,
                                 float* __restrict s2, float* __restrict s3, float* __restrict s4) {
  const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3], *r4 = rows[4];
  for (int x = 0; x < width; ++x) {
    float a = r0[x], b = r1[x], c = r2[x], d = r3[x], e = r4[x];
    sort5(a, b, c, d, e);
    s0[x] = a;
    s1[x] = b;
    s2[x] = c;
    s3[x] = d;
    s4[x] = e;
  }
}

// Least to a, greatest to the last argument; the rest in any order.
inline void extremes3(float& a, float& b, float& c) {
  order(a, b);
  order(b, c);
  order(a, b);
}
inline void extremes4(float& a, float& b, float& c, float& d) {
  order(a, b);
  order(c, d);
  order(a, c);
  order(b, d);
}
inline void extremes5(float& a, float& b, float& c, float& d, float& e) {
  order(a, b);
  order(d, e);
  order(a, d);
  order(b, e);
  order(a, c);
  order(c, e);
}
inline void extremes6(float& a, float& b, float& c, float& d, float& e, float& f) {
  order(a, b);
  order(c, d);
  order(e, f);
  order(a, c);
  order(a, e);
  order(d, f);
  order(b, f);
}
inline void extremes7(float& a, float& b, float& c, float& d, float& e, float& f, float& g) {
  order(a, b);
  order(c, d);
  order(f, g);
  order(a, c);
  order(d, g);
  order(a, f);
  order(b, g);
  order(a, e);
  order(e, g);
}

// ranks[r] points kRadius before the first pixel.
IDT_VECTORISED void median_row(const float* const* ranks, int width, float* __restrict to) {
  const float *s1 = ranks[0], *s2 = ranks[1], *s3 = ranks[2], *s4 = ranks[3], *s5 = ranks[4];
  for (int x = 0; x < width; ++x) {
    float a[5], b[5], c[5], d[5], e[5];
    for (int i = 0; i < 5; ++i) {
      a[i] = s1[x + i];
      b[i] = s2[x + i];
      c[i] = s3[x + i];
      d[i] = s4[x + i];
      e[i] = s5[x + i];
    }
    sort5(a[0], a[1], a[2], a[3], a[4]);
    sort5(b[0], b[1], b[2], b[3], b[4]);
    sort5(c[0], c[1], c[2], c[3], c[4]);
    sort5(d[0], d[1], d[2], d[3], d[4]);
    sort5(e[0], e[1], e[2], e[3], e[4]);
    // Candidates: a3 a4 | b2 b3 b4 | c1 c2 c3 | d0 d1 d2 | e0 e1. Of the first 8 the least is a3, b2 or c1 and the
    // greatest b4 or c3.
    order(a[3], b[2]);
    order(a[3], c[1]);
    order(b[4], c[3]);
    extremes7(a[4], b[2], b[3], b[4], c[1], c[2], d[0]);  // leaves b2 b3 b4 c1 c2
    extremes6(d[1], b[2], b[3], b[4], c[1], c[2]);        // leaves b2 b3 b4 c1
    extremes5(d[2], b[2], b[3], b[4], c[1]);              // leaves b2 b3 b4
    extremes4(e[0], b[2], b[3], b[4]);                    // leaves b2 b3
    extremes3(e[1], b[2], b[3]);
    to[x] = b[2];
  }
}

}  // namespace

void median_5x5(const Image& from, Image& to) {
  const int width = from.width(), height = from.height();
  to.resize(width, height);
  const std::size_t padded = static_cast<std::size_t>(width + 2 * kRadius);
  std::vector<float> buffer(5 * padded);
  float* ranks[5];
  float* centres[5];
  for (int r = 0; r < 5; ++r) {
    ranks[r] = buffer.data() + r * padded;
    centres[r] = ranks[r] + kRadius;
  }
  for (int y = 0; y < height; ++y) {
    const float* rows[5];
    for (int i = 0; i < 5; ++i) rows[i] = from.row(clamp(y + i - kRadius, 0, height - 1));
    sort_columns(rows, width, centres[0], centres[1], centres[2], centres[3], centres[4]);
    for (float* rank : ranks) {
      std::fill(rank, rank + kRadius, rank[kRadius]);
      std::fill(rank + kRadius + width, rank + padded, rank[kRadius + width - 1]);
    }
    median_row(ranks, width, to.row(y));
  }
}

}  // namespace idt
