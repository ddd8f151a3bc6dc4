// Matches of binary features between two frames (idt_spec 1 step 1b, with ORB in SURF's place).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sampling.h"

namespace idt {

inline constexpr int kFeatureWords = 4;  // a feature is 256 bits

struct Features {
  const Point* points;
  const std::uint64_t* bits;  // (count, 4)
  int count;
};

// Pairs (index in `current`, index in `previous`) of features less than `radius` pixels apart in x and in y that are
// each other's nearest by Hamming distance among those; the first of equals is taken. In order of `current`.
std::vector<std::pair<int, int>> match_features(const Features& current, const Features& previous, float radius);

}  // namespace idt
