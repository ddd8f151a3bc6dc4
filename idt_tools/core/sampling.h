// The starting points of new tracks: a grid of textured points (idt_spec 1 step 7, 5.6).
#pragma once

#include <vector>

#include "plane.h"

namespace idt {

struct Point {
  float x, y;
};

// Smaller eigenvalue of the gradient's second-moment matrix over 3 x 3 pixels: OpenCV's cornerMinEigenVal(3, 3).
class CornerMeasure {
 public:
  explicit CornerMeasure(int max_width);
  void operator()(const Grey& image, Image& eigenvalue);

 private:
  Rows grey_, products_, sums_;
};

// Returns the largest number of an image.
float largest(const Image& image);

// to = max(to, row), element by element.
void max_with(const float* row, int width, float* __restrict to);

// Finds the textured points of a grid, in raster order: the centres of its cells of step x step pixels where the
// eigenvalue exceeds quality times the image's largest.
void grid_points(const Image& eigenvalue, int step, double quality, std::vector<Point>& points);

}  // namespace idt
