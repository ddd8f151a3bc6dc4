// The current frame seen from where the camera was one frame before (idt_spec 1 step 4, 5.0).
#pragma once

#include "plane.h"

namespace idt {

// `homography`: 9 numbers, row-major, previous -> current pixels. Pixels whose source is not well inside `current` are
// copied from `previous`.
void warp(const Grey& previous, const Grey& current, const double* homography, Grey& warped);

}  // namespace idt
