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
  // Expands row y. Also overwrites some pixels behind it.
  void expand_row(const Image& image, int y, float* to);

 private:
  int width_, height_;
  Rows vertical_;      // smoothed, slope and bend along y of one row
  Rows coefficients_;  // of one row, a row each
};

// The rows of an expansion, read from the top down: all are in memory, or only the last kRows, and each is expanded
// when it is first read.
class ExpandedRows {
 public:
  static constexpr int kRows = 20;
  ExpandedRows(const Expansion& all) : expansion_(&all), n_rows_(all.height()), n_expanded_(all.height()) {}
  // Keeps the last rows in `memory`.
  ExpandedRows(Expander& expander, const Image& image, Expansion& memory)
      : expander_(&expander), image_(&image), memory_(&memory), expansion_(&memory), n_rows_(kRows) {
    memory.resize(image.width(), kRows);
  }
  // Returns row y: the next one, or one of the last kRows - 1.
  const float* operator[](int y) {
    for (; n_expanded_ <= y; ++n_expanded_)
      expander_->expand_row(*image_, n_expanded_, memory_->row(n_expanded_ % n_rows_));
    return expansion_->pixel(y % n_rows_ * expansion_->width());
  }

 private:
  Expander* expander_ = nullptr;
  const Image* image_ = nullptr;
  Expansion* memory_ = nullptr;
  const Expansion* expansion_;
  int n_rows_, n_expanded_ = 0;
};

}  // namespace idt
