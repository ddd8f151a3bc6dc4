// Dense flow between two expanded images, coarse to fine (idt_spec 1 step 3, 5.4).
#pragma once

#include <vector>

#include "expansion.h"
#include "median.h"
#include "plane.h"
#include "pyramid.h"

namespace idt {

// Flow of one level. Reuses its buffers.
class FlowLevel {
 public:
  FlowLevel(const Scale& scale, const Scale* coarser);
  // Computes the flow before its median. `coarser` is the final flow of the next coarser level, or null at the
  // coarsest level, which starts from 0.
  void operator()(const Expansion& first, const Expansion& second, const Flow* coarser, Flow& flow);

 private:
  void iterate(const Expansion& first, const Expansion& second, Flow& flow);

  int width_, height_;
  Buffer<float> column_weight_;  // weights of pixels near the border
  std::vector<float> row_weight_;
  Resizer upsample_;
  Rows products_;  // ring of rows of the 5 products
  Rows blurred_;   // the vertically blurred products of a stripe of rows
};

}  // namespace idt
