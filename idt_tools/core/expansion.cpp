// Polynomial expansion (idt_spec 5.3; Farneback 2003).
//
// Around every pixel the image is fitted by  c + b_x x + b_y y + a_xx x^2 + a_yy y^2 + a_xy x y, weighted by g(x) g(y),
// g = Gaussian with sigma 1.5 over -7..7, borders repeated. The normal matrix is separable, so each coefficient is one
// separable filter; with m2 = sum w x^2, m4 = sum w x^4, m22 = sum w x^2 y^2 and h = inverse matrix:
//   b_y = g(x) [y g(y) / m2]       a_yy = g(x) [g(y) (h03 + y^2 h33)]       a_xy = [x g(x) / m22] [y g(y)]
//   b_x = [x g(x) / m2] g(y)       a_xx = [g(x) (h03 + x^2 h33)] g(y)
#include "expansion.h"

#include <algorithm>
#include <cmath>

#include "floats8.h"

namespace idt {
namespace {

constexpr int kRadius = 7;
constexpr double kSigma = 1.5;

struct Taps {
  float smooth[kRadius + 1];  // g
  float slope[kRadius + 1];   // x g / m2
  float bend[kRadius + 1];    // g (h03 + x^2 h33)
  float mixed[kRadius + 1];   // x g * (m2 / m22): applied to the vertical slope, it gives a_xy
};

Taps make_taps() {
  float g[kRadius + 1];
  double sum = 0;
  for (int i = 0; i <= kRadius; ++i) {
    g[i] = static_cast<float>(std::exp(-i * i / (2 * kSigma * kSigma)));
    sum += (i ? 2.0 : 1.0) * g[i];
  }
  for (float& tap : g) tap = static_cast<float>(tap / sum);
  double m2 = 0, m4 = 0, m22 = 0;
  for (int y = -kRadius; y <= kRadius; ++y) {
    for (int x = -kRadius; x <= kRadius; ++x) {
      const float weight = g[std::abs(y)] * g[std::abs(x)];
      m2 += weight * static_cast<float>(x * x);
      m4 += weight * static_cast<float>(x * x * x * x);
      m22 += weight * static_cast<float>(x * x * y * y);
    }
  }
  // Rows (1, x^2, y^2) of the normal matrix: [1 m2 m2; m2 m4 m22; m2 m22 m4]; the window is separable, m22 = m2^2.
  const double h33 = 1.0 / (m4 - m22), h03 = -m2 * h33;
  Taps taps{};
  for (int i = 0; i <= kRadius; ++i) {
    taps.smooth[i] = g[i];
    taps.slope[i] = static_cast<float>(i * g[i] / m2);
    taps.bend[i] = static_cast<float>(g[i] * (h03 + i * i * h33));
    taps.mixed[i] = static_cast<float>(i * g[i] * (m2 / m22));
  }
  return taps;
}

const Taps kTaps = make_taps();

// Computes one row of the vertical pass: smoothed, slope and bend along y. rows[kRadius + i] is the row i below the
// centre.
void expand_vertically(const float* const* rows, int width, float* __restrict smooth, float* __restrict slope,
                       float* __restrict bend) {
  const Taps taps = kTaps;
  const float* r[2 * kRadius + 1];
  for (int i = 0; i <= 2 * kRadius; ++i) r[i] = rows[i];
  for (int x = 0; x < padded(width); ++x) {
    const float centre = r[kRadius][x];
    float a = centre * taps.smooth[0], b = 0.0f, c = centre * taps.bend[0];
    for (int i = 1; i <= kRadius; ++i) {
      const float below = r[kRadius + i][x], above = r[kRadius - i][x];
      a += (below + above) * taps.smooth[i];
      b += (below - above) * taps.slope[i];
      c += (below + above) * taps.bend[i];
    }
    smooth[x] = a;
    slope[x] = b;
    bend[x] = c;
  }
}

// Computes one row of the horizontal pass. The inputs reach kRadius beyond both ends.
void expand_horizontally(const float* smooth, const float* slope, const float* bend, int width, float* __restrict by,
                         float* __restrict bx, float* __restrict ayy, float* __restrict axx, float* __restrict axy) {
  const Taps taps = kTaps;
  for (int x = 0; x < padded(width); ++x) {
    float r0 = slope[x] * taps.smooth[0], r1 = 0.0f, r2 = bend[x] * taps.smooth[0], r3 = smooth[x] * taps.bend[0],
          r4 = 0.0f;
    for (int i = 1; i <= kRadius; ++i) {
      r0 += (slope[x + i] + slope[x - i]) * taps.smooth[i];
      r1 += (smooth[x + i] - smooth[x - i]) * taps.slope[i];
      r2 += (bend[x + i] + bend[x - i]) * taps.smooth[i];
      r3 += (smooth[x + i] + smooth[x - i]) * taps.bend[i];
      r4 += (slope[x + i] - slope[x - i]) * taps.mixed[i];
    }
    by[x] = r0;
    bx[x] = r1;
    ayy[x] = r2;
    axx[x] = r3;
    axy[x] = r4;
  }
}

}  // namespace

void Expansion::resize(int width, int height) {
  width_ = width;
  height_ = height;
  // Room for the zeros of zero(), and for rows that are read and written in steps of 8 pixels and 8 floats.
  const std::size_t image = kCoefficients * static_cast<std::size_t>(width) * height;
  const std::size_t behind = kCoefficients * (static_cast<std::size_t>(width) + 2 + kVector) + 8;
  if (values_.size() < image + behind) values_ = Buffer<float>(image + behind);
}

Expander::Expander(int width, int height)
    : width_(width), height_(height), vertical_(width, 3), coefficients_(width, Expansion::kCoefficients) {}

void Expander::expand_row(const Image& image, int y, float* to) {
  const float* rows[2 * kRadius + 1];
  for (int i = -kRadius; i <= kRadius; ++i) rows[kRadius + i] = image.row(clamp(y + i, 0, height_ - 1));
  expand_vertically(rows, width_, vertical_[0], vertical_[1], vertical_[2]);
  for (int i = 0; i < 3; ++i) vertical_.repeat_ends(i, kRadius);
  expand_horizontally(vertical_[0], vertical_[1], vertical_[2], width_, coefficients_[0], coefficients_[1],
                      coefficients_[2], coefficients_[3], coefficients_[4]);
  for (int x = 0; x < width_; x += 8) {
    Floats8 columns[8] = {}, pixels[8];
    for (int i = 0; i < Expansion::kCoefficients; ++i) columns[i] = load8(coefficients_[i] + x);
    transpose(columns, pixels);
    for (int k = 0; k < 8; ++k) store8(to + Expansion::kCoefficients * (x + k), pixels[k]);
  }
}

void Expander::operator()(const Image& image, Expansion& expansion) {
  expansion.resize(width_, height_);
  for (int y = 0; y < height_; ++y) expand_row(image, y, expansion.row(y));
  std::fill_n(expansion.row(height_), Expansion::kCoefficients * (width_ + 2) + 8, 0.0f);
}

}  // namespace idt
