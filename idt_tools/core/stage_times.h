// Seconds per stage of the tracker, for the benchmark.
#pragma once

#include <array>
#include <chrono>

namespace idt {

enum Stage { kPyramid, kExpansion, kFlow, kMedian, kWarp, kTracks, kSampling, kStages };
inline constexpr const char* kStageNames[kStages] = {"grey pyramid",          "expansion", "flow", "median", "warp",
                                                     "tracks and histograms", "sampling"};

class StageTimes {
 public:
  // Adds the lifetime of the returned guard to the seconds of `stage`.
  class Guard {
   public:
    explicit Guard(double& seconds) : seconds_(seconds), start_(Clock::now()) {}
    ~Guard() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    using Clock = std::chrono::steady_clock;
    double& seconds_;
    Clock::time_point start_;
  };

  Guard measure(Stage stage) { return Guard(seconds_[stage]); }
  double seconds(Stage stage) const { return seconds_[stage]; }

 private:
  std::array<double, kStages> seconds_{};
};

}  // namespace idt
