// Orientation histograms of square patches, from integral images of which only the rows in use are in memory (idt_spec
// 1 step 6, 5.5).
#pragma once

#include <cstdint>

#include "plane.h"
#include "pyramid.h"

namespace idt {

inline constexpr int kBins = 8;
inline constexpr int kCells = 4;     // 2 x 2 cells of a patch, x outer, y inner
inline constexpr int kChannels = 4;  // HOG, HOF, MBHx, MBHy
inline constexpr int kHofChannel = 1;

// Sums over steps of square-rooted histograms, in units of 1 / kUnit. Each root is at most 1 and 5 are added, so 16
// bits hold them to 1e-5, finer than the 16-bit floats of stored descriptors. These sums take most of a tracker's
// memory, and 32-bit floats would double it.
struct HistogramSums {
  static constexpr float kUnit = 13000.0f;
  std::uint16_t bins[kChannels][kCells][kBins];
  std::uint16_t still[kCells];  // HOF's 9th bin
};

// The images that HOG (grey), HOF and MBH (flow) describe.
struct DescribedImages {
  const Grey& grey;
  const Flow& flow;
};

// Integral image of orientation votes, built row by row: HOG, HOF, MBHx and MBHy side by side. A patch can be described
// once its last row is added.
class PatchHistograms {
 public:
  explicit PatchHistograms(int max_width);

  // Begins above row `y` of images of this width.
  void start(int y, int width);
  // Adds the next row, y = bottom().
  void add_row(const DescribedImages& images);
  int bottom() const { return bottom_; }
  // Describes the patch whose rows end above bottom() and whose first column is `left`, and adds that to `sums`: bins
  // are max(votes, 0) + 0.05; those of a channel's 4 cells are divided by their sum, then square-rooted.
  void add_patch(int left, HistogramSums& sums) const;
  // Prefetches the memory that add_patch will read.
  void prefetch_patch(int left) const;

 private:
  static constexpr int kEntry = kChannels * kBins;
  static constexpr int kRing = kPatch + 1;

  float* entry(int y, int x) {
    return integral_.data() + (static_cast<std::size_t>(y % kRing) * stride_ + static_cast<std::size_t>(x)) * kEntry;
  }
  const float* entry(int y, int x) const { return const_cast<PatchHistograms*>(this)->entry(y, x); }
  const float* still(int y) const { return still_.data() + static_cast<std::size_t>(y % kRing) * stride_; }
  void vote(int channel, const float* dx, const float* dy);

  int width_ = 0, bottom_ = 0;
  std::size_t stride_ = 0;
  Buffer<float> integral_;  // ring of rows: entry (x, y) holds the votes of all pixels left of x and above y
  Buffer<float> still_;     // ring of rows: of HOF's 9th bin
  Rows votes_;              // of one row: each channel's bins, 0 to 8, and lengths; then 1 where HOF's flow is still
  Rows gradients_;
};

}  // namespace idt
