// The strongest corners of an image: what the camera's motion is read from (idt_spec 1, step 1a).
#pragma once

#include <cstdint>
#include <vector>

#include "plane.h"

namespace idt {

struct Pixel {
  int x, y;
};

// At most 1000 pixels, strongest first, whose eigenvalue (CornerMeasure) exceeds 0.001 times the largest, is the
// largest of its 3 x 3 neighbours', and that are 3 pixels or more apart. Where mask (one byte a pixel, or null) is 0
// there is none. OpenCV's goodFeaturesToTrack.
std::vector<Pixel> corners(const Image& eigenvalue, const std::uint8_t* mask);

}  // namespace idt
