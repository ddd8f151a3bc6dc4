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
  void iterate(const Expansion& first, const Expansion& second, Flow& flow);

  int width_, height_;
  std::vector<float> column_weight_, row_weight_;  // trust in pixels near the border
  Resizer upsample_;
  Flow start_;
  std::vector<float> products_;  // ring of rows of the 5 products, and the vertically blurred rows
};

}  // namespace idt
