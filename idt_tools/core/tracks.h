// Tracks of one scale: followed, described, tested and written out (idt_spec 1 steps 6-7, 5.5, 5.6).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "histograms.h"
#include "plane.h"
#include "pyramid.h"
#include "sampling.h"

namespace idt {

inline constexpr int kSteps = 15;     // displacements of a trajectory; it has one point more
inline constexpr int kTimeCells = 3;  // of kSteps / kTimeCells steps each
inline constexpr int kInfo = 10;
inline constexpr int kDescriptor = 2 * kSteps + kTimeCells * kCells * (kChannels * kBins + 1);  // 426
inline constexpr int kCoordinates = 2 * (kSteps + 1);

// Parameters of the tracker. TrackerOptions (idt_tools/tracker.py) has their meaning and defaults.
struct Options {
  int max_scales;
  int sampling_step;
  double quality;
  float min_deviation;
  float max_deviation;
  float max_jump;
  float max_jump_share;
  float min_motion;
};

// Memory for rows of finished trajectories. `points` may be null.
struct RowsOut {
  float* info;         // (n, 10); column 9 is 0, since it needs the number of frames
  float* descriptors;  // (n, 426)
  float* points;       // (n, 16, 2) original pixels
};

class ScaleTracks {
 public:
  ScaleTracks(const Scale& scale, const Scale& full, const Options& options);

  // Finds the points where tracks may start: the centres of the textured cells of the grid. Leaves the tracks alone.
  void find_textured(const Image& eigenvalue, std::vector<Point>& textured) const;
  // Starts tracks at the points whose cells of the grid hold no live track.
  void sample(const std::vector<Point>& textured);
  // Moves every live track one step by the raw flow, oldest first, and describes `images`: the previous frame, and the
  // flow without the camera's motion. Tracks that reach kSteps and pass the tests are finished.
  void step(const Flow& raw, const DescribedImages& images, PatchHistograms& histograms);
  // Writes up to `limit` finished trajectories, oldest first, and removes them. Returns how many.
  std::size_t take(std::size_t limit, int frame, RowsOut out);
  std::size_t live() const { return live_.size(); }
  std::size_t finished() const { return finished_.size(); }

 private:
  struct Track {
    int age = 0;   // number of steps
    int left = 0;  // first column of the patch
    std::array<Point, kSteps + 1> points;
    std::array<Point, kSteps> motion;  // compensated displacements
    std::array<HistogramSums, kTimeCells> sums;
  };

  Track* start_track();
  void describe(const DescribedImages& images, PatchHistograms& histograms);
  bool passes(const Track& track) const;
  void write(const Track& track, int frame, RowsOut out) const;

  Scale scale_, full_;
  Options options_;
  std::vector<std::unique_ptr<Track[]>> pool_;  // memory of the tracks, which never moves
  std::vector<Track*> free_;
  std::vector<Track*> live_;  // oldest first
  std::deque<Track*> finished_;
  std::vector<std::vector<Track*>> by_top_;  // tracks by the first row of their patch
  std::vector<char> taken_;                  // 1 for the cells of the grid that hold a live track
};

}  // namespace idt
