// Scales of the tracker and the resampling between them (idt_spec 5.1, 5.2).
#pragma once

#include <vector>

#include "plane.h"

namespace idt {

inline constexpr int kPatch = 32;         // pixels: side of a descriptor's square, and the smallest frame side
inline constexpr float kStride = 1.41421354f;  // ratio between scales: float(sqrt 2)

struct Scale {
  float factor;  // f_0 = 1, f_k = f_{k-1} * kStride, products in float
  int width, height;
};

// The scales of a frame: as many as the shorter side stays >= 32 while divided by kStride, at least 1.
std::vector<Scale> make_scales(int width, int height, int max_scales);

// Where the pixels of one axis come from in a bilinear resize: source index and weight of its right neighbour.
struct AxisMap {
  std::vector<int> index;
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
  Image half_;  // to_width x from_height
};

// 8-bit bilinear resize in 11-bit fixed point: OpenCV's INTER_LINEAR, byte for byte.
void resize_grey(const Grey& from, Grey& to);

}  // namespace idt
