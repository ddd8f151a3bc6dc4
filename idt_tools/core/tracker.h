// The tracker: one grey frame at a time in, rows of finished trajectories out (idt_spec 1).
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "expansion.h"
#include "flow.h"
#include "histograms.h"
#include "median.h"
#include "plane.h"
#include "pyramid.h"
#include "sampling.h"
#include "stage_times.h"
#include "tracks.h"

namespace idt {

// Per frame, call start(); except on the first frame, call finish() with the camera's motion; then call take() until
// nothing is left. raw_flow() is available between start() and finish().
class Tracker {
 public:
  Tracker(int width, int height, const Options& options);

  // Takes the next frame, height x width bytes. Returns false on the first frame, which needs no finish().
  bool start(const std::uint8_t* frame);
  // Full-size flow from the previous to the started frame, with the camera's motion.
  const Flow& raw_flow() const;
  // Full-size CornerMeasure of the previous frame, between start() and finish().
  const Image& corner_measure() const;
  // Compensates the camera's motion (homography previous -> current, 9 numbers, row-major) and moves the tracks.
  void finish(const double* homography);

  // Trajectories that have ended and are not yet taken.
  std::size_t finished() const;
  // Writes up to `limit` of them, in order of scale and age, and removes them. Returns how many.
  std::size_t take(std::size_t limit, RowsOut out);

  int width() const { return scales_[0].width; }
  int height() const { return scales_[0].height; }
  std::size_t live_tracks() const;
  const std::vector<Scale>& scales() const { return scales_; }
  const StageTimes& times() const { return times_; }

 private:
  struct Level {
    Level(const Scale& scale, const Scale& full, const Scale* finer, const Scale* coarser, const Options& options);
    GreyResizer shrink;  // from the next finer level
    Reducer reducer;
    Expander expander;
    FlowLevel flow_level;
    ScaleTracks tracks;
    Grey grey, previous_grey;
    Expansion expansion, previous_expansion;
    Flow raw;
  };

  void expand(Level& level, const Grey& full, Image& unused, Expansion& expansion);
  void flow_of(Level& level, const Expansion& second, const Flow* coarser, Flow& flow);
  void sample();

  std::vector<Scale> scales_;
  std::vector<std::unique_ptr<Level>> levels_;
  int frames_ = 0;
  bool started_ = false;
  StageTimes times_;
  // Buffers shared by the levels.
  Grey warped_;
  Image eigenvalue_;
  Expansion expansion_;
  std::array<Flow, 2> compensated_;  // of a level and of the next coarser one
  Median5x5 median_;
  PatchHistograms histograms_;
  CornerMeasure corner_measure_;
};

}  // namespace idt
