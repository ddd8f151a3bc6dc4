// Dense flow between two expanded images, coarse to fine (idt_spec 1 step 3, 5.4).
#pragma once

#include <vector>

#include "expansion.h"
#include "plane.h"
#include "pyramid.h"

namespace idt {

// Flow of one level. Keeps its buffers between frames.
class FlowLevel {
 public:
  FlowLevel(const Scale& scale, const Scale* coarser);
  // `coarser` is the finished flow of the next coarser level, or null at the coarsest, which starts from 0.
  void operator()(const Expansion& first, const Expansion& second, const Flow* coarser, Flow& flow);

 private:
  void iterate(const Expansion& first, Flow& flow);

  // Of each pixel of a row: the pixel of the second image above and left of where the flow leads, and the bilinear
  // weights; where that is outside, all weights are 0 and `half` is 1 instead of 1/2.
  struct Landing {
    explicit Landing(std::size_t n) : index(n), a00(n), a01(n), a10(n), a11(n), half(n) {}
    std::vector<int> index;
    std::vector<float> a00, a01, a10, a11, half;
  };

  int width_, height_;
  std::vector<float> column_weight_, row_weight_;  // trust in pixels near the border
  Resizer upsample_;
  Flow start_;
  Image second_;                // the second image's 5 planes interleaved
  Landing landing_;
  std::vector<float> sampled_;  // a row of it, where the flow leads
  std::vector<float> products_;  // ring of rows of the 5 products, and the vertically blurred rows
};

}  // namespace idt
