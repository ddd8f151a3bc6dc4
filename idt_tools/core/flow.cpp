// Flow by polynomial expansion (idt_spec 5.4; Farneback 2003).
//
// With the expansions R of the first image at (x, y) and r of the second at (x, y) + (dx, dy):
//   A = (R + r) / 2 of the quadratic part, e = (R - r) / 2 of the linear part + A d, and
//   M = (q2^2 + q4^2, (q2 + q3) q4, q3^2 + q4^2, q2 e0 + q4 e1, q4 e0 + q3 e1)   with q2 = yy, q3 = xx, q4 = xy / 2.
// M is blurred by 11 x 11 Gaussian taps, and d solves  [g11 g12; g12 g22] (dy, dx) = (h1, h2).
// Two iterations, then a 5 x 5 median of each channel, whose result also starts the next finer level.
#include "flow.h"

#include <algorithm>
#include <cmath>

#include "median.h"

namespace idt {
namespace {

constexpr int kRadius = 5;
constexpr int kRing = 2 * kRadius + 1;
constexpr int kProducts = 5;
constexpr int kIterations = 2;
constexpr double kRegulariser = 1e-3;
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

std::vector<float> border_weights(int length) {
  std::vector<float> weights(static_cast<std::size_t>(length), 1.0f);
  const int near = std::min<int>(std::size(kBorder), length);
  for (int i = 0; i < near; ++i) {
    weights[i] *= kBorder[i];
    weights[length - 1 - i] *= kBorder[i];
  }
  return weights;
}

struct Rows {
  const float* plane[kProducts];
};

Rows rows_at(const Expansion& expansion, int y) {
  Rows rows{};
  for (int p = 0; p < kProducts; ++p) rows.plane[p] = expansion[p].row(y);
  return rows;
}

// The second image's planes side by side, 8 floats a pixel (3 unused): its pixels are read at scattered places, and so
// the 5 values of one come with one load.
constexpr int kLanes = 8;

IDT_VECTORISED void interleave_row(const Rows& planes, int width, float* __restrict to) {
  const float *p0 = planes.plane[0], *p1 = planes.plane[1], *p2 = planes.plane[2], *p3 = planes.plane[3],
              *p4 = planes.plane[4];
  for (int x = 0; x < width; ++x)
    *reinterpret_cast<Floats8*>(to + kLanes * x) = Floats8{p0[x], p1[x], p2[x], p3[x], p4[x], 0.0f, 0.0f, 0.0f};
}

// Where each pixel of a row lands in the second image.
IDT_VECTORISED void landing_row(const float* dxs, const float* dys, int y, int width, int height,
                                int* __restrict index, float* __restrict a00, float* __restrict a01,
                                float* __restrict a10, float* __restrict a11, float* __restrict half) {
  const float right = static_cast<float>(width - 1), bottom = static_cast<float>(height - 1);
  for (int x = 0; x < width; ++x) {
    const float fx = static_cast<float>(x) + dxs[x], fy = static_cast<float>(y) + dys[x];
    const bool inside = (fx >= 0.0f) & (fx < right) & (fy >= 0.0f) & (fy < bottom);
    const float used = inside ? 1.0f : 0.0f;
    const float sx = inside ? fx : 0.0f, sy = inside ? fy : 0.0f;
    const int ix = static_cast<int>(sx), iy = static_cast<int>(sy);
    const float ax = sx - static_cast<float>(ix), ay = sy - static_cast<float>(iy);
    index[x] = iy * width + ix;
    a00[x] = (1.0f - ax) * (1.0f - ay) * used;
    a01[x] = ax * (1.0f - ay) * used;
    a10[x] = (1.0f - ax) * ay * used;
    a11[x] = ax * ay * used;
    half[x] = inside ? 0.5f : 1.0f;
  }
}

IDT_VECTORISED void sample_row(const float* second, const int* index, const float* a00, const float* a01,
                               const float* a10, const float* a11, int width, float* __restrict sampled) {
  for (int x = 0; x < width; ++x) {
    const Floats8* above = reinterpret_cast<const Floats8*>(second) + index[x];
    const Floats8* below = above + width;
    *reinterpret_cast<Floats8*>(sampled + kLanes * x) =
        above[0] * a00[x] + above[1] * a01[x] + below[0] * a10[x] + below[1] * a11[x];
  }
}

// One row of the 5 products M.
IDT_VECTORISED void product_row(const Rows& first, const float* __restrict sampled, const float* __restrict half,
                                const float* __restrict dxs, const float* __restrict dys,
                                const float* __restrict column_weight, float row_weight, int width,
                                float* __restrict m0, float* __restrict m1, float* __restrict m2, float* __restrict m3,
                                float* __restrict m4) {
  const float *f0 = first.plane[0], *f1 = first.plane[1], *f2 = first.plane[2], *f3 = first.plane[3],
              *f4 = first.plane[4];
  for (int x = 0; x < width; ++x) {
    const float dx = dxs[x], dy = dys[x];
    const float* r = sampled + kLanes * x;
    float q2 = (f2[x] + r[2]) * half[x];
    float q3 = (f3[x] + r[3]) * half[x];
    float q4 = (f4[x] + r[4]) * (half[x] * 0.5f);
    float e0 = (f0[x] - r[0]) * 0.5f + q2 * dy + q4 * dx;
    float e1 = (f1[x] - r[1]) * 0.5f + q4 * dy + q3 * dx;
    const float trust = column_weight[x] * row_weight;
    q2 *= trust;
    q3 *= trust;
    q4 *= trust;
    e0 *= trust;
    e1 *= trust;
    m0[x] = q2 * q2 + q4 * q4;
    m1[x] = (q2 + q3) * q4;
    m2[x] = q3 * q3 + q4 * q4;
    m3[x] = q2 * e0 + q4 * e1;
    m4[x] = q4 * e0 + q3 * e1;
  }
}

IDT_VECTORISED void blur_down(const float* const* rows, const float* taps, int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) {
    float sum = rows[kRadius][x] * taps[0];
    for (int i = 1; i <= kRadius; ++i) sum += (rows[kRadius + i][x] + rows[kRadius - i][x]) * taps[i];
    to[x] = sum;
  }
}

inline float blur_along(const float* row, const float* taps) {
  float sum = row[0] * taps[0];
  for (int i = 1; i <= kRadius; ++i) sum += (row[i] + row[-i]) * taps[i];
  return sum;
}

// Horizontal blur of the 5 products and the solution. In double: the determinant of a straight edge is a small
// difference of large numbers.
IDT_VECTORISED void solve_row(const Rows& blurred, const float* taps, int width, float* __restrict dx,
                              float* __restrict dy) {
  for (int x = 0; x < width; ++x) {
    const double g11 = blur_along(blurred.plane[0] + x, taps), g12 = blur_along(blurred.plane[1] + x, taps),
                 g22 = blur_along(blurred.plane[2] + x, taps), h1 = blur_along(blurred.plane[3] + x, taps),
                 h2 = blur_along(blurred.plane[4] + x, taps);
    const double inverse = 1.0 / (g11 * g22 - g12 * g12 + kRegulariser);
    dx[x] = static_cast<float>((g11 * h2 - g12 * h1) * inverse);
    dy[x] = static_cast<float>((g22 * h1 - g12 * h2) * inverse);
  }
}

}  // namespace

FlowLevel::FlowLevel(const Scale& scale, const Scale* coarser)
    : width_(scale.width),
      height_(scale.height),
      column_weight_(border_weights(scale.width)),
      row_weight_(border_weights(scale.height)),
      landing_(static_cast<std::size_t>(scale.width)),
      sampled_(static_cast<std::size_t>(scale.width) * kLanes),
      products_(static_cast<std::size_t>(scale.width + 2 * kRadius) * kProducts * (kRing + 1)) {
  if (coarser) upsample_ = Resizer(coarser->width, coarser->height, scale.width, scale.height);
}

void FlowLevel::operator()(const Expansion& first, const Expansion& second, const Flow* coarser, Flow& flow) {
  if (coarser) {
    upsample_(coarser->dx, start_.dx, kStride);
    upsample_(coarser->dy, start_.dy, kStride);
  } else {
    start_.resize(width_, height_);
    std::fill_n(start_.dx.row(0), width_ * height_, 0.0f);
    std::fill_n(start_.dy.row(0), width_ * height_, 0.0f);
  }
  second_.resize(kLanes * width_, height_);
  for (int y = 0; y < height_; ++y) interleave_row(rows_at(second, y), width_, second_.row(y));
  for (int i = 0; i < kIterations; ++i) iterate(first, start_);
  median_5x5(start_.dx, flow.dx);
  median_5x5(start_.dy, flow.dy);
}

// One pass over the rows. The products of row y + 5 are made from flow row y + 5 before row y is overwritten, and no
// later row needs flow row y again, so the new flow can take the old one's place.
void FlowLevel::iterate(const Expansion& first, Flow& flow) {
  const std::size_t stride = static_cast<std::size_t>(width_ + 2 * kRadius);
  Landing& landing = landing_;
  const auto row_of = [&](int y, int product) {
    return products_.data() + stride * static_cast<std::size_t>((y % kRing) * kProducts + product) + kRadius;
  };
  const auto blurred_row = [&](int product) {
    return products_.data() + stride * static_cast<std::size_t>(kRing * kProducts + product) + kRadius;
  };
  int made = 0;
  for (int y = 0; y < height_; ++y) {
    for (; made < std::min(height_, y + kRadius + 1); ++made) {
      const float *dx = flow.dx.row(made), *dy = flow.dy.row(made);
      landing_row(dx, dy, made, width_, height_, landing.index.data(), landing.a00.data(), landing.a01.data(),
                  landing.a10.data(), landing.a11.data(), landing.half.data());
      sample_row(second_.row(0), landing.index.data(), landing.a00.data(), landing.a01.data(), landing.a10.data(),
                 landing.a11.data(), width_, sampled_.data());
      product_row(rows_at(first, made), sampled_.data(), landing.half.data(), dx, dy, column_weight_.data(),
                  row_weight_[made], width_, row_of(made, 0), row_of(made, 1), row_of(made, 2), row_of(made, 3),
                  row_of(made, 4));
    }
    Rows blurred{};
    for (int p = 0; p < kProducts; ++p) {
      const float* rows[kRing];
      for (int i = -kRadius; i <= kRadius; ++i) rows[kRadius + i] = row_of(clamp(y + i, 0, height_ - 1), p);
      float* to = blurred_row(p);
      blur_down(rows, kWindow.taps, width_, to);
      std::fill(to - kRadius, to, to[0]);
      std::fill(to + width_, to + width_ + kRadius, to[width_ - 1]);
      blurred.plane[p] = to;
    }
    solve_row(blurred, kWindow.taps, width_, flow.dx.row(y), flow.dy.row(y));
  }
}

}  // namespace idt
