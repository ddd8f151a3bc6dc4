// A homography from matches, of which many are wrong (idt_spec 1, step 1).
#pragma once

#include <array>
#include <vector>

namespace idt {

// Points (x, y) in one image and the points (u, v) they moved to in another, in pixels; all four of one length.
struct Matches {
  std::vector<double> x, y, u, v;
};

using Homography = std::array<double, 9>;  // row-major, the last number is 1

// Returns the homography (x, y) -> (u, v) that most matches agree with. Returns the identity for 50 matches or fewer,
// and if 25 or fewer lie within a pixel of it. Equal input gives equal numbers, and similar input similar numbers.
Homography fit_homography(Matches matches);

}  // namespace idt
