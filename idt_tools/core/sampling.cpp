// Dense sampling (idt_spec 5.2, 5.6).
//
// With Dx, Dy the 3 x 3 Sobel derivatives times 1 / (4 * 3 * 255), and a = sum Dx^2 / 2, b = sum Dx Dy,
// c = sum Dy^2 / 2 over 3 x 3 pixels, mirrored borders: eigenvalue = (a + c) - sqrt((a - c)^2 + b^2).
#include "sampling.h"

#include <algorithm>
#include <cmath>

namespace idt {
namespace {

constexpr float kScale = static_cast<float>(1.0 / (4 * 3 * 255));

// Computes products of the Sobel derivatives of one row. The inputs reach one pixel beyond both ends.
void derivative_row(const float* above, const float* row, const float* below, int width, float* __restrict xx,
                    float* __restrict xy, float* __restrict yy) {
  for (int x = 0; x < padded(width); ++x) {
    const float dx = (above[x + 1] - above[x - 1]) + 2 * (row[x + 1] - row[x - 1]) + (below[x + 1] - below[x - 1]);
    const float dy = (below[x - 1] + 2 * below[x] + below[x + 1]) - (above[x - 1] + 2 * above[x] + above[x + 1]);
    const float fx = dx * kScale, fy = dy * kScale;
    xx[x] = fx * fx;
    xy[x] = fx * fy;
    yy[x] = fy * fy;
  }
}

void add_rows(const float* above, const float* row, const float* below, int width, float* __restrict to) {
  for (int x = 0; x < padded(width); ++x) to[x] = above[x] + row[x] + below[x];
}

// The inputs reach one pixel beyond both ends.
void eigenvalue_row(const float* xx, const float* xy, const float* yy, int width, float* __restrict to) {
  for (int x = 0; x < padded(width); ++x) {
    const float a = (xx[x - 1] + xx[x] + xx[x + 1]) * 0.5f;
    const float b = xy[x - 1] + xy[x] + xy[x + 1];
    const float c = (yy[x - 1] + yy[x] + yy[x + 1]) * 0.5f;
    to[x] = (a + c) - std::sqrt((a - c) * (a - c) + b * b);
  }
}

}  // namespace

CornerMeasure::CornerMeasure(int max_width) : grey_(max_width, 3), products_(max_width, 9), sums_(max_width, 3) {}

void CornerMeasure::operator()(const Grey& image, Image& eigenvalue) {
  const int width = image.width(), height = image.height();
  eigenvalue.resize(width, height);
  grey_.set_width(width);
  sums_.set_width(width);
  // Rings of three rows: of the grey values as floats, and of the products xx, xy and yy.
  const auto load = [&](int y) {
    const std::uint8_t* from = image.row(y);
    float* to = grey_[y % 3];
    for (int x = 0; x < padded(width); ++x) to[x] = from[x];
    grey_.mirror_ends(y % 3, 1);
  };
  const auto product = [&](int y, int p) { return products_[3 * (y % 3) + p]; };
  const auto derive = [&](int y) {
    if (y + 1 < height) load(y + 1);
    const float *above = grey_[reflect(y - 1, height) % 3], *below = grey_[reflect(y + 1, height) % 3];
    derivative_row(above, grey_[y % 3], below, width, product(y, 0), product(y, 1), product(y, 2));
  };
  load(0);
  derive(0);
  for (int y = 0; y < height; ++y) {
    if (y + 1 < height) derive(y + 1);
    for (int p = 0; p < 3; ++p) {
      add_rows(product(reflect(y - 1, height), p), product(y, p), product(reflect(y + 1, height), p), width, sums_[p]);
      sums_.mirror_ends(p, 1);
    }
    eigenvalue_row(sums_[0], sums_[1], sums_[2], width, eigenvalue.row(y));
  }
}

void max_with(const float* row, int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) to[x] = row[x] > to[x] ? row[x] : to[x];
}

float largest(const Image& image) {
  std::vector<float> columns(image.row(0), image.row(0) + image.width());
  for (int y = 1; y < image.height(); ++y) max_with(image.row(y), image.width(), columns.data());
  return *std::max_element(columns.begin(), columns.end());
}

void grid_points(const Image& eigenvalue, int step, double quality, std::vector<Point>& points) {
  const int columns = eigenvalue.width() / step, rows = eigenvalue.height() / step;
  const double threshold = largest(eigenvalue) * quality;
  points.clear();
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const int x = column * step + step / 2, y = row * step + step / 2;
      if (eigenvalue.at(x, y) > threshold) points.push_back({static_cast<float>(x), static_cast<float>(y)});
    }
  }
}

}  // namespace idt
