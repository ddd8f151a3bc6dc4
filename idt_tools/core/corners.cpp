#include "corners.h"

#include <algorithm>
#include <cstddef>

namespace idt {
namespace {

constexpr std::size_t kMost = 1000;
constexpr double kQuality = 0.001;
constexpr int kDistance = 3;
// Pixels that differ by at most this in x and in y are the pixels less than kDistance apart: 2^2 + 2^2 < 3^2.
constexpr int kReach = kDistance - 1;

// The larger of each pixel and what is there already.
void keep_larger(const float* row, int width, float* __restrict to) {
  for (int x = 0; x < width; ++x) to[x] = row[x] > to[x] ? row[x] : to[x];
}

float largest_of(const Image& image, const std::uint8_t* mask) {
  const int width = image.width();
  std::vector<float> columns(static_cast<std::size_t>(width), 0.0f);
  for (int y = 0; y < image.height(); ++y) {
    const float* row = image.row(y);
    if (!mask) {
      keep_larger(row, width, columns.data());
      continue;
    }
    for (int x = 0; x < width; ++x)
      if (mask[y * width + x])
        columns[static_cast<std::size_t>(x)] = std::max(columns[static_cast<std::size_t>(x)], row[x]);
  }
  return *std::max_element(columns.begin(), columns.end());
}

struct Peak {
  float strength;
  int index;  // of the pixel
  // Of equals the later pixel is the stronger, as in OpenCV.
  bool operator<(const Peak& other) const {
    return strength < other.strength || (strength == other.strength && index < other.index);
  }
};

// Pixels above the threshold of which no neighbour is larger.
std::vector<Peak> peaks_of(const Image& image, const std::uint8_t* mask, float threshold) {
  const int width = image.width();
  std::vector<float> columns(static_cast<std::size_t>(width));  // the largest of three rows
  std::vector<Peak> peaks;
  for (int y = 1; y < image.height() - 1; ++y) {
    const float* row = image.row(y);
    std::copy_n(row, width, columns.data());
    keep_larger(image.row(y - 1), width, columns.data());
    keep_larger(image.row(y + 1), width, columns.data());
    const float* most = columns.data();
    for (int x = 1; x < width - 1; ++x) {
      // Not &&: a branch for each would be mispredicted often.
      const bool peak = (row[x] > threshold) & (row[x] >= most[x - 1]) & (row[x] >= most[x]) & (row[x] >= most[x + 1]);
      const int index = y * width + x;
      if (peak && (!mask || mask[index])) peaks.push_back({row[x], index});
    }
  }
  return peaks;
}

}  // namespace

std::vector<Pixel> corners(const Image& eigenvalue, const std::uint8_t* mask) {
  const int width = eigenvalue.width(), height = eigenvalue.height();
  std::vector<Peak> peaks = peaks_of(eigenvalue, mask, static_cast<float>(largest_of(eigenvalue, mask) * kQuality));
  std::make_heap(peaks.begin(), peaks.end());  // most peaks of a textured image are never asked for: no need to sort

  std::vector<char> taken(static_cast<std::size_t>(width) * height, 0);
  std::vector<Pixel> found;
  while (!peaks.empty() && found.size() < kMost) {
    std::pop_heap(peaks.begin(), peaks.end());
    const int index = peaks.back().index;
    peaks.pop_back();
    if (taken[static_cast<std::size_t>(index)]) continue;
    const int x = index % width, y = index / width;
    found.push_back({x, y});
    for (int j = std::max(y - kReach, 0); j <= std::min(y + kReach, height - 1); ++j)
      for (int k = std::max(x - kReach, 0); k <= std::min(x + kReach, width - 1); ++k)
        taken[static_cast<std::size_t>(j) * width + k] = 1;
  }
  return found;
}

}  // namespace idt
