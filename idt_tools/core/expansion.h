// Quadratic polynomial expansion of an image (idt_spec 1 step 2, 5.3).
#pragma once

#include "plane.h"

namespace idt {

// Coefficients of the local polynomial of every pixel: d/dy, d/dx, yy, xx, xy. The constant is not needed. The flow
// reads pixels at scattered places, so the 5 coefficients of a pixel are adjacent: one load of 8 floats reads them all.
class Expansion {
 public:
  static constexpr int kCoefficients = 5;
  // As Plane::resize. Pixels of zeros follow the last row.
  void resize(int width, int height);
  int width() const { return width_; }
  int height() const { return height_; }
  // Index of a pixel that is 0, as are its neighbours to the right, below, and below on the right.
  int zero() const { return width_ * height_; }
  const float* pixel(int index) const { return values_.data() + kCoefficients * static_cast<std::size_t>(index); }
  float* row(int y) { return values_.data() + kCoefficients * static_cast<std::size_t>(width_) * y; }

 private:
  int width_ = 0, height_ = 0;
  Buffer<float> values_;
};

// Expands images of one size. Reuses its buffers.
class Expander {
 public:
  Expander(int width, int height);
  void operator()(const Image& image, Expansion& expansion);

 private:
  int width_, height_;
  Rows vertical_;      // smoothed, slope and bend along y of one row
  Rows coefficients_;  // of one row, a row each
};

}  // namespace idt
