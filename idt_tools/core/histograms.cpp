// Orientation votes and their integral images (idt_spec 5.5).
//
// A vector of angle t in [0, 360) and length r votes for the two bins around u = t * 8 / 360: floor(u) gets
// r - (u - floor(u)) r and the next, modulo 8, gets (u - floor(u)) r. Bin centres lie at 0, 45, 90 ... degrees.
// The angle is a polynomial in min(|x|,|y|) / max(|x|,|y|), within 0.3 degrees.
// Integral in float: running sum of the row, plus the row above.
#include "histograms.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace idt {
namespace {

constexpr float kDegrees = static_cast<float>(180.0 / 3.14159265358979323846);
constexpr float kP1 = 0.9997878412794807f * kDegrees, kP3 = -0.3258083974640975f * kDegrees,
                kP5 = 0.1555786518463281f * kDegrees, kP7 = -0.04432655554792128f * kDegrees;
constexpr float kTiny = 2.2204460492503131e-16f;

// Per pixel the lower bin, what the next bin gets (share) and what the lower one keeps (rest), and 1 where it is still.
IDT_VECTORISED void vote_row(const float* dx, const float* dy, int width, float still, int* __restrict bin,
                             float* __restrict share, float* __restrict rest, float* __restrict counted_still) {
  for (int i = 0; i < width; ++i) {
    const float x = dx[i], y = dy[i];
    const float length = std::sqrt(x * x + y * y);
    const float ax = std::fabs(x), ay = std::fabs(y);
    const float low = ax < ay ? ax : ay, high = ax < ay ? ay : ax;
    const float c = low / (high + kTiny), c2 = c * c;
    float angle = (((kP7 * c2 + kP5) * c2 + kP3) * c2 + kP1) * c;
    angle = ax < ay ? 90.0f - angle : angle;
    angle = x < 0.0f ? 180.0f - angle : angle;
    angle = y < 0.0f ? 360.0f - angle : angle;
    const float position = angle * (kBins / 360.0f);
    const int lower = static_cast<int>(position);
    const float counted = length <= still ? 0.0f : length;
    counted_still[i] = length <= still ? 1.0f : 0.0f;
    const float next = (position - static_cast<float>(lower)) * counted;
    bin[i] = lower & (kBins - 1);
    share[i] = next;
    rest[i] = counted - next;
  }
}

// One row of the integral: `above` and `to` point at the entries of column 1.
IDT_VECTORISED void accumulate_row(const int* bin, const float* share, const float* rest, int width, const float* above,
                                   float* to) {
  const Ints8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
  Floats8 sum = {};
  for (int x = 0; x < width; ++x) {
    const Ints8 lower = lane == (Ints8{} + bin[x]);
    const Ints8 next = lane == (Ints8{} + ((bin[x] + 1) & (kBins - 1)));
    Ints8 kept, given;
    const Floats8 kept_votes = Floats8{} + rest[x], given_votes = Floats8{} + share[x];
    std::memcpy(&kept, &kept_votes, sizeof kept);
    std::memcpy(&given, &given_votes, sizeof given);
    const Ints8 votes = (lower & kept) | (next & given);
    Floats8 vote;
    std::memcpy(&vote, &votes, sizeof vote);
    sum += vote;
    *reinterpret_cast<Floats8*>(to + kBins * x) = *reinterpret_cast<const Floats8*>(above + kBins * x) + sum;
  }
}

template <class T>
void gradient_of(const Plane<T>& from, Image& dx, Image& dy) {
  const int width = from.width(), height = from.height();
  dx.resize(width, height);
  dy.resize(width, height);
  for (int y = 0; y < height; ++y) {
    const T* row = from.row(y);
    const T* above = from.row(reflect(y - 1, height));
    const T* below = from.row(reflect(y + 1, height));
    float* __restrict gx = dx.row(y);
    float* __restrict gy = dy.row(y);
    gx[0] = gx[width - 1] = 0.0f;
    for (int x = 1; x < width - 1; ++x) gx[x] = static_cast<float>(row[x + 1]) - static_cast<float>(row[x - 1]);
    for (int x = 0; x < width; ++x) gy[x] = static_cast<float>(below[x]) - static_cast<float>(above[x]);
  }
}

}  // namespace

void gradient(const Image& from, Image& dx, Image& dy) { gradient_of(from, dx, dy); }
void gradient(const Grey& from, Image& dx, Image& dy) { gradient_of(from, dx, dy); }

void OrientationIntegral::build(const Image& dx, const Image& dy, float still) {
  const int width = dx.width(), height = dx.height();
  stride_ = static_cast<std::size_t>(width) + 1;
  grow(bins_, stride_ * (height + 1) * kBins);
  std::fill_n(bins_.begin(), stride_ * kBins, 0.0f);
  if (still > 0) {
    grow(still_, stride_ * (height + 1));
    std::fill_n(still_.begin(), stride_, 0.0f);
  }
  for (std::vector<float>* row : {&share_, &rest_, &still_row_}) grow(*row, width);
  grow(bin_, width);
  for (int y = 0; y < height; ++y) {
    vote_row(dx.row(y), dy.row(y), width, still > 0 ? still : -1.0f, bin_.data(), share_.data(), rest_.data(),
             still_row_.data());
    float* to = bins_.data() + stride_ * (y + 1) * kBins;
    std::fill_n(to, kBins, 0.0f);
    accumulate_row(bin_.data(), share_.data(), rest_.data(), width, to - (stride_ - 1) * kBins, to + kBins);
    if (still <= 0) continue;
    float* count = still_.data() + stride_ * (y + 1);
    const float* above = count - stride_;
    count[0] = 0.0f;
    float sum = 0.0f;
    for (int x = 0; x < width; ++x) {
      sum += still_row_[x];
      count[x + 1] = above[x + 1] + sum;
    }
  }
}

}  // namespace idt
