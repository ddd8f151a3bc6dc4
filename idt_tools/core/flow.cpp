// Flow by polynomial expansion (idt_spec 5.4; Farneback 2003).
//
// With the expansions R of the first image at (x, y) and r of the second at (x, y) + (dx, dy):
//   A = (R + r) / 2 of the quadratic part, e = (R - r) / 2 of the linear part + A d, and
//   M = (q2^2 + q4^2, (q2 + q3) q4, q3^2 + q4^2, q2 e0 + q4 e1, q4 e0 + q3 e1)   with q2 = yy, q3 = xx, q4 = xy / 2.
// M is blurred by 11 x 11 Gaussian taps, and d solves  [g11 g12; g12 g22] (dy, dx) = (h1, h2).
// Two iterations, then (by the caller) a 5 x 5 median of each channel, whose result also starts the next finer level.
#include "flow.h"

#include <algorithm>
#include <cmath>

#include "transpose.h"

namespace idt {
namespace {

constexpr int kRadius = 5;
constexpr int kStripe = 4;  // rows solved at once
constexpr int kRing = kStripe + 2 * kRadius;
constexpr int kProducts = 5;
constexpr int kIterations = 2;
constexpr float kRegulariser = 1e-3f;
constexpr float kBorder[] = {0.14f, 0.14f, 0.4472f, 0.4472f, 0.4472f};

struct Window {
  float taps[kRadius + 1];
};

Window make_window() {
  constexpr double sigma = kRadius * 0.3;
  Window window{};
  double sum = 0;
  for (int i = 0; i <= kRadius; ++i) {
    window.taps[i] = static_cast<float>(std::exp(-i * i / (2 * sigma * sigma)));
    sum += (i ? 2.0 : 1.0) * window.taps[i];
  }
  for (float& tap : window.taps) tap = static_cast<float>(tap / sum);
  return window;
}

const Window kWindow = make_window();

float border_weight(int i, int length) {
  float weight = 1.0f;
  for (const int distance : {i, length - 1 - i})
    if (distance < static_cast<int>(std::size(kBorder))) weight *= kBorder[distance];
  return weight;
}

Ints first_columns() {
  Ints columns;
  for (int i = 0; i < kLanes; ++i) columns[i] = i;
  return columns;
}

// Where each pixel of a row lands in the second image.
void landing_row(const float* dxs, const float* dys, int y, int width, int height, int zero, int* landing,
                 float* right, float* below, float* half) {
  const float last_x = static_cast<float>(width - 1), last_y = static_cast<float>(height - 1);
  Floats column = to_floats(first_columns());
  for (int x = 0; x < padded(width); x += kLanes, column += static_cast<float>(kLanes)) {
    const Floats fx = column + load(dxs + x), fy = static_cast<float>(y) + load(dys + x);
    const Ints inside = (fx >= 0.0f) & (fx < last_x) & (fy >= 0.0f) & (fy < last_y);
    const Floats sx = inside ? fx : Floats{}, sy = inside ? fy : Floats{};
    const Ints ix = to_ints(sx), iy = to_ints(sy);
    store(landing + x, inside ? iy * width + ix : Ints{} + zero);
    store(right + x, sx - to_floats(ix));
    store(below + x, sy - to_floats(iy));
    store(half + x, inside ? Floats{} + 0.5f : Floats{} + 1.0f);
  }
}

// The second image's coefficients where a row's pixels land.
void sample_row(const InterleavedExpansion& second, const int* landing, const float* right, const float* below,
                int width, float* s0, float* s1, float* s2, float* s3, float* s4) {
  const Floats8* pixels = reinterpret_cast<const Floats8*>(second.pixel(0));
  const Floats8* pixels_below = pixels + width;
  for (int x = 0; x < padded(width); x += 8) {
    Floats8 found[8];
    for (int k = 0; k < 8; ++k) {
      const Floats8* upper = pixels + landing[x + k];
      const Floats8* lower = pixels_below + landing[x + k];
      const Floats8 on_left = upper[0] + (lower[0] - upper[0]) * below[x + k];
      const Floats8 on_right = upper[1] + (lower[1] - upper[1]) * below[x + k];
      found[k] = on_left + (on_right - on_left) * right[x + k];
    }
    Floats8 columns[8];
    transpose(found, columns);
    store8(s0 + x, columns[0]);
    store8(s1 + x, columns[1]);
    store8(s2 + x, columns[2]);
    store8(s3 + x, columns[3]);
    store8(s4 + x, columns[4]);
  }
}

struct ConstRows {
  const float* row[kProducts];
};

// One row of the 5 products M.
void product_row(const ConstRows& first, const ConstRows& sampled, const float* half, const float* dxs,
                 const float* dys, const float* column_weight, float row_weight, int width, float* __restrict m0,
                 float* __restrict m1, float* __restrict m2, float* __restrict m3, float* __restrict m4) {
  const ConstRows f = first, s = sampled;
  for (int x = 0; x < padded(width); ++x) {
    const float dx = dxs[x], dy = dys[x];
    const float trust = column_weight[x] * row_weight;
    const float mean = half[x] * trust;
    const float q2 = (f.row[2][x] + s.row[2][x]) * mean;
    const float q3 = (f.row[3][x] + s.row[3][x]) * mean;
    const float q4 = (f.row[4][x] + s.row[4][x]) * (mean * 0.5f);
    const float e0 = (f.row[0][x] - s.row[0][x]) * (0.5f * trust) + q2 * dy + q4 * dx;
    const float e1 = (f.row[1][x] - s.row[1][x]) * (0.5f * trust) + q4 * dy + q3 * dx;
    m0[x] = q2 * q2 + q4 * q4;
    m1[x] = (q2 + q3) * q4;
    m2[x] = q3 * q3 + q4 * q4;
    m3[x] = q2 * e0 + q4 * e1;
    m4[x] = q4 * e0 + q3 * e1;
  }
}

// Vertical blur to kStripe rows at once, so that each row of products is read once for all of them. rows[0] is the row
// kRadius above the first.
void blur_down(const float* const* rows, int width, float* const* to) {
  const Window window = kWindow;
  for (int x = 0; x < padded(width); x += kLanes) {
    Floats column[kStripe + 2 * kRadius];
    for (int i = 0; i < kStripe + 2 * kRadius; ++i) column[i] = load(rows[i] + x);
    for (int j = 0; j < kStripe; ++j) {
      Floats sum = column[j + kRadius] * window.taps[0];
      for (int i = 1; i <= kRadius; ++i) sum += (column[j + kRadius + i] + column[j + kRadius - i]) * window.taps[i];
      store(to[j] + x, sum);
    }
  }
}

inline float blur_along(const float* row, const Window& window) {
  float sum = row[0] * window.taps[0];
  for (int i = 1; i <= kRadius; ++i) sum += (row[i] + row[-i]) * window.taps[i];
  return sum;
}

// Horizontal blur of the 5 products, and the solution.
void solve_row(const ConstRows& blurred, int width, float* __restrict dx, float* __restrict dy) {
  const Window window = kWindow;
  const ConstRows m = blurred;
  for (int x = 0; x < padded(width); ++x) {
    const float g11 = blur_along(m.row[0] + x, window), g12 = blur_along(m.row[1] + x, window),
                g22 = blur_along(m.row[2] + x, window), h1 = blur_along(m.row[3] + x, window),
                h2 = blur_along(m.row[4] + x, window);
    const float inverse = 1.0f / (g11 * g22 - g12 * g12 + kRegulariser);
    dx[x] = (g11 * h2 - g12 * h1) * inverse;
    dy[x] = (g22 * h1 - g12 * h2) * inverse;
  }
}

}  // namespace

FlowLevel::FlowLevel(const Scale& scale, const Scale* coarser)
    : width_(scale.width),
      height_(scale.height),
      sampled_(scale.width, kCoefficients),
      products_(scale.width, kProducts * kRing),
      blurred_(scale.width, kProducts * kStripe) {
  const std::size_t n = static_cast<std::size_t>(padded(width_));
  for (Buffer<float>* row : {&column_weight_, &right_, &below_, &half_}) row->resize(n);
  landing_.resize(n);
  for (int x = 0; x < width_; ++x) column_weight_[x] = border_weight(x, width_);
  for (int y = 0; y < height_; ++y) row_weight_.push_back(border_weight(y, height_));
  if (coarser) upsample_ = Resizer(coarser->width, coarser->height, scale.width, scale.height);
}

void FlowLevel::operator()(const Expansion& first, const InterleavedExpansion& second, const Flow* coarser,
                           Flow& flow) {
  if (coarser) {
    upsample_(coarser->dx, flow.dx, kStride);
    upsample_(coarser->dy, flow.dy, kStride);
  } else {
    flow.resize(width_, height_);
    for (Image* channel : {&flow.dx, &flow.dy})
      std::fill_n(channel->row(0), static_cast<std::size_t>(channel->stride()) * height_, 0.0f);
  }
  for (int i = 0; i < kIterations; ++i) iterate(first, second, flow);
}

// One pass over the rows, in stripes. The products of the rows down to 5 below a stripe are made from their flow before
// the stripe's is overwritten, and no later row needs that flow again, so the new flow can take the old one's place.
void FlowLevel::iterate(const Expansion& first, const InterleavedExpansion& second, Flow& flow) {
  const auto product = [&](int y, int p) { return products_[(y % kRing) * kProducts + p]; };
  ConstRows sampled{};
  for (int p = 0; p < kProducts; ++p) sampled.row[p] = sampled_[p];
  int made = 0;
  for (int top = 0; top < height_; top += kStripe) {
    const int end = std::min(height_, top + kStripe);
    for (; made < std::min(height_, end + kRadius); ++made) {
      const float *dx = flow.dx.row(made), *dy = flow.dy.row(made);
      landing_row(dx, dy, made, width_, height_, second.zero(), landing_.data(), right_.data(), below_.data(),
                  half_.data());
      sample_row(second, landing_.data(), right_.data(), below_.data(), width_, sampled_[0], sampled_[1], sampled_[2],
                 sampled_[3], sampled_[4]);
      ConstRows at{};
      for (int p = 0; p < kProducts; ++p) at.row[p] = first[p].row(made);
      product_row(at, sampled, half_.data(), dx, dy, column_weight_.data(), row_weight_[made], width_,
                  product(made, 0), product(made, 1), product(made, 2), product(made, 3), product(made, 4));
    }
    for (int p = 0; p < kProducts; ++p) {
      const float* rows[kRing];
      float* to[kStripe];
      for (int i = 0; i < kRing; ++i) rows[i] = product(clamp(top + i - kRadius, 0, height_ - 1), p);
      for (int j = 0; j < kStripe; ++j) to[j] = blurred_[j * kProducts + p];
      blur_down(rows, width_, to);
      for (int j = 0; j < kStripe; ++j) blurred_.repeat_ends(j * kProducts + p, kRadius);
    }
    for (int y = top; y < end; ++y) {
      ConstRows blurred{};
      for (int p = 0; p < kProducts; ++p) blurred.row[p] = blurred_[(y - top) * kProducts + p];
      solve_row(blurred, width_, flow.dx.row(y), flow.dy.row(y));
    }
  }
}

}  // namespace idt
