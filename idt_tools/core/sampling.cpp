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

// Products of the Sobel derivatives of one row; the inputs reach one pixel beyond both ends.
IDT_VECTORISED void derivative_row(const int* above, const int* row, const int* below, int width, float* __restrict xx,
                                   float* __restrict xy, float* __restrict yy) {
  for (int x = 0; x < width; ++x) {
    const int dx = (above[x + 1] - above[x - 1]) + 2 * (row[x + 1] - row[x - 1]) + (below[x + 1] - below[x - 1]);
    const int dy = (below[x - 1] + 2 * below[x] + below[x + 1]) - (above[x - 1] + 2 * above[x] + above[x + 1]);
    const float fx = static_cast<float>(dx) * kScale, fy = static_cast<float>(dy) * kScale;
    xx[x] = fx * fx;
    xy[x] = fx * fy;
    yy[x] = fy * fy;
  }
}

IDT_VECTORISED void add_rows(const float* above, const float* row, const float* below, int width,
                             float* __restrict to) {
  for (int x = 0; x < width; ++x) to[x] = above[x] + row[x] + below[x];
}

// The inputs reach one pixel beyond both ends.
IDT_VECTORISED void eigenvalue_row(const float* xx, const float* xy, const float* yy, int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) {
    const float a = (xx[x - 1] + xx[x] + xx[x + 1]) * 0.5f;
    const float b = xy[x - 1] + xy[x] + xy[x + 1];
    const float c = (yy[x - 1] + yy[x] + yy[x + 1]) * 0.5f;
    to[x] = (a + c) - std::sqrt((a - c) * (a - c) + b * b);
  }
}

}  // namespace

void CornerMeasure::operator()(const Grey& image, Image& eigenvalue) {
  const int width = image.width(), height = image.height();
  for (Image* plane : {&xx_, &xy_, &yy_, &eigenvalue}) plane->resize(width, height);
  std::vector<int> buffer(3 * static_cast<std::size_t>(width + 2));
  for (int y = 0; y < height; ++y) {
    int* rows[3];
    for (int i = 0; i < 3; ++i) {
      const std::uint8_t* from = image.row(reflect(y + i - 1, height));
      rows[i] = buffer.data() + static_cast<std::size_t>(i) * (width + 2) + 1;
      std::copy(from, from + width, rows[i]);
      rows[i][-1] = from[1];
      rows[i][width] = from[width - 2];
    }
    derivative_row(rows[0], rows[1], rows[2], width, xx_.row(y), xy_.row(y), yy_.row(y));
  }
  std::vector<float> sums(3 * static_cast<std::size_t>(width + 2));
  for (int y = 0; y < height; ++y) {
    const int above = reflect(y - 1, height), below = reflect(y + 1, height);
    float* to = sums.data() + 1;
    for (const Image* plane : {&xx_, &xy_, &yy_}) {
      add_rows(plane->row(above), plane->row(y), plane->row(below), width, to);
      to[-1] = to[1];
      to[width] = to[width - 2];
      to += width + 2;
    }
    const float* row = sums.data() + 1;
    eigenvalue_row(row, row + width + 2, row + 2 * (width + 2), width, eigenvalue.row(y));
  }
}

void sample_grid(const Image& eigenvalue, const std::vector<Point>& live, int step, double quality,
                 std::vector<Point>& found) {
  const int columns = eigenvalue.width() / step, rows = eigenvalue.height() / step;
  std::vector<char> taken(static_cast<std::size_t>(columns) * rows, 0);
  for (const Point& point : live) {
    const int column = static_cast<int>(point.x) / step, row = static_cast<int>(point.y) / step;
    if (column < columns && row < rows) taken[static_cast<std::size_t>(row) * columns + column] = 1;
  }
  const float* first = eigenvalue.row(0);
  const float* last = first + static_cast<std::size_t>(eigenvalue.width()) * eigenvalue.height();
  const double threshold = *std::max_element(first, last) * quality;
  found.clear();
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const int x = column * step + step / 2, y = row * step + step / 2;
      if (!taken[static_cast<std::size_t>(row) * columns + column] && eigenvalue.at(x, y) > threshold)
        found.push_back({static_cast<float>(x), static_cast<float>(y)});
    }
  }
}

}  // namespace idt
