// The current frame as seen from the previous camera position (idt_spec 1 step 4, 5.0).
#pragma once

#include "plane.h"

namespace idt {

// Warps `current` by the homography (9 numbers, row-major, previous -> current pixels). Pixels whose source is not well
// inside `current` are copied from `previous`.
void warp(const Grey& previous, const Grey& current, const double* homography, Grey& warped);

}  // namespace idt
