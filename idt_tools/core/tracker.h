// The tracker: one grey frame at a time in, rows of finished trajectories out (idt_spec 1).
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "expansion.h"
#include "flow_levels.h"
#include "histograms.h"
#include "plane.h"
#include "pyramid.h"
#include "sampling.h"
#include "stage_times.h"
#include "tracks.h"

namespace idt {

// Per frame, call start(). It returns false for the first frame; for others call compensate() with the camera's motion
// and finish(), then take() until nothing is left.
//
// With `threads` = 2, a thread may start and compensate the next frame while another finishes a frame and takes its
// rows. The two threads then have about equal work.
class Tracker {
 public:
  Tracker(int width, int height, const Options& options, int threads = 1);

  // Takes the next frame, height x width bytes. Computes the raw flow from the frame before, which includes the
  // camera's motion.
  bool start(const std::uint8_t* frame);
  // That flow at full size, until compensate().
  const Flow& raw_flow() const;
  // Full-size CornerMeasure of the frame before, until compensate().
  const Image& corner_measure() const;
  // Compensates the camera's motion (homography from the frame before, 9 numbers, row-major).
  void compensate(const double* homography);

  // Starts tracks on the frame before, and moves all tracks to the oldest compensated frame.
  void finish();
  // Trajectories that have ended and are not yet taken.
  std::size_t finished() const;
  // Writes up to `limit` of them, in order of scale and age, and removes them. Returns how many.
  std::size_t take(std::size_t limit, RowsOut out);
  std::size_t live_tracks() const;

  int width() const { return scales_[0].width; }
  int height() const { return scales_[0].height; }
  const std::vector<Scale>& scales() const { return scales_; }
  // The time of both threads; call it while neither works.
  double seconds(Stage stage) const;

 private:
  // Data of the last frames or pairs of frames. That of `number` replaces that of `number` - size.
  template <class T>
  class Last {
   public:
    explicit Last(int size) : items_(static_cast<std::size_t>(size)) {}
    T& operator[](int number) { return items_[static_cast<std::size_t>(number) % items_.size()]; }
    const T& operator[](int number) const { return items_[static_cast<std::size_t>(number) % items_.size()]; }

   private:
    std::vector<T> items_;
  };

  struct Level {
    Level(const Scale& scale, const Scale& full, const Scale* finer, const Options& options, int threads);
    bool keeps_expansion;  // from the start of a frame to the start of the next
    GreyResizer shrink;    // from the next finer level
    ScaleTracks tracks;
    // By the number of the frame.
    Last<Grey> grey;
    Last<Expansion> expansion;
    // By the number of the second frame of a pair.
    Last<std::vector<Point>> textured;  // points of the first frame
    Last<Flow> raw, compensated;        // without a second thread, `compensated` is empty
  };

  // Frame t at level k.
  FrameAtLevel at_level(std::size_t k, int t) const;
  // The frame that is started and not yet compensated. Throws if there is none.
  int started() const;

  std::vector<Scale> scales_;
  std::vector<std::unique_ptr<Level>> levels_;
  const int threads_;
  const std::size_t n_fine_;  // the finest levels, which finish() compensates; compensate() does the others
  Last<Grey> warped_;

  // Of the starting thread.
  FlowLevels start_flows_;
  CornerMeasure corner_measure_;
  int n_started_ = 0;
  // Counts that both threads read.
  std::atomic<int> n_compensated_ = 0, n_finished_ = 0;

  // Of the finishing thread.
  std::optional<FlowLevels> own_finish_flows_;  // without a second thread, it uses start_flows_
  std::array<Flow, 2> compensated_;             // of a level and of the next coarser one
  PatchHistograms histograms_;
};

}  // namespace idt
