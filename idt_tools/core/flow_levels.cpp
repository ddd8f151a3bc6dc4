#include "flow_levels.h"

namespace idt {

FlowLevels::FlowLevels(const std::vector<Scale>& scales) : median_(scales[0].width) {
  for (std::size_t k = 0; k < scales.size(); ++k) {
    const Scale* coarser = k + 1 < scales.size() ? &scales[k + 1] : nullptr;
    levels_.push_back({{scales[0], scales[k]}, {scales[k].width, scales[k].height}, {scales[k], coarser}});
  }
}

void FlowLevels::expand(std::size_t k, const Grey& full, Image& unused, Expansion& expansion) {
  const auto time = times_.measure(kExpansion);
  levels_[k].reducer(full, unused);
  levels_[k].expander(unused, expansion);
}

// The flow reads the second frame at scattered places, but the first from the top down.
void FlowLevels::operator()(std::size_t k, const FrameAtLevel& first, const FrameAtLevel& second, const Flow* coarser,
                            Flow& flow) {
  Level& level = levels_[k];
  if (!second.expansion) expand(k, second.full, flow.dx, second_);
  const Expansion& expanded_second = second.expansion ? *second.expansion : second_;
  {
    const auto time = times_.measure(kFlow);
    if (first.expansion) {
      level.flow(*first.expansion, expanded_second, coarser, flow);
    } else {
      level.reducer(first.full, reduced_);
      level.flow({level.expander, reduced_, first_rows_}, expanded_second, coarser, flow);
    }
  }
  const auto time = times_.measure(kMedian);
  median_(flow.dx, flow.dx);
  median_(flow.dy, flow.dy);
}

}  // namespace idt
