// Scales of the tracker and the resampling between them (idt_spec 5.1, 5.2).
#pragma once

#include <vector>

#include "plane.h"

namespace idt {

inline constexpr int kPatch = 32;              // pixels: side of a descriptor's square, and the smallest frame side
inline constexpr int kMaxPixels = 1 << 28;     // of a frame, so that positions, also in 1/32 pixel, fit an int
inline constexpr float kStride = 1.41421354f;  // ratio between scales: float(sqrt 2)

struct Scale {
  float factor;  // f_0 = 1, f_k = f_{k-1} * kStride, products in float
  int width, height;
};

// The scales of a frame: as many as the shorter side stays >= 32 while divided by kStride, at least 1.
std::vector<Scale> make_scales(int width, int height, int max_scales);

// Where the pixels of one axis come from in a bilinear resize: two source pixels, and the weight of the second.
struct AxisMap {
  std::vector<int> first, second;
  std::vector<float> weight;
};

// Float bilinear resize between two fixed sizes. Horizontal pass first, then vertical.
class Resizer {
 public:
  Resizer() = default;
  Resizer(int from_width, int from_height, int to_width, int to_height);
  // Every value is multiplied by `gain` at the end (1 leaves it as it is).
  void operator()(const Image& from, Image& to, float gain = 1.0f);

 private:
  AxisMap columns_, rows_;
  int to_width_ = 0, to_height_ = 0;
  Rows resized_;  // the two source rows in use, at the new width
};

// 8-bit bilinear resize in 11-bit fixed point: OpenCV's INTER_LINEAR, byte for byte.
class GreyResizer {
 public:
  GreyResizer() = default;
  GreyResizer(int from_width, int from_height, int to_width, int to_height);
  void operator()(const Grey& from, Grey& to);

 private:
  AxisMap columns_, rows_;
  int to_width_ = 0, to_height_ = 0;
  std::vector<int> resized_;  // the two source rows in use, at the new width
};

// Taps 0..radius of the Gaussian that removes what a scale of this factor cannot hold.
std::vector<float> blur_kernel(float factor);

// A frame blurred and bilinearly reduced to a scale. Vertical pass first; in both the blur and the two pixels of the
// bilinear mix are one filter.
class Reducer {
 public:
  Reducer(const Scale& full, const Scale& scale);
  void operator()(const Grey& frame, Image& level);

 private:
  std::vector<float> kernel_;
  bool resized_;
  int width_, height_;
  AxisMap columns_, rows_;
  Rows blurred_;
};

}  // namespace idt
