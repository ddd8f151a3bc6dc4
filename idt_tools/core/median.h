// 5 x 5 median filter of a float image, borders repeated.
#pragma once

#include "plane.h"

namespace idt {

void median_5x5(const Image& from, Image& to);

}  // namespace idt
