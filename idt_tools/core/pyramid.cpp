// Scales and resampling (idt_spec 5.1, 5.2).
//
// Destination d takes its value from the source position p = float((d + 0.5) * step - 0.5), step = 1 / (to / from):
// value = (1 - w) * v[i] + w * v[i + 1],  i = floor(p),  w = p - i in float.
// Columns left of the first or right of the last pixel take the edge pixel with w = 0; rows are clamped instead.
#include "pyramid.h"

#include <algorithm>
#include <cmath>

namespace idt {

std::vector<Scale> make_scales(int width, int height, int max_scales) {
  int count = 0;
  for (float side = static_cast<float>(std::min(width, height)); side >= kPatch; side /= kStride) ++count;
  count = std::min(max_scales, std::max(count, 1));
  std::vector<Scale> scales;
  float factor = 1.0f;
  for (int k = 0; k < count; ++k, factor *= kStride) {
    const auto shrink = [factor](int side) {
      return static_cast<int>(std::nearbyintf(static_cast<float>(side) / factor));
    };
    scales.push_back({factor, shrink(width), shrink(height)});
  }
  return scales;
}

namespace {

AxisMap axis_map(int from, int to, bool edge_alone) {
  AxisMap map;
  const double step = 1.0 / (static_cast<double>(to) / from);
  for (int d = 0; d < to; ++d) {
    const float position = static_cast<float>((d + 0.5) * step - 0.5);
    int index = static_cast<int>(std::floor(position));
    float weight = position - static_cast<float>(index);
    if (edge_alone && (index < 0 || index >= from - 1)) {
      index = index < 0 ? 0 : from - 1;
      weight = 0.0f;
    }
    map.index.push_back(index);
    map.weight.push_back(weight);
  }
  return map;
}

IDT_VECTORISED void resize_row(const float* from, const int* left, const int* right, const float* weight, int width,
                               float* to) {
  for (int x = 0; x < width; ++x) to[x] = from[left[x]] * (1.0f - weight[x]) + from[right[x]] * weight[x];
}

IDT_VECTORISED void blend_rows(const float* above, const float* below, float weight, float gain, int width, float* to) {
  for (int x = 0; x < width; ++x) to[x] = (above[x] * (1.0f - weight) + below[x] * weight) * gain;
}

}  // namespace

Resizer::Resizer(int from_width, int from_height, int to_width, int to_height)
    : columns_(axis_map(from_width, to_width, true)),
      rows_(axis_map(from_height, to_height, false)),
      to_width_(to_width),
      to_height_(to_height),
      half_(to_width, from_height) {}

void Resizer::operator()(const Image& from, Image& to, float gain) {
  const int last_column = from.width() - 1, last_row = from.height() - 1;
  std::vector<int>& left = columns_.index;
  std::vector<int> right(left.size());
  for (std::size_t x = 0; x < left.size(); ++x) right[x] = std::min(left[x] + 1, last_column);
  for (int y = 0; y <= last_row; ++y)
    resize_row(from.row(y), left.data(), right.data(), columns_.weight.data(), to_width_, half_.row(y));
  to.resize(to_width_, to_height_);
  for (int y = 0; y < to_height_; ++y) {
    const int above = clamp(rows_.index[y], 0, last_row), below = clamp(rows_.index[y] + 1, 0, last_row);
    blend_rows(half_.row(above), half_.row(below), rows_.weight[y], gain, to_width_, to.row(y));
  }
}

void resize_grey(const Grey& from, Grey& to) {
  const AxisMap columns = axis_map(from.width(), to.width(), true);
  const AxisMap rows = axis_map(from.height(), to.height(), false);
  const auto fixed = [](float weight) { return static_cast<int>(std::nearbyintf(weight * 2048.0f)); };
  const auto horizontal = [&](const std::uint8_t* row, int x) {
    const int i = columns.index[x], right = std::min(i + 1, from.width() - 1);
    return row[i] * fixed(1.0f - columns.weight[x]) + row[right] * fixed(columns.weight[x]);
  };
  std::vector<int> above(to.width()), below(to.width());
  for (int y = 0; y < to.height(); ++y) {
    const std::uint8_t* upper = from.row(clamp(rows.index[y], 0, from.height() - 1));
    const std::uint8_t* lower = from.row(clamp(rows.index[y] + 1, 0, from.height() - 1));
    const int upper_weight = fixed(1.0f - rows.weight[y]), lower_weight = fixed(rows.weight[y]);
    for (int x = 0; x < to.width(); ++x) {
      const int u = (upper_weight * (horizontal(upper, x) >> 4)) >> 16;
      const int l = (lower_weight * (horizontal(lower, x) >> 4)) >> 16;
      to.row(y)[x] = static_cast<std::uint8_t>((u + l + 2) >> 2);
    }
  }
}

}  // namespace idt
