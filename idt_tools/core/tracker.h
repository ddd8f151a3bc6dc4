// The tracker: one grey frame at a time in, rows of finished trajectories out (idt_spec 1).
#pragma once

#include <memory>
#include <vector>

#include "expansion.h"
#include "flow.h"
#include "histograms.h"
#include "plane.h"
#include "pyramid.h"
#include "sampling.h"
#include "tracks.h"

namespace idt {

// For every frame: start(), then - except on the first - raw_flow() if wanted, then finish() with the camera's motion.
class Tracker {
 public:
  Tracker(int width, int height, const Options& options);

  // Takes the next frame, height x width bytes. Returns false on the first frame, which needs no finish().
  bool start(const std::uint8_t* frame);
  // Flow from the previous to the started frame, full size, before any compensation.
  const Flow& raw_flow() const;
  // Compensates the camera's motion (homography previous -> current, 9 numbers, row-major), moves the tracks, samples.
  void finish(const double* homography);

  Finished& finished() { return finished_; }
  int width() const { return scales_[0].width; }
  int height() const { return scales_[0].height; }
  int frames() const { return frames_; }
  std::size_t live_tracks() const;
  const std::vector<Scale>& scales() const { return scales_; }

 private:
  struct Level {
    Level(const Scale& scale, const Scale& full, const Scale* coarser, const Options& options)
        : expander(full, scale),
          flow_level(scale, coarser),
          tracks(scale, full, options),
          grey(scale.width, scale.height),
          previous_grey(scale.width, scale.height) {}
    Expander expander;
    FlowLevel flow_level;
    ScaleTracks tracks;
    Grey grey, previous_grey;
    Expansion expansion, previous_expansion;
    Flow raw, compensated;
  };

  void sample();

  Options options_;
  std::vector<Scale> scales_;
  std::vector<std::unique_ptr<Level>> levels_;
  int frames_ = 0;
  bool started_ = false;
  Finished finished_;
  // Buffers shared by the levels.
  Grey warped_;
  Expansion warped_expansion_;
  Image dx_, dy_, eigenvalue_;
  OrientationIntegral hog_, hof_, mbhx_, mbhy_;
  CornerMeasure corner_measure_;
};

}  // namespace idt
