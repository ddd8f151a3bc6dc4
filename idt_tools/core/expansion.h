// Quadratic polynomial expansion of an image (idt_spec 1 step 2, 5.3).
#pragma once

#include <array>

#include "plane.h"

namespace idt {

// Coefficients of the local polynomial: d/dy, d/dx, yy, xx, xy. The constant is not needed.
inline constexpr int kCoefficients = 5;
using Expansion = std::array<Image, kCoefficients>;

// The same with the coefficients of a pixel side by side, 8 floats a pixel (3 unused): where pixels are read at
// scattered places, all that belongs to one comes with one load.
class InterleavedExpansion {
 public:
  static constexpr int kFloats = 8;
  void resize(int width, int height);
  int width() const { return width_; }
  int height() const { return height_; }
  const float* pixel(std::size_t index) const { return values_.data() + kFloats * index; }
  // A pixel that is 0, as are its neighbours to the right, below, and below on the right.
  int zero() const { return width_ * height_; }
  // Sets row y from its planes, each padded(width) long.
  void set_row(int y, const float* const* planes);

 private:
  int width_ = 0, height_ = 0;
  Buffer<float> values_;
};

// Expands images of one size. Keeps its buffers.
class Expander {
 public:
  Expander(int width, int height);
  void operator()(const Image& image, Expansion& expansion);
  void operator()(const Image& image, InterleavedExpansion& expansion);

 private:
  void vertical(const Image& image, int y);
  int width_, height_;
  Rows vertical_;    // smoothed, slope and bend along y of one row
  Rows horizontal_;  // its coefficients
};

void interleave(const Expansion& planar, InterleavedExpansion& interleaved);

}  // namespace idt
