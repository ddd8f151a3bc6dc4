// Dense flow between two expanded images, coarse to fine (idt_spec 1 step 3, 5.4).
#pragma once

#include <vector>

#include "expansion.h"
#include "median.h"
#include "plane.h"
#include "pyramid.h"

namespace idt {

// One iteration over a level, which refines the flow in place from the top down.
class FlowIteration {
 public:
  FlowIteration(int width, int height);
  // Begins at the first row.
  void start(ExpandedRows& first, const Expansion& second, Flow& flow);
  // Refines the next stripe of rows. Reads the flow down to rows_read() rows, all of which must be ready.
  void refine_stripe();
  int rows_read() const;
  int rows_done() const { return top_; }

 private:
  float* product(int y, int p);

  int width_, height_;
  Buffer<float> column_weight_;  // weights of pixels near the border
  std::vector<float> row_weight_;
  Rows products_;  // ring of rows of the 5 products
  Rows blurred_;   // the vertically blurred products of a stripe of rows
  ExpandedRows* first_ = nullptr;
  const Expansion* second_ = nullptr;
  Flow* flow_ = nullptr;
  int top_ = 0, n_products_ = 0;  // the next stripe, and the rows whose products are computed
};

// Flow of one level. Reuses its buffers.
class FlowLevel {
 public:
  FlowLevel(const Scale& scale, const Scale* coarser);
  // Computes the flow before its median. `coarser` is the final flow of the next coarser level, or null at the
  // coarsest level, which starts from 0.
  void operator()(ExpandedRows first, const Expansion& second, const Flow* coarser, Flow& flow);

 private:
  int width_, height_;
  Resizer upsample_;
  FlowIteration iteration_, last_iteration_;
};

}  // namespace idt
