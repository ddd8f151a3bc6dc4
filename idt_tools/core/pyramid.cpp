// Scales and resampling (idt_spec 5.1, 5.2).
//
// Destination d takes its value from the source position p = float((d + 0.5) * step - 0.5), step = 1 / (to / from):
// value = v[i] + w * (v[i + 1] - v[i]),  i = floor(p),  w = p - i in float.
// Columns left of the first or right of the last pixel take the edge pixel with w = 0; rows are clamped instead.
// Blur: Gaussian with sigma = (f - 1) / 2 and max(3, round(5 sigma) | 1) taps, mirrored borders; at f = 1 it is
// 1/4, 1/2, 1/4.
#include "pyramid.h"

#include <algorithm>
#include <cmath>

#include "floats8.h"

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

enum class Edge { kAlone, kClamped };

AxisMap axis_map(int from, int to, Edge edge) {
  AxisMap map;
  const double step = 1.0 / (static_cast<double>(to) / from);
  for (int d = 0; d < to; ++d) {
    const float position = static_cast<float>((d + 0.5) * step - 0.5);
    const int index = static_cast<int>(std::floor(position));
    const bool outside = index < 0 || index >= from - 1;
    map.first.push_back(clamp(index, 0, from - 1));
    map.second.push_back(clamp(index + 1, 0, from - 1));
    map.weight.push_back(outside && edge == Edge::kAlone ? 0.0f : position - static_cast<float>(index));
  }
  for (int d = 0; d + 8 <= to; d += 8) {
    map.windows.push_back(std::min(map.first[d], padded(from) - 8));
    if (map.second[d + 7] - map.windows.back() >= 8) {
      map.windows.clear();
      break;
    }
  }
  return map;
}

void resize_row(const float* from, const AxisMap& columns, float* __restrict to) {
  const int width = static_cast<int>(columns.first.size());
  const int *first = columns.first.data(), *second = columns.second.data();
  const float* weight = columns.weight.data();
  int x = 0;
#if defined(__AVX2__) && !defined(__clang__)
  // Enlarging: the sources of 8 pixels fit a register.
  for (const int window : columns.windows) {
    const Floats8 pixels = load8(from + window);
    const Floats8 a = __builtin_shuffle(pixels, read<Ints8>(first + x) - window);
    const Floats8 b = __builtin_shuffle(pixels, read<Ints8>(second + x) - window);
    store8(to + x, a + (b - a) * load8(weight + x));
    x += 8;
  }
#endif
  for (; x < width; ++x) to[x] = from[first[x]] + (from[second[x]] - from[first[x]]) * weight[x];
}

void blend_rows(const float* above, const float* below, float weight, float gain, int width, float* __restrict to) {
  for (int x = 0; x < padded(width); ++x) to[x] = (above[x] + (below[x] - above[x]) * weight) * gain;
}

int in_2048ths(float weight) { return static_cast<int>(std::nearbyintf(weight * 2048.0f)); }

// to = sum of the rows, each times its weight.
void weigh_rows(const std::uint8_t* const* rows, const float* weights, int count, int width, float* __restrict to) {
  for (int x = 0; x < padded(width); ++x) to[x] = static_cast<float>(rows[0][x]) * weights[0];
  int i = 1;
  for (; i + 1 < count; i += 2) {
    const std::uint8_t *a = rows[i], *b = rows[i + 1];
    const float wa = weights[i], wb = weights[i + 1];
    for (int x = 0; x < padded(width); ++x) to[x] += static_cast<float>(a[x]) * wa + static_cast<float>(b[x]) * wb;
  }
  for (; i < count; ++i)
    for (int x = 0; x < padded(width); ++x) to[x] += static_cast<float>(rows[i][x]) * weights[i];
}

// The row reaches `radius` pixels beyond both ends.
void blur_row(const float* from, const float* kernel, int radius, int width, float* __restrict to) {
  for (int x = 0; x < padded(width); ++x) to[x] = from[x] * kernel[0];
  for (int i = 1; i <= radius; ++i)
    for (int x = 0; x < padded(width); ++x) to[x] += (from[x - i] + from[x + i]) * kernel[i];
}

}  // namespace

Resizer::Resizer(int from_width, int from_height, int to_width, int to_height)
    : columns_(axis_map(from_width, to_width, Edge::kAlone)),
      rows_(axis_map(from_height, to_height, Edge::kClamped)),
      to_width_(to_width),
      to_height_(to_height),
      resized_(to_width, 2) {}

void Resizer::operator()(const Image& from, Image& to, float gain) {
  to.resize(to_width_, to_height_);
  int cached[2] = {-1, -1};  // the source rows in resized_, by parity
  const auto resized = [&](int source) {
    const int slot = source & 1;
    if (cached[slot] != source) resize_row(from.row(source), columns_, resized_[slot]);
    cached[slot] = source;
    return resized_[slot];
  };
  for (int y = 0; y < to_height_; ++y) {
    const float* above = resized(rows_.first[y]);
    const float* below = resized(rows_.second[y]);
    blend_rows(above, below, rows_.weight[y], gain, to_width_, to.row(y));
  }
}

GreyResizer::GreyResizer(int from_width, int from_height, int to_width, int to_height)
    : columns_(axis_map(from_width, to_width, Edge::kAlone)),
      rows_(axis_map(from_height, to_height, Edge::kClamped)),
      to_width_(to_width),
      to_height_(to_height),
      resized_(2 * static_cast<std::size_t>(padded(to_width))) {
  for (const float weight : columns_.weight) {
    left_.push_back(in_2048ths(1.0f - weight));
    right_.push_back(in_2048ths(weight));
  }
}

void GreyResizer::operator()(const Grey& from, Grey& to) {
  to.resize(to_width_, to_height_);
  int cached[2] = {-1, -1};  // the source rows in resized_, by parity
  const auto resized = [&](int source) {
    const int slot = source & 1;
    int* row = resized_.data() + slot * padded(to_width_);
    if (cached[slot] != source) {
      const std::uint8_t* pixels = from.row(source);
      const int *first = columns_.first.data(), *second = columns_.second.data();
      for (int x = 0; x < to_width_; ++x) row[x] = (pixels[first[x]] * left_[x] + pixels[second[x]] * right_[x]) >> 4;
    }
    cached[slot] = source;
    return row;
  };
  for (int y = 0; y < to_height_; ++y) {
    const int* above = resized(rows_.first[y]);
    const int* below = resized(rows_.second[y]);
    const int upper = in_2048ths(1.0f - rows_.weight[y]), lower = in_2048ths(rows_.weight[y]);
    std::uint8_t* __restrict row = to.row(y);
    for (int x = 0; x < padded(to_width_); ++x)
      row[x] = static_cast<std::uint8_t>((((upper * above[x]) >> 16) + ((lower * below[x]) >> 16) + 2) >> 2);
  }
}

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

Reducer::Reducer(const Scale& full, const Scale& scale)
    : kernel_(blur_kernel(scale.factor)),
      resized_(scale.width != full.width || scale.height != full.height),
      width_(scale.width),
      height_(scale.height),
      columns_(axis_map(full.width, scale.width, Edge::kAlone)),
      rows_(axis_map(full.height, scale.height, Edge::kClamped)),
      blurred_(full.width, 2, padded(static_cast<int>(kernel_.size()))) {}

void Reducer::operator()(const Grey& frame, Image& level) {
  const int width = frame.width(), height = frame.height(), radius = static_cast<int>(kernel_.size()) - 1;
  level.resize(width_, height_);
  std::vector<const std::uint8_t*> rows;
  std::vector<float> weights;
  const auto tap = [&](int offset) { return std::abs(offset) <= radius ? kernel_[std::abs(offset)] : 0.0f; };
  for (int y = 0; y < height_; ++y) {
    rows.clear();
    weights.clear();
    const int above = rows_.first[y], below = resized_ ? rows_.second[y] : above;
    const float mix = rows_.weight[y];
    for (int source = above - radius; source <= below + radius; ++source) {
      rows.push_back(frame.row(reflect(source, height)));
      weights.push_back(tap(source - above) * (1.0f - mix) + tap(source - below) * mix);
    }
    weigh_rows(rows.data(), weights.data(), static_cast<int>(rows.size()), width, blurred_[0]);
    blurred_.mirror_ends(0, radius);
    blur_row(blurred_[0], kernel_.data(), radius, width, resized_ ? blurred_[1] : level.row(y));
    if (resized_) resize_row(blurred_[1], columns_, level.row(y));
  }
}

}  // namespace idt
