// Orientation histograms of square patches, from integral images of which only the rows in use exist (idt_spec 1 step
// 6, 5.5).
#pragma once

#include <cstdint>

#include "plane.h"
#include "pyramid.h"

namespace idt {

inline constexpr int kBins = 8;
inline constexpr int kCells = 4;     // 2 x 2 cells of a patch, x outer, y inner
inline constexpr int kChannels = 4;  // HOG, HOF, MBHx, MBHy
inline constexpr int kHofChannel = 1;

// Sums over steps of square-rooted histograms, in units of 1 / kUnit. Each is at most 1 and 5 of them are added, so 16
// bits hold them to 1e-5: finer than the 16-bit floats that descriptors are stored in, at half the memory of 32-bit
// ones, and these sums are most of what a tracker needs.
struct HistogramSums {
  static constexpr float kUnit = 13000.0f;
  std::uint16_t bins[kChannels][kCells][kBins];
  std::uint16_t still[kCells];  // HOF's 9th bin
};

// What HOG (grey), HOF and MBH (flow) are made from.
struct DescribedImages {
  const Grey& grey;
  const Flow& flow;
};

// Running integral over the rows of an image of orientation votes: HOG, HOF, MBHx and MBHy side by side. A patch can be
// described as soon as its last row is in.
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
  // Has the memory that add_patch is going to read fetched meanwhile.
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
