// Orientation histograms over rectangles of an image, by integral images (idt_spec 1 step 6, 5.5).
#pragma once

#include <vector>

#include "plane.h"

namespace idt {

inline constexpr int kBins = 8;

// Sums of orientation votes over rectangles. Entry (x, y) of the integral holds the 8 bins of all pixels left of x and
// above y, so it is one wider and one higher than the image.
class OrientationIntegral {
 public:
  // Votes of the vector field (dx, dy). With `still` > 0, vectors of at most that length count 1 in a 9th bin instead.
  void build(const Image& dx, const Image& dy, float still = 0.0f);

  const float* at(int x, int y) const {
    return bins_.data() + (static_cast<std::size_t>(y) * stride_ + static_cast<std::size_t>(x)) * kBins;
  }
  float still_at(int x, int y) const { return still_[static_cast<std::size_t>(y) * stride_ + x]; }

 private:
  std::size_t stride_ = 0;
  std::vector<float> bins_;   // (height + 1, width + 1, 8)
  std::vector<float> still_;  // (height + 1, width + 1), filled when `still` > 0
  std::vector<float> share_, rest_, still_row_;  // one row
  std::vector<int> bin_;
};

// Central differences [-1 0 1] with mirrored borders, so 0 across the border.
void gradient(const Image& from, Image& dx, Image& dy);
void gradient(const Grey& from, Image& dx, Image& dy);

}  // namespace idt
