// Flow by polynomial expansion (idt_spec 5.4; Farneback 2003).
//
// With the expansions R of the first image at (x, y) and r of the second at (x, y) + (dx, dy):
//   A = (R + r) / 2 of the quadratic part, e = (R - r) / 2 of the linear part + A d, and
//   M = (q2^2 + q4^2, (q2 + q3) q4, q3^2 + q4^2, q2 e0 + q4 e1, q4 e0 + q3 e1)   with q2 = yy, q3 = xx, q4 = xy / 2.
// M is blurred by 11 x 11 Gaussian taps, and d solves  [g11 g12; g12 g22] (dy, dx) = (h1, h2).
// There are two iterations. The caller then applies a 5 x 5 median to each channel; the result starts the next finer
// level.
#include "flow.h"

#include <algorithm>
#include <cmath>

#include "floats8.h"

namespace idt {
namespace {

constexpr int kRadius = 5;
constexpr int kStripe = 4;  // rows solved at once
constexpr int kRing = kStripe + 2 * kRadius;
constexpr int kProducts = 5;
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

// Where the flow carries pixels of a row in the second image: the pixel above and left of there, the distances from it,
// 0 to 1, and 1 if all four neighbours are inside the image, else 0.
struct Landings {
  static constexpr int kPixels = 64;
  alignas(64) int pixel[kPixels];
  alignas(64) float right[kPixels], below[kPixels], inside[kPixels];
};

// Fills the first `count` landings, rounded up to whole vectors, from the flow of row y, column x and on.
void land(const Expansion& second, const float* dx, const float* dy, int x, int y, int count, Landings& landings) {
  const int width = second.width(), zero = second.zero();
  const float last_x = static_cast<float>(width - 1), last_y = static_cast<float>(second.height() - 1);
  Floats8 column = Floats8{0, 1, 2, 3, 4, 5, 6, 7} + static_cast<float>(x);
  for (int i = 0; i < count; i += 8, column += 8.0f) {
    const Floats8 fx = column + load8(dx + i), fy = static_cast<float>(y) + load8(dy + i);
    const Ints8 inside = (fx >= 0.0f) & (fx < last_x) & (fy >= 0.0f) & (fy < last_y);
    const Floats8 sx = where(inside, fx), sy = where(inside, fy);
    const Ints8 ix = truncated(sx), iy = truncated(sy);
    write(landings.pixel + i, (inside & (iy * width + ix)) | (~inside & zero));
    store8(landings.right + i, sx - to_floats(ix));
    store8(landings.below + i, sy - to_floats(iy));
    store8(landings.inside + i, -to_floats(inside));
  }
}

// Computes a row of the 5 products M from the flow of row y.
void product_row(const float* first_pixel, const Expansion& second, const float* dxs, const float* dys, int y,
                 const float* column_weight, float row_weight, float* const* products) {
  constexpr int n = Expansion::kCoefficients;
  const Floats8 signs = {-1, -1, 1, 1, 1, 1, 1, 1};  // R - r of the linear part, R + r of the quadratic one
  const int width = second.width();
  Landings landings;
  for (int x = 0; x < padded(width); x += 8, first_pixel += 8 * n) {
    const int i = x % Landings::kPixels;
    if (i == 0) land(second, dxs + x, dys + x, x, y, std::min(Landings::kPixels, padded(width) - x), landings);
    Floats8 pixels[8], c[8];
    for (int k = 0; k < 8; ++k) {
      const float* upper = second.pixel(landings.pixel[i + k]);
      const Floats8 left = load8(upper), right = load8(upper + n);
      const float* lower = upper + n * width;
      const float below = landings.below[i + k];
      const Floats8 on_left = left + (load8(lower) - left) * below;
      const Floats8 on_right = right + (load8(lower + n) - right) * below;
      pixels[k] = load8(first_pixel + n * k) + (on_left + (on_right - on_left) * landings.right[i + k]) * signs;
    }
    transpose(pixels, c);

    // Outside, the mean is the first image.
    const Floats8 dx = load8(dxs + x), dy = load8(dys + x);
    const Floats8 trust = load8(column_weight + x) * row_weight;
    const Floats8 mean = trust * (1.0f - 0.5f * load8(landings.inside + i));
    const Floats8 q2 = c[2] * mean, q3 = c[3] * mean, q4 = c[4] * (mean * 0.5f);
    const Floats8 e0 = c[0] * (trust * 0.5f) + q2 * dy + q4 * dx;
    const Floats8 e1 = c[1] * (trust * 0.5f) + q4 * dy + q3 * dx;
    store8(products[0] + x, q2 * q2 + q4 * q4);
    store8(products[1] + x, (q2 + q3) * q4);
    store8(products[2] + x, q3 * q3 + q4 * q4);
    store8(products[3] + x, q2 * e0 + q4 * e1);
    store8(products[4] + x, q4 * e0 + q3 * e1);
  }
}

// Blurs vertically to kStripe rows at once, so that each row of products is read only once. rows[0] is the row kRadius
// above the first.
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

// Returns a b - c d, rounded about once (Kahan's fused operations): at a straight edge the difference is small.
inline float difference(float a, float b, float c, float d) {
#ifdef FP_FAST_FMAF
  const float cd = c * d;
  return std::fma(a, b, -cd) + std::fma(-c, d, cd);
#else
  return static_cast<float>(static_cast<double>(a) * b - static_cast<double>(c) * d);
#endif
}

// Blurs the 5 products horizontally and solves for the flow.
void solve_row(const float* const* products, int width, float* __restrict dx, float* __restrict dy) {
  const Window window = kWindow;
  const float *m0 = products[0], *m1 = products[1], *m2 = products[2], *m3 = products[3], *m4 = products[4];
  for (int x = 0; x < padded(width); ++x) {
    const float g11 = blur_along(m0 + x, window), g12 = blur_along(m1 + x, window), g22 = blur_along(m2 + x, window),
                h1 = blur_along(m3 + x, window), h2 = blur_along(m4 + x, window);
    const float inverse = 1.0f / (difference(g11, g22, g12, g12) + kRegulariser);
    dx[x] = difference(g11, h2, g12, h1) * inverse;
    dy[x] = difference(g22, h1, g12, h2) * inverse;
  }
}

}  // namespace

FlowIteration::FlowIteration(int width, int height)
    : width_(width),
      height_(height),
      column_weight_(static_cast<std::size_t>(padded(width))),
      products_(width, kProducts * kRing),
      blurred_(width, kProducts * kStripe) {
  for (int x = 0; x < width_; ++x) column_weight_[x] = border_weight(x, width_);
  for (int y = 0; y < height_; ++y) row_weight_.push_back(border_weight(y, height_));
}

void FlowIteration::start(ExpandedRows& first, const Expansion& second, Flow& flow) {
  first_ = &first;
  second_ = &second;
  flow_ = &flow;
  top_ = n_products_ = 0;
}

int FlowIteration::rows_read() const { return std::min(height_, top_ + kStripe + kRadius); }

float* FlowIteration::product(int y, int p) { return products_[(y % kRing) * kProducts + p]; }

// The products of the rows down to 5 below the stripe are computed before the flow of the stripe is overwritten. No
// later row needs that flow, so the new flow replaces it in place.
void FlowIteration::refine_stripe() {
  for (; n_products_ < rows_read(); ++n_products_) {
    float* to[kProducts];
    for (int p = 0; p < kProducts; ++p) to[p] = product(n_products_, p);
    product_row((*first_)[n_products_], *second_, flow_->dx.row(n_products_), flow_->dy.row(n_products_), n_products_,
                column_weight_.data(), row_weight_[n_products_], to);
  }
  for (int p = 0; p < kProducts; ++p) {
    const float* rows[kRing];
    float* to[kStripe];
    for (int i = 0; i < kRing; ++i) rows[i] = product(clamp(top_ + i - kRadius, 0, height_ - 1), p);
    for (int j = 0; j < kStripe; ++j) to[j] = blurred_[j * kProducts + p];
    blur_down(rows, width_, to);
    for (int j = 0; j < kStripe; ++j) blurred_.repeat_ends(j * kProducts + p, kRadius);
  }
  const int end = std::min(height_, top_ + kStripe);
  for (int y = top_; y < end; ++y) {
    const float* blurred[kProducts];
    for (int p = 0; p < kProducts; ++p) blurred[p] = blurred_[(y - top_) * kProducts + p];
    solve_row(blurred, width_, flow_->dx.row(y), flow_->dy.row(y));
  }
  top_ = end;
}

FlowLevel::FlowLevel(const Scale& scale, const Scale* coarser)
    : width_(scale.width),
      height_(scale.height),
      iteration_(scale.width, scale.height),
      last_iteration_(scale.width, scale.height) {
  if (coarser) upsample_ = Resizer(coarser->width, coarser->height, scale.width, scale.height);
}

// The last iteration reads less than 2 (kStripe + kRadius) rows behind the one before, while the rows that both read
// are in the cache and in `first`.
static_assert(ExpandedRows::kRows >= 2 * (kStripe + kRadius));

void FlowLevel::operator()(ExpandedRows first, const Expansion& second, const Flow* coarser, Flow& flow) {
  if (coarser) {
    upsample_(coarser->dx, flow.dx, kStride);
    upsample_(coarser->dy, flow.dy, kStride);
  } else {
    flow.resize(width_, height_);
    for (Image* channel : {&flow.dx, &flow.dy})
      std::fill_n(channel->row(0), static_cast<std::size_t>(channel->stride()) * height_, 0.0f);
  }
  iteration_.start(first, second, flow);
  last_iteration_.start(first, second, flow);
  while (last_iteration_.rows_done() < height_) {
    if (iteration_.rows_done() < last_iteration_.rows_read())
      iteration_.refine_stripe();
    else
      last_iteration_.refine_stripe();
  }
}

}  // namespace idt
