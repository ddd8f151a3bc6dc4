// 5 x 5 median by sorting networks. The operations are the same for every pixel, so that they vectorise, and
// neighbouring windows share the sorting of their common pixels.
//
// Pixels 2i and 2i + 1 have the columns 2i - 1 .. 2i + 2 of their windows in common; column 2i - 2 belongs to the first
// window, column 2i + 3 to the second. With even and odd columns in separate rows:
//   1. Every column of 5 is sorted.
//   2. Columns 2i - 1 and 2i are merged to a sorted ten, Q(i). The common 20 values are Q(i) and Q(i + 1).
//   3. Of the 20, only ranks 8 to 13 can be the median of the 25, whatever the last 5 values are. These six, sorted,
//      are the three greatest of the lower ten and the three least of the upper ten.
//   4. The median is the 6th of the six and the last column's five: the least of max(six_k, column_{6-k}).
#include "median.h"

#include <algorithm>

namespace idt {
namespace {

constexpr int kSide = 5;
constexpr int kPair = 2 * kSide;

inline Floats least(Floats a, Floats b) { return a < b ? a : b; }
inline Floats greatest(Floats a, Floats b) { return a > b ? a : b; }

inline void order(Floats& a, Floats& b) {
  const Floats low = least(a, b);
  b = greatest(a, b);
  a = low;
}

inline void sort5(Floats* v) {
  order(v[0], v[1]);
  order(v[3], v[4]);
  order(v[2], v[4]);
  order(v[2], v[3]);
  order(v[1], v[4]);
  order(v[0], v[3]);
  order(v[0], v[2]);
  order(v[1], v[3]);
  order(v[1], v[2]);
}

// Odd-even merges (Batcher) of sorted a and b.
inline void merge2(Floats a0, Floats a1, Floats b0, Floats b1, Floats* to) {
  to[0] = least(a0, b0);
  to[1] = greatest(a0, b0);
  to[2] = least(a1, b1);
  to[3] = greatest(a1, b1);
  order(to[1], to[2]);
}

inline void merge3(Floats a0, Floats a1, Floats a2, Floats b0, Floats b1, Floats b2, Floats* to) {
  Floats outer[4];
  merge2(a0, a2, b0, b2, outer);
  to[0] = outer[0];
  to[1] = least(a1, b1);
  to[2] = outer[1];
  to[3] = greatest(a1, b1);
  to[4] = outer[2];
  to[5] = outer[3];
  order(to[1], to[2]);
  order(to[3], to[4]);
}

inline void merge5(const Floats* a, const Floats* b, Floats* to) {
  Floats odd[6], even[4];
  merge3(a[0], a[2], a[4], b[0], b[2], b[4], odd);
  merge2(a[1], a[3], b[1], b[3], even);
  to[0] = odd[0];
  for (int i = 0; i < 4; ++i) {
    to[2 * i + 1] = even[i];
    to[2 * i + 2] = odd[i + 1];
    order(to[2 * i + 1], to[2 * i + 2]);
  }
  to[9] = odd[5];
}

// Computes the sorted ranks 8 to 13 of the sorted tens p and q. The lower ten are min(p_k, q_{9-k}). They rise, then
// fall, so that the greater of each pair k and k + 5 are the greatest five. The upper ten are analogous.
inline void middle6(const Floats* p, const Floats* q, Floats* six) {
  Floats low[kSide], high[kSide];
  for (int k = 0; k < kSide; ++k) {
    low[k] = greatest(least(p[k], q[9 - k]), least(p[k + 5], q[4 - k]));
    high[k] = least(greatest(p[k], q[9 - k]), greatest(p[k + 5], q[4 - k]));
  }
  sort5(low);
  sort5(high);
  for (int k = 0; k < 3; ++k) {
    six[k] = low[2 + k];
    six[3 + k] = high[k];
  }
}

inline Floats sixth(const Floats* six, const Floats* column) {
  Floats median = six[5];
  for (int k = 0; k < kSide; ++k) median = least(median, greatest(six[k], column[4 - k]));
  return median;
}

// Rows of the sorted ranks of columns or of pairs of columns.
struct Ranks {
  float* rank[kPair];
};

void split_row(const float* row, int n, float* __restrict even, float* __restrict odd) {
  for (int i = 0; i < n; ++i) {
    even[i] = row[2 * i];
    odd[i] = row[2 * i + 1];
  }
}

void sort_columns(const float* const* rows, int n, const Ranks& ranks) {
  for (int i = 0; i < n; i += kLanes) {
    Floats v[kSide];
    for (int r = 0; r < kSide; ++r) v[r] = load(rows[r] + i);
    sort5(v);
    for (int r = 0; r < kSide; ++r) store(ranks.rank[r] + i, v[r]);
  }
}

void merge_columns(const Ranks& even, const Ranks& odd, int n, const Ranks& pairs) {
  for (int i = 0; i < n; i += kLanes) {
    Floats a[kSide], b[kSide], merged[kPair];
    for (int r = 0; r < kSide; ++r) {
      a[r] = load(odd.rank[r] + i - 1);
      b[r] = load(even.rank[r] + i);
    }
    merge5(a, b, merged);
    for (int r = 0; r < kPair; ++r) store(pairs.rank[r] + i, merged[r]);
  }
}

void select(const Ranks& even, const Ranks& odd, const Ranks& pairs, int n, float* to_even, float* to_odd) {
  for (int i = 0; i < n; i += kLanes) {
    Floats left[kPair], right[kPair], six[6], before[kSide], behind[kSide];
    for (int r = 0; r < kPair; ++r) {
      left[r] = load(pairs.rank[r] + i);
      right[r] = load(pairs.rank[r] + i + 1);
    }
    for (int r = 0; r < kSide; ++r) {
      before[r] = load(even.rank[r] + i - 1);
      behind[r] = load(odd.rank[r] + i + 1);
    }
    middle6(left, right, six);
    store(to_even + i, sixth(six, before));
    store(to_odd + i, sixth(six, behind));
  }
}

void join_row(const float* even, const float* odd, int n, float* __restrict row) {
  for (int i = 0; i < n; ++i) {
    row[2 * i] = even[i];
    row[2 * i + 1] = odd[i];
  }
}

}  // namespace

Median5x5::Median5x5(int max_width)
    : split_(max_width / 2 + kVector, 2 * kSide + 2),
      columns_(max_width / 2 + kVector, 2 * kSide),
      pairs_(max_width / 2 + kVector, kPair) {}

void Median5x5::operator()(const Image& from, Image& to) {
  const int width = from.width(), height = from.height(), half = padded(width) / 2;
  to.resize(width, height);
  Ranks even{}, odd{}, pairs{};
  for (int r = 0; r < kSide; ++r) {
    even.rank[r] = columns_[r];
    odd.rank[r] = columns_[kSide + r];
  }
  for (int r = 0; r < kPair; ++r) pairs.rank[r] = pairs_[r];
  const auto column = [&](int r, int x) -> float& { return (x & 1 ? odd : even).rank[r][x >> 1]; };
  int split = 0;  // number of split rows, of which the last 5 stay in memory
  for (int y = 0; y < height; ++y) {
    for (; split < std::min(height, y + kSide / 2 + 1); ++split)
      split_row(from.row(split), half, split_[2 * (split % kSide)], split_[2 * (split % kSide) + 1]);
    const float *even_rows[kSide], *odd_rows[kSide];
    for (int i = 0; i < kSide; ++i) {
      const int source = clamp(y + i - kSide / 2, 0, height - 1) % kSide;
      even_rows[i] = split_[2 * source];
      odd_rows[i] = split_[2 * source + 1];
    }
    sort_columns(even_rows, half, even);
    sort_columns(odd_rows, half, odd);
    for (int r = 0; r < kSide; ++r) {
      for (const int x : {-2, -1}) column(r, x) = column(r, 0);
      for (int x = width; x < width + 3; ++x) column(r, x) = column(r, width - 1);
    }
    merge_columns(even, odd, half + 1, pairs);
    select(even, odd, pairs, half, split_[2 * kSide], split_[2 * kSide + 1]);
    join_row(split_[2 * kSide], split_[2 * kSide + 1], half, to.row(y));
  }
}

}  // namespace idt
