#include "matching.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "plane.h"

namespace idt {
namespace {

struct Nearest {
  int distance = std::numeric_limits<int>::max();
  int index = -1;
  void offer(int other_distance, int other) {
    if (other_distance < distance || (other_distance == distance && other < index)) *this = {other_distance, other};
  }
};

int hamming(const std::uint64_t* a, const std::uint64_t* b) {
  int distance = 0;
  for (int word = 0; word < kFeatureWords; ++word) distance += std::popcount(a[word] ^ b[word]);
  return distance;
}

}  // namespace

std::vector<std::pair<int, int>> match_features(const Features& current, const Features& previous, float radius) {
  std::vector<int> by_height(previous.count);  // so that only a band of them is looked at
  std::iota(by_height.begin(), by_height.end(), 0);
  const auto height = [&](int j) { return previous.points[j].y; };
  std::sort(by_height.begin(), by_height.end(), [&](int i, int j) { return height(i) < height(j); });

  std::vector<Nearest> of_current(current.count), of_previous(previous.count);
  for (int i = 0; i < current.count; ++i) {
    const Point p = current.points[i];
    const auto lower = [&](int j) { return height(j) <= p.y - radius; };
    for (auto j = std::partition_point(by_height.begin(), by_height.end(), lower); j != by_height.end(); ++j) {
      if (height(*j) >= p.y + radius) break;
      if (std::fabs(p.x - previous.points[*j].x) >= radius) continue;
      const int distance = hamming(current.bits + static_cast<std::size_t>(i) * kFeatureWords,
                                   previous.bits + static_cast<std::size_t>(*j) * kFeatureWords);
      of_current[i].offer(distance, *j);
      of_previous[*j].offer(distance, i);
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
