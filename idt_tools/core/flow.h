// Dense flow between two expanded images, coarse to fine (idt_spec 1 step 3, 5.4).
#pragma once

#include <vector>

#include "expansion.h"
#include "median.h"
#include "plane.h"
#include "pyramid.h"

namespace idt {

// Flow of one level. Keeps its buffers between frames.
class FlowLevel {
 public:
  FlowLevel(const Scale& scale, const Scale* coarser);
  // The flow before its median. `coarser` is the finished flow of the next coarser level, or null at the coarsest,
  // which starts from 0.
  void operator()(const Expansion& first, const InterleavedExpansion& second, const Flow* coarser, Flow& flow);

 private:
  void iterate(const Expansion& first, const InterleavedExpansion& second, Flow& flow);

  int width_, height_;
  Buffer<float> column_weight_;  // trust in pixels near the border
  std::vector<float> row_weight_;
  Resizer upsample_;
  // Of each pixel of a row: the pixel of the second image above and left of where the flow leads, and the bilinear
  // weights to its right and below it; where that is outside, a pixel of zeros, and `half` is 1 instead of 1/2.
  Buffer<int> landing_;
  Buffer<float> right_, below_, half_;
  Rows sampled_;   // the second image's coefficients where the flow leads, of a row
  Rows products_;  // ring of rows of the 5 products
  Rows blurred_;   // the vertically blurred products of a stripe of rows
};

}  // namespace idt
