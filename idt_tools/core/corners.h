// The strongest corners of an image, from which the camera's motion is estimated (idt_spec 1, step 1a).
#pragma once

#include <cstdint>
#include <vector>

#include "plane.h"

namespace idt {

struct Pixel {
  int x, y;
};

// Returns at most 1000 pixels, strongest first, 3 pixels or more apart. The eigenvalue (CornerMeasure) of each exceeds
// 0.001 times the largest and is the largest of its 3 x 3 neighbours'. The mask has one byte per pixel, 0 where no
// corner may be; null for none. Equals OpenCV's goodFeaturesToTrack.
std::vector<Pixel> corners(const Image& eigenvalue, const std::uint8_t* mask);

}  // namespace idt
