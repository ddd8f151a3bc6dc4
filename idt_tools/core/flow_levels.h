// Dense flow between two frames at the levels of a pyramid, with all steps around it (idt_spec 1 steps 2-3).
#pragma once

#include <cstddef>
#include <vector>

#include "expansion.h"
#include "flow.h"
#include "median.h"
#include "plane.h"
#include "pyramid.h"
#include "stage_times.h"

namespace idt {

// A full frame, and its expansion at a level if that is in memory, else null.
struct FrameAtLevel {
  const Grey& full;
  const Expansion* expansion = nullptr;
};

// Computes flows at any of the scales, in one thread. Reuses its buffers.
class FlowLevels {
 public:
  explicit FlowLevels(const std::vector<Scale>& scales);

  // Expands a full frame at level k. The reduced frame takes the memory of an image that is not in use.
  void expand(std::size_t k, const Grey& full, Image& unused, Expansion& expansion);
  // Computes the flow between two frames at level k. `coarser` is the flow of level k + 1, or null.
  void operator()(std::size_t k, const FrameAtLevel& first, const FrameAtLevel& second, const Flow* coarser,
                  Flow& flow);
  // Memory of an image, which the flow overwrites.
  Image& scratch() { return reduced_; }
  const Image& scratch() const { return reduced_; }

  StageTimes& times() { return times_; }
  const StageTimes& times() const { return times_; }

 private:
  struct Level {
    Reducer reducer;
    Expander expander;
    FlowLevel flow;
  };

  std::vector<Level> levels_;
  Median5x5 median_;
  Image reduced_;  // the first frame at a level
  Expansion second_, first_rows_;
  StageTimes times_;
};

}  // namespace idt
