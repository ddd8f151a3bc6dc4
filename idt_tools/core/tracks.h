// Tracks of one scale: followed, described, tested and written out (idt_spec 1 steps 6-7, 5.5, 5.6).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "histograms.h"
#include "plane.h"
#include "pyramid.h"
#include "sampling.h"

namespace idt {

inline constexpr int kSteps = 15;      // displacements of a trajectory; it has one point more
inline constexpr int kCells = 4;       // 2 x 2 cells of a patch
inline constexpr int kTimeCells = 3;   // of kSteps / kTimeCells steps each
inline constexpr int kInfo = 10;
inline constexpr int kHog = kCells * kBins, kHof = kCells * (kBins + 1), kMbh = kCells * kBins;
inline constexpr int kStepDescriptor = kHog + kHof + 2 * kMbh;  // 132
inline constexpr int kDescriptor = 2 * kSteps + kTimeCells * kStepDescriptor;

struct Options {
  int max_scales = 8;
  int sampling_step = 5;          // pixels between sampled points
  double quality = 0.001;         // of the largest eigenvalue: where a track may start
  float min_deviation = 1.7320508f;  // pixels: below it in x and in y a trajectory is static
  float max_deviation = 50.0f;       // pixels: above it in x or in y it is random
  float max_jump = 20.0f;            // pixels: a step longer than this ...
  float max_jump_share = 0.7f;       // ... and than this share of the path is a jump
  float min_motion = 1.0f;        // pixels: a largest compensated step up to this is camera motion
  bool record_points = false;
};

// Rows of finished trajectories, in order of frame, scale and age.
struct Finished {
  std::vector<float> info;         // (n, 10); column 9 is left 0, it needs the number of frames
  std::vector<float> descriptors;  // (n, 426)
  std::vector<float> points;       // (n, 16, 2) original pixels, when recorded
  std::size_t size() const { return info.size() / kInfo; }
  void clear();
};

// What a step of all tracks of a scale reads: the previous frame's geometry.
struct StepInput {
  const Flow& flow;         // raw: where a point goes
  const Flow& compensated;  // without the camera's motion: what is described
  const OrientationIntegral &hog, &hof, &mbhx, &mbhy;
};

class ScaleTracks {
 public:
  ScaleTracks(const Scale& scale, const Scale& full, const Options& options);

  // Moves every live track one step, oldest first, and writes out those that reach kSteps. `frame`: of the new points.
  void step(const StepInput& input, int frame, Finished& finished);
  // Starts tracks on the free cells of the frame's grid.
  void sample(const Image& eigenvalue);
  std::size_t size() const { return live_.size(); }

 private:
  using StepDescriptor = std::array<float, kStepDescriptor>;
  struct Track {
    int age = 0;  // steps done
    std::array<Point, kSteps + 1> points;
    std::array<Point, kSteps> motion;               // compensated displacements
    std::array<StepDescriptor*, kTimeCells> sums;  // a block per time cell begun
  };
  // Memory handed out piece by piece and taken back; it never moves.
  template <class T>
  class Pool {
   public:
    T* take();
    void give(T* item) { free_.push_back(item); }

   private:
    static constexpr std::size_t kChunk = 1024;
    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<T*> free_;
  };

  void release(Track* track);
  void describe(const StepInput& input, Point centre, StepDescriptor& sum);
  void finish(const Track& track, int frame, Finished& finished) const;

  Scale scale_, full_;
  Options options_;
  std::vector<Track*> live_;  // oldest first
  std::vector<Point> positions_, new_points_;
  Pool<Track> tracks_;
  Pool<StepDescriptor> sums_;
};

}  // namespace idt
