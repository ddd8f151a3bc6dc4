// Quadratic polynomial expansion of an image, from the blurred full-size frame (idt_spec 1 step 2, 5.2, 5.3).
#pragma once

#include <array>
#include <vector>

#include "plane.h"
#include "pyramid.h"

namespace idt {

// Coefficients of the local polynomial: d/dy, d/dx, yy, xx, xy. The constant is not needed.
using Expansion = std::array<Image, 5>;

// Expands a frame at one scale. Keeps its buffers between frames.
class Expander {
 public:
  Expander(const Scale& full, const Scale& scale);
  void operator()(const Grey& frame, Expansion& expansion);

 private:
  std::vector<float> blur_;  // taps 0..radius of the symmetric anti-alias kernel
  bool resized_;
  Resizer resizer_;
  Image rows_, blurred_, level_;
};

// Taps 0..radius of the Gaussian that removes what a scale of this factor cannot hold.
std::vector<float> blur_kernel(float factor);

void gaussian_blur(const Grey& from, const std::vector<float>& kernel, Image& rows, Image& to);
void polynomial_expansion(const Image& image, Expansion& expansion);

}  // namespace idt
