#include "matching.h"

#include <bit>
#include <cmath>
#include <limits>

#include "plane.h"

namespace idt {

IDT_VECTORISED std::vector<std::pair<int, int>> match_features(const Features& current, const Features& previous, float radius) {
  struct Nearest {
    int distance = std::numeric_limits<int>::max();
    int index = -1;
    void offer(int other_distance, int other) {
      if (other_distance < distance) *this = {other_distance, other};
    }
  };
  std::vector<Nearest> of_current(current.count), of_previous(previous.count);
  for (int i = 0; i < current.count; ++i) {
    const Point p = current.points[i];
    const std::uint64_t* a = current.bits + static_cast<std::size_t>(i) * kFeatureWords;
    for (int j = 0; j < previous.count; ++j) {
      const Point q = previous.points[j];
      if (!(std::fabs(p.x - q.x) < radius && std::fabs(p.y - q.y) < radius)) continue;
      const std::uint64_t* b = previous.bits + static_cast<std::size_t>(j) * kFeatureWords;
      int distance = 0;
      for (int word = 0; word < kFeatureWords; ++word) distance += std::popcount(a[word] ^ b[word]);
      of_current[i].offer(distance, j);
      of_previous[j].offer(distance, i);
    }
  }
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < current.count; ++i) {
    const int j = of_current[i].index;
    if (j >= 0 && of_previous[j].index == i) pairs.emplace_back(i, j);
  }
  return pairs;
}

}  // namespace idt
