// A homography from matches many of which are wrong (idt_spec 1, step 1).
#pragma once

#include <array>
#include <vector>

namespace idt {

// Points (x, y) in one image and the points (u, v) they moved to in another, in pixels; all four of one length.
struct Matches {
  std::vector<double> x, y, u, v;
};

using Homography = std::array<double, 9>;  // row-major, the last number is 1

// The homography (x, y) -> (u, v) that most matches agree with; the identity where there are not more than 50 matches
// or not more than 25 of them lie within a pixel of it. Equal input gives equal numbers, and nearly equal input nearly
// equal ones.
Homography fit_homography(Matches matches);

}  // namespace idt
