#include "corners.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "sampling.h"

namespace idt {
namespace {

constexpr std::size_t kMaxCorners = 1000;
constexpr double kQuality = 0.001;
constexpr int kDistance = 3;
// Two pixels are less than kDistance apart if x and y each differ by at most kReach: 2^2 + 2^2 < 3^2.
constexpr int kReach = kDistance - 1;

float largest_of(const Image& image, const std::uint8_t* mask) {
  if (!mask) return largest(image);
  const int width = image.width();
  float maximum = 0.0f;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < width; ++x)
      if (mask[y * width + x]) maximum = std::max(maximum, image.at(x, y));
  return maximum;
}

struct Peak {
  float strength;
  int index;  // of the pixel
  // Of two equal pixels the later is the stronger, as in OpenCV.
  bool operator<(const Peak& other) const {
    return strength < other.strength || (strength == other.strength && index < other.index);
  }
};

// Returns the pixels above the threshold that have no larger neighbour.
std::vector<Peak> peaks_of(const Image& image, const std::uint8_t* mask, float threshold) {
  const int width = image.width();
  std::vector<float> columns(static_cast<std::size_t>(width));  // the largest of three rows
  std::vector<char> is_peak(static_cast<std::size_t>(width), 0);
  std::vector<Peak> peaks;
  for (int y = 1; y < image.height() - 1; ++y) {
    const float* row = image.row(y);
    std::copy_n(row, width, columns.data());
    max_with(image.row(y - 1), width, columns.data());
    max_with(image.row(y + 1), width, columns.data());
    const float* maxima = columns.data();
    for (int x = 1; x < width - 1; ++x)
      is_peak[static_cast<std::size_t>(x)] =
          (row[x] > threshold) & (row[x] >= maxima[x - 1]) & (row[x] >= maxima[x]) & (row[x] >= maxima[x + 1]);
    // The first loop uses vectors; peaks are rare, and memchr finds the next one.
    const char *at = is_peak.data(), *const end = at + width;
    while ((at = static_cast<const char*>(std::memchr(at, 1, static_cast<std::size_t>(end - at))))) {
      const int x = static_cast<int>(at++ - is_peak.data()), index = y * width + x;
      if (!mask || mask[index]) peaks.push_back({row[x], index});
    }
  }
  return peaks;
}

}  // namespace

std::vector<Pixel> corners(const Image& eigenvalue, const std::uint8_t* mask) {
  const int width = eigenvalue.width(), height = eigenvalue.height();
  std::vector<Peak> peaks = peaks_of(eigenvalue, mask, static_cast<float>(largest_of(eigenvalue, mask) * kQuality));
  std::make_heap(peaks.begin(), peaks.end());  // not sorted: most peaks of a textured image are never used

  std::vector<char> taken(static_cast<std::size_t>(width) * height, 0);
  std::vector<Pixel> chosen;
  while (!peaks.empty() && chosen.size() < kMaxCorners) {
    std::pop_heap(peaks.begin(), peaks.end());
    const int index = peaks.back().index;
    peaks.pop_back();
    if (taken[static_cast<std::size_t>(index)]) continue;
    const int x = index % width, y = index / width;
    chosen.push_back({x, y});
    for (int j = std::max(y - kReach, 0); j <= std::min(y + kReach, height - 1); ++j)
      for (int k = std::max(x - kReach, 0); k <= std::min(x + kReach, width - 1); ++k)
        taken[static_cast<std::size_t>(j) * width + k] = 1;
  }
  return chosen;
}

}  // namespace idt
