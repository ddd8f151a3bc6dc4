// Blur and polynomial expansion (idt_spec 5.2, 5.3; Farneback 2003).
//
// Blur: Gaussian with sigma = (f - 1) / 2 and max(3, round(5 sigma) | 1) taps, mirrored borders; at f = 1 it is
// 1/4, 1/2, 1/4.
// Expansion: around every pixel the image is fitted by  c + b_x x + b_y y + a_xx x^2 + a_yy y^2 + a_xy x y, weighted by
// g(x) g(y), g = Gaussian with sigma 1.5 over -7..7, borders repeated. The normal matrix is separable, so each
// coefficient is one separable filter; with m2 = sum w x^2, m4 = sum w x^4, m22 = sum w x^2 y^2 and h = inverse matrix:
//   b_y = g(x) [y g(y) / m2]       a_yy = g(x) [g(y) (h03 + y^2 h33)]       a_xy = [x g(x) / m22] [y g(y)]
//   b_x = [x g(x) / m2] g(y)       a_xx = [g(x) (h03 + x^2 h33)] g(y)
#include "expansion.h"

#include <algorithm>
#include <cmath>

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

// One row of the vertical pass: smoothed, slope and bend along y. rows[kRadius + i] is the row i below the centre.
IDT_VECTORISED void expand_vertically(const float* const* rows, const Taps& taps, int width, float* __restrict smooth,
                                      float* __restrict slope, float* __restrict bend) {
  const float* centre = rows[kRadius];
  for (int x = 0; x < width; ++x) {
    float a = centre[x] * taps.smooth[0], b = 0.0f, c = centre[x] * taps.bend[0];
    for (int i = 1; i <= kRadius; ++i) {
      const float below = rows[kRadius + i][x], above = rows[kRadius - i][x];
      a += (below + above) * taps.smooth[i];
      b += (below - above) * taps.slope[i];
      c += (below + above) * taps.bend[i];
    }
    smooth[x] = a;
    slope[x] = b;
    bend[x] = c;
  }
}

// One row of the horizontal pass; the inputs reach kRadius beyond both ends.
IDT_VECTORISED void expand_horizontally(const float* smooth, const float* slope, const float* bend, const Taps& taps,
                                        int width, float* __restrict by, float* __restrict bx, float* __restrict ayy,
                                        float* __restrict axx, float* __restrict axy) {
  for (int x = 0; x < width; ++x) {
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

void repeat_ends(float* row, int width, int radius) {
  std::fill(row - radius, row, row[0]);
  std::fill(row + width, row + width + radius, row[width - 1]);
}

IDT_VECTORISED void blur_row(const float* from, const float* kernel, int radius, int width, float* __restrict to) {
  if (radius <= 2) {  // the centre, then pairs outward; longer kernels run left to right (last bits only)
    for (int x = 0; x < width; ++x) to[x] = from[x] * kernel[0];
    for (int i = 1; i <= radius; ++i)
      for (int x = 0; x < width; ++x) to[x] += (from[x - i] + from[x + i]) * kernel[i];
    return;
  }
  for (int x = 0; x < width; ++x) to[x] = from[x - radius] * kernel[radius];
  for (int i = 1 - radius; i <= radius; ++i)
    for (int x = 0; x < width; ++x) to[x] += from[x + i] * kernel[i < 0 ? -i : i];
}

IDT_VECTORISED void blur_three_rows(const float* above, const float* centre, const float* below, const float* kernel,
                                    int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) to[x] = (above[x] + below[x]) * kernel[1] + centre[x] * kernel[0];
}

IDT_VECTORISED void scale_row(const float* from, float gain, int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) to[x] = from[x] * gain;
}

IDT_VECTORISED void add_row_pair(const float* above, const float* below, float gain, int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) to[x] += (above[x] + below[x]) * gain;
}

}  // namespace

std::vector<float> blur_kernel(float factor) {
  const double sigma = (factor - 1.0f) * 0.5;
  const int size = std::max(3, static_cast<int>(std::nearbyint(sigma * 5)) | 1);
  const int radius = size / 2;
  if (sigma <= 0) return {0.5f, 0.25f};
  std::vector<float> kernel;
  double sum = 0;
  for (int i = 0; i <= radius; ++i) {
    kernel.push_back(static_cast<float>(std::exp(-0.5 / (sigma * sigma) * i * i)));
    sum += (i ? 2.0 : 1.0) * kernel.back();
  }
  for (float& tap : kernel) tap = static_cast<float>(tap / sum);
  return kernel;
}

void gaussian_blur(const Grey& from, const std::vector<float>& kernel, Image& rows, Image& to) {
  const int width = from.width(), height = from.height(), radius = static_cast<int>(kernel.size()) - 1;
  rows.resize(width, height);
  to.resize(width, height);
  std::vector<float> padded(static_cast<std::size_t>(width + 2 * radius));
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* pixels = from.row(y);
    float* centre = padded.data() + radius;
    std::copy(pixels, pixels + width, centre);
    for (int i = 1; i <= radius; ++i) {
      centre[-i] = pixels[reflect(-i, width)];
      centre[width - 1 + i] = pixels[reflect(width - 1 + i, width)];
    }
    blur_row(centre, kernel.data(), radius, width, rows.row(y));
  }
  for (int y = 0; y < height; ++y) {
    const auto row = [&](int i) { return rows.row(reflect(y + i, height)); };
    if (radius == 1) {
      blur_three_rows(row(-1), row(0), row(1), kernel.data(), width, to.row(y));
      continue;
    }
    scale_row(row(0), kernel[0], width, to.row(y));
    for (int i = 1; i <= radius; ++i) add_row_pair(row(-i), row(i), kernel[i], width, to.row(y));
  }
}

void polynomial_expansion(const Image& image, Expansion& expansion) {
  const int width = image.width(), height = image.height();
  for (Image& plane : expansion) plane.resize(width, height);
  const std::size_t padded = static_cast<std::size_t>(width + 2 * kRadius);
  std::vector<float> buffer(3 * padded);
  float* smooth = buffer.data() + kRadius;
  float* slope = smooth + padded;
  float* bend = slope + padded;
  for (int y = 0; y < height; ++y) {
    const float* rows[2 * kRadius + 1];
    for (int i = -kRadius; i <= kRadius; ++i) rows[kRadius + i] = image.row(clamp(y + i, 0, height - 1));
    expand_vertically(rows, kTaps, width, smooth, slope, bend);
    for (float* row : {smooth, slope, bend}) repeat_ends(row, width, kRadius);
    expand_horizontally(smooth, slope, bend, kTaps, width, expansion[0].row(y), expansion[1].row(y),
                        expansion[2].row(y), expansion[3].row(y), expansion[4].row(y));
  }
}

Expander::Expander(const Scale& full, const Scale& scale)
    : blur_(blur_kernel(scale.factor)),
      resized_(scale.width != full.width || scale.height != full.height),
      resizer_(full.width, full.height, scale.width, scale.height) {}

void Expander::operator()(const Grey& frame, Expansion& expansion) {
  gaussian_blur(frame, blur_, rows_, blurred_);
  if (resized_) resizer_(blurred_, level_);
  polynomial_expansion(resized_ ? level_ : blurred_, expansion);
}

}  // namespace idt
