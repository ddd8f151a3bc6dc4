// Scales of the tracker and the resampling between them (idt_spec 5.1, 5.2).
#pragma once

#include <vector>

#include "plane.h"

namespace idt {

inline constexpr int kPatch = 32;              // pixels: side of a descriptor's square, and the smallest frame side
inline constexpr int kMaxPixels = 1 << 28;     // of a frame, so that positions in 1/32 pixel fit an int
inline constexpr float kStride = 1.41421354f;  // ratio between scales: float(sqrt 2)

struct Scale {
  float factor;  // f_0 = 1, f_k = f_{k-1} * kStride, products in float
  int width, height;
};

// Returns the scales of a frame: as long as the shorter side, divided by kStride each time, stays >= 32; at least 1.
std::vector<Scale> make_scales(int width, int height, int max_scales);

// The sources of the pixels along one axis in a bilinear resize: two source pixels, and the weight of the second.
struct AxisMap {
  std::vector<int> first, second;
  std::vector<float> weight;
  // Of every 8 positions: the first of 8 adjacent source pixels that hold all their sources. Empty if there is none.
  std::vector<int> windows;
};

// Float bilinear resize between two fixed sizes. Horizontal pass first, then vertical.
class Resizer {
 public:
  Resizer() = default;
  Resizer(int from_width, int from_height, int to_width, int to_height);
  // Multiplies every value by `gain` at the end.
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
  std::vector<int> left_, right_;  // the weights of the source pixels of a column, in 1/2048
  int to_width_ = 0, to_height_ = 0;
  std::vector<int> resized_;  // the two source rows in use, at the new width
};

// Returns taps 0..radius of the Gaussian that removes the detail that a scale of this factor cannot hold.
std::vector<float> blur_kernel(float factor);

// Blurs a frame and reduces it bilinearly to a scale. The vertical pass comes first. In both passes one filter does the
// blur and the bilinear mix.
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
