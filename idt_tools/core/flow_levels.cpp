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

void FlowLevels::operator()(std::size_t k, const Expansion& first, const Expansion& second, const Flow* coarser,
                            Flow& flow) {
  {
    const auto time = times_.measure(kFlow);
    levels_[k].flow(first, second, coarser, flow);
  }
  const auto time = times_.measure(kMedian);
  median_(flow.dx, flow.dx);
  median_(flow.dy, flow.dy);
}

void FlowLevels::operator()(std::size_t k, const Expansion& first, const Grey& full, const Flow* coarser, Flow& flow) {
  expand(k, full, flow.dx, second_);
  (*this)(k, first, second_, coarser, flow);
}

}  // namespace idt
