// Warp by a homography (idt_spec 5.0).
//
// Source of pixel (x, y): X = (h0 x + h1 y + h2) / w, Y = (h3 x + h4 y + h5) / w, w = h6 x + h7 y + h8, in double.
// Warped iff 5 < X < width - 6 and 5 < Y < height - 6 before rounding; then X and Y are rounded to 1/32 pixel, half to
// even, and the four neighbours mixed in integers.
#include "warp.h"

#include <vector>

namespace idt {
namespace {

constexpr double kMargin = 5.0;
constexpr double kRoundToEven = 6755399441055744.0;  // 1.5 * 2^52: adding and subtracting it rounds like rint

// Computes the sources of one row in 1/32 pixel; -1 if a pixel is not warped.
void source_row(const double* h, int y, int width, int height, int* __restrict xs, int* __restrict ys) {
  const double right = width - 6, bottom = height - 6;
  for (int x = 0; x < width; ++x) {
    const double w = h[6] * x + h[7] * y + h[8];
    const double inverse_ok = w != 0.0 ? 1.0 : 0.0;
    const double divisor = w != 0.0 ? w : 1.0;
    const double sx = (h[0] * x + h[1] * y + h[2]) / divisor * inverse_ok;
    const double sy = (h[3] * x + h[4] * y + h[5]) / divisor * inverse_ok;
    const bool inside = (sx > kMargin) & (sx < right) & (sy > kMargin) & (sy < bottom);
    const double fx = inside ? sx * 32.0 : -1.0, fy = inside ? sy * 32.0 : -1.0;
    xs[x] = static_cast<int>((fx + kRoundToEven) - kRoundToEven);
    ys[x] = static_cast<int>((fy + kRoundToEven) - kRoundToEven);
  }
}

}  // namespace

void warp(const Grey& previous, const Grey& current, const double* homography, Grey& warped) {
  const int width = current.width(), height = current.height();
  warped.resize(width, height);
  std::vector<int> sources(2 * static_cast<std::size_t>(width));
  int* xs = sources.data();
  int* ys = xs + width;
  for (int y = 0; y < height; ++y) {
    source_row(homography, y, width, height, xs, ys);
    const std::uint8_t* unwarped = previous.row(y);
    std::uint8_t* to = warped.row(y);
    for (int x = 0; x < width; ++x) {
      if (xs[x] < 0) {
        to[x] = unwarped[x];
        continue;
      }
      const std::uint8_t* above = current.row(ys[x] >> 5) + (xs[x] >> 5);
      const std::uint8_t* below = above + current.stride();
      const int a = xs[x] & 31, b = ys[x] & 31;
      const int upper = (32 - a) * above[0] + a * above[1], lower = (32 - a) * below[0] + a * below[1];
      to[x] = static_cast<std::uint8_t>(((32 - b) * upper + b * lower + 512) >> 10);
    }
  }
}

}  // namespace idt
