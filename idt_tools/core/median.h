// 5 x 5 median (idt_spec 5.2).
#pragma once

#include "plane.h"

namespace idt {

// Medians over 5 x 5 pixels of images up to a width, borders repeated. Reuses its buffers. `from` and `to` may be
// the same image.
class Median5x5 {
 public:
  Median5x5() = default;
  explicit Median5x5(int max_width);
  void operator()(const Image& from, Image& to);

 private:
  Rows split_;    // the last 5 rows, each as its even and its odd columns; then the same of a row of medians
  Rows columns_;  // ranks 0..4 of the even columns, then of the odd ones
  Rows pairs_;    // ranks 0..9 of pairs of neighbouring columns
};

}  // namespace idt
