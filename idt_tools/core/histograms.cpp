// Orientation votes and their integral images (idt_spec 5.5).
//
// A vector of angle t in [0, 360) and length r votes for the two bins around u = t * 8 / 360, floor(u) and the next,
// modulo 8, in proportion to their nearness: bin b gets r * max(0, 1 - |u - b|), |u - b| around the circle. Bin centres
// lie at 0, 45, 90 ... degrees. The angle is a polynomial in min(|x|,|y|) / max(|x|,|y|), within 0.3 degrees.
// Integral in float: running sum of the row, plus the row above. A cell's votes are the integral's values at its
// corners: bottom right + top left - bottom left - top right.
#include "histograms.h"

#include <algorithm>
#include <cmath>

#include "floats8.h"

namespace idt {
namespace {

constexpr float kVoteFloor = 0.05f;
constexpr float kStill = 0.4f;  // pixels: shorter flow counts as no motion in HOF
constexpr int kCell = kPatch / 2;

constexpr float kDegrees = static_cast<float>(180.0 / 3.14159265358979323846);
constexpr float kP1 = 0.9997878412794807f * kDegrees, kP3 = -0.3258083974640975f * kDegrees,
                kP5 = 0.1555786518463281f * kDegrees, kP7 = -0.04432655554792128f * kDegrees;
constexpr float kTiny = 2.2204460492503131e-16f;

void vote_row(const float* dx, const float* dy, int width, float* __restrict position, float* __restrict length) {
  for (int i = 0; i < padded(width); ++i) {
    const float x = dx[i], y = dy[i];
    const float ax = std::fabs(x), ay = std::fabs(y);
    const float low = ax < ay ? ax : ay, high = ax < ay ? ay : ax;
    const float c = low / (high + kTiny), c2 = c * c;
    float angle = (((kP7 * c2 + kP5) * c2 + kP3) * c2 + kP1) * c;
    angle = ax < ay ? 90.0f - angle : angle;
    angle = x < 0.0f ? 180.0f - angle : angle;
    angle = y < 0.0f ? 360.0f - angle : angle;
    position[i] = angle * (kBins / 360.0f);
    length[i] = std::sqrt(x * x + y * y);
  }
}

void count_still(float* __restrict length, int width, float* __restrict still) {
  for (int x = 0; x < padded(width); ++x) {
    const bool at_rest = length[x] <= kStill;
    still[x] = at_rest ? 1.0f : 0.0f;
    length[x] = at_rest ? 0.0f : length[x];
  }
}

// Central differences [-1 0 1] with mirrored borders, hence 0 at the border.
template <class T>
void gradient_row(const Plane<T>& from, int y, float* __restrict dx, float* __restrict dy) {
  const int width = from.width(), height = from.height();
  const T* row = from.row(y);
  const T* above = from.row(reflect(y - 1, height));
  const T* below = from.row(reflect(y + 1, height));
  for (int x = 1; x < width - 1; ++x) dx[x] = static_cast<float>(row[x + 1]) - static_cast<float>(row[x - 1]);
  dx[0] = dx[width - 1] = 0.0f;
  for (int x = 0; x < padded(width); ++x) dy[x] = static_cast<float>(below[x]) - static_cast<float>(above[x]);
}

// Nearness to bin b around a circle of 8: 1 - min(d, 8 - d) = |d - 4| - 3, d = |u - b|, where that is positive.
inline Floats8 votes_for(float position, float length) {
  const Floats8 bins = {0, 1, 2, 3, 4, 5, 6, 7};
  return (at_least(3.0f, absolute(absolute(position - bins) - 4.0f)) - 3.0f) * length;
}

inline float total(const Floats8& v) { return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7])); }

// Computes one row of the integral from its entry 1 on. The four channels run in parallel, since each sum depends on
// the one before.
void accumulate_row(const float* const* position, const float* const* length, int width, const float* above,
                    float* __restrict to) {
  const float *p0 = position[0], *p1 = position[1], *p2 = position[2], *p3 = position[3];
  const float *l0 = length[0], *l1 = length[1], *l2 = length[2], *l3 = length[3];
  Floats8 s0 = {}, s1 = {}, s2 = {}, s3 = {};
  for (int x = 0; x < width; ++x, above += 4 * kBins, to += 4 * kBins) {
    s0 += votes_for(p0[x], l0[x]);
    s1 += votes_for(p1[x], l1[x]);
    s2 += votes_for(p2[x], l2[x]);
    s3 += votes_for(p3[x], l3[x]);
    store8(to, load8(above) + s0);
    store8(to + kBins, load8(above + kBins) + s1);
    store8(to + 2 * kBins, load8(above + 2 * kBins) + s2);
    store8(to + 3 * kBins, load8(above + 3 * kBins) + s3);
  }
}

}  // namespace

PatchHistograms::PatchHistograms(int max_width)
    : integral_(static_cast<std::size_t>(max_width + 1) * kRing * kEntry),
      still_(static_cast<std::size_t>(max_width + 1) * kRing),
      votes_(max_width, 2 * kChannels + 1),
      gradients_(max_width, 2) {}

void PatchHistograms::start(int y, int width) {
  width_ = width;
  bottom_ = y;
  stride_ = static_cast<std::size_t>(width) + 1;
  std::fill_n(entry(y, 0), stride_ * kEntry, 0.0f);
  std::fill_n(still_.begin() + static_cast<std::ptrdiff_t>(stride_ * (y % kRing)), stride_, 0.0f);
}

void PatchHistograms::vote(int channel, const float* dx, const float* dy) {
  vote_row(dx, dy, width_, votes_[2 * channel], votes_[2 * channel + 1]);
}

void PatchHistograms::add_row(const DescribedImages& images) {
  const int y = bottom_++;
  float *dx = gradients_[0], *dy = gradients_[1], *still_votes = votes_[2 * kChannels];
  gradient_row(images.grey, y, dx, dy);
  vote(0, dx, dy);
  vote(kHofChannel, images.flow.dx.row(y), images.flow.dy.row(y));
  count_still(votes_[2 * kHofChannel + 1], width_, still_votes);
  gradient_row(images.flow.dx, y, dx, dy);
  vote(2, dx, dy);
  gradient_row(images.flow.dy, y, dx, dy);
  vote(3, dx, dy);

  const float *position[kChannels], *length[kChannels];
  for (int c = 0; c < kChannels; ++c) {
    position[c] = votes_[2 * c];
    length[c] = votes_[2 * c + 1];
  }
  std::fill_n(entry(bottom_, 0), kEntry, 0.0f);
  accumulate_row(position, length, width_, entry(y, 1), entry(bottom_, 1));

  const float* above = still(y);
  float* count = still_.data() + stride_ * (bottom_ % kRing);
  count[0] = 0.0f;
  float sum = 0.0f;
  for (int x = 0; x < width_; ++x) {
    sum += still_votes[x];
    count[x + 1] = above[x + 1] + sum;
  }
}

void PatchHistograms::prefetch_patch(int left) const {
  for (int y = bottom_ - kPatch; y <= bottom_; y += kCell) {
    for (int x = left; x <= left + kPatch; x += kCell) {
      __builtin_prefetch(entry(y, x));
      __builtin_prefetch(entry(y, x) + kEntry / 2);
    }
  }
}

void PatchHistograms::add_patch(int left, HistogramSums& sums) const {
  const float *top_left[kCells], *top_right[kCells], *bottom_left[kCells], *bottom_right[kCells];
  float still_votes[kCells], still_total = 0.0f;
  for (int cell = 0; cell < kCells; ++cell) {
    const int x0 = left + cell / 2 * kCell, x1 = x0 + kCell;
    const int y0 = bottom_ - kPatch + cell % 2 * kCell, y1 = y0 + kCell;
    top_left[cell] = entry(y0, x0);
    top_right[cell] = entry(y0, x1);
    bottom_left[cell] = entry(y1, x0);
    bottom_right[cell] = entry(y1, x1);
    const float votes = still(y1)[x1] + still(y0)[x0] - still(y1)[x0] - still(y0)[x1];
    still_votes[cell] = std::max(votes, 0.0f) + kVoteFloor;
    still_total += still_votes[cell];
  }
  constexpr float kUnit = HistogramSums::kUnit;
  for (int c = 0; c < kChannels; ++c) {
    Floats8 bins[kCells];
    for (int cell = 0; cell < kCells; ++cell) {
      const int at = c * kBins;
      const Floats8 votes = load8(bottom_right[cell] + at) + load8(top_left[cell] + at) -
                            load8(bottom_left[cell] + at) - load8(top_right[cell] + at);
      bins[cell] = at_least(0.0f, votes) + kVoteFloor;
    }
    const float sum = total((bins[0] + bins[1]) + (bins[2] + bins[3])) + (c == kHofChannel ? still_total : 0.0f);
    const float gain = kUnit * kUnit / sum;
    for (int cell = 0; cell < kCells; ++cell) {
      add(sums.bins[c][cell], truncated(root(bins[cell] * gain) + 0.5f));
      if (c == kHofChannel)
        sums.still[cell] = static_cast<std::uint16_t>(sums.still[cell] + std::sqrt(still_votes[cell] * gain) + 0.5f);
    }
  }
}

}  // namespace idt
