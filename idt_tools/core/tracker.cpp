// The order of work on every frame (idt_spec 1).
#include "tracker.h"

#include <algorithm>
#include <stdexcept>

#include "warp.h"

namespace idt {
namespace {

// Pixels. A level keeps the expansion of a frame, 20 bytes per pixel, until the next frame, if the level or its full
// frame is small. The others expand the frame again, row by row: slower, but with less memory.
constexpr int kSmallLevel = 320 * 240, kSmallFrame = 640 * 480;

// Levels that finish() compensates if there are two threads. The three finest have seven eighths of the pixels, which
// gives the threads about equal work.
constexpr std::size_t kFine = 3;

}  // namespace

Tracker::Level::Level(const Scale& scale, const Scale& full, const Scale* finer, const Options& options, int threads)
    : keeps_expansion(scale.width * scale.height <= kSmallLevel || full.width * full.height <= kSmallFrame),
      tracks(scale, full, options),
      grey(threads + 1),
      expansion(threads + 1),
      textured(threads),
      raw(threads),
      compensated(threads) {
  if (finer) shrink = GreyResizer(finer->width, finer->height, scale.width, scale.height);
}

Tracker::Tracker(int width, int height, const Options& options, int threads)
    : scales_(make_scales(width, height, options.max_scales)),
      threads_(threads),
      n_fine_(threads > 1 ? std::min(kFine, scales_.size()) : scales_.size()),
      warped_(threads),
      start_flows_(scales_),
      corner_measure_(width),
      histograms_(width) {
  for (std::size_t k = 0; k < scales_.size(); ++k) {
    const Scale* finer = k > 0 ? &scales_[k - 1] : nullptr;
    levels_.push_back(std::make_unique<Level>(scales_[k], scales_[0], finer, options, threads));
  }
  if (threads > 1) own_finish_flows_.emplace(scales_);
}

bool Tracker::start(const std::uint8_t* frame) {
  const int t = n_started_;
  if (t > n_compensated_ + 1) throw std::logic_error("the frame started before has not been compensated");
  if (t > n_finished_ + threads_) throw std::logic_error("a frame started before has not been finished");
  ++n_started_;
  Grey& full = levels_[0]->grey[t];
  full.resize(width(), height());
  for (int y = 0; y < height(); ++y) std::copy_n(frame + static_cast<std::size_t>(y) * width(), width(), full.row(y));
  {
    const auto time = start_flows_.times().measure(kPyramid);
    for (std::size_t k = 1; k < levels_.size(); ++k) levels_[k]->shrink(levels_[k - 1]->grey[t], levels_[k]->grey[t]);
  }
  if (t == 0) return false;
  const Flow* coarser = nullptr;
  for (std::size_t k = levels_.size(); k-- > 0;) {
    Level& l = *levels_[k];
    if (l.keeps_expansion) {
      if (t == 1) start_flows_.expand(k, levels_[0]->grey[0], l.raw[t].dx, l.expansion[0]);
      start_flows_.expand(k, full, l.raw[t].dx, l.expansion[t]);
    }
    start_flows_(k, at_level(k, t - 1), at_level(k, t), coarser, l.raw[t]);
    coarser = &l.raw[t];
    // After the flow, so that the finest level's measure stays in the scratch memory for corner_measure().
    const auto time = start_flows_.times().measure(kSampling);
    corner_measure_(l.grey[t - 1], start_flows_.scratch());
    l.tracks.find_textured(start_flows_.scratch(), l.textured[t]);
  }
  return true;
}

FrameAtLevel Tracker::at_level(std::size_t k, int t) const {
  const Level& l = *levels_[k];
  return {levels_[0]->grey[t], l.keeps_expansion ? &l.expansion[t] : nullptr};
}

int Tracker::started() const {
  if (n_started_ != n_compensated_ + 2)
    throw std::logic_error("start a frame after the first one before this call, and compensate it after it");
  return n_started_ - 1;
}

const Flow& Tracker::raw_flow() const { return levels_[0]->raw[started()]; }

const Image& Tracker::corner_measure() const {
  started();
  return start_flows_.scratch();
}

void Tracker::compensate(const double* homography) {
  const int t = started();
  const Level& full = *levels_[0];
  {
    const auto time = start_flows_.times().measure(kWarp);
    warp(full.grey[t - 1], full.grey[t], homography, warped_[t]);
  }
  const Flow* coarser = nullptr;
  for (std::size_t k = levels_.size(); k-- > n_fine_;) {
    Level& l = *levels_[k];
    start_flows_(k, at_level(k, t - 1), {warped_[t]}, coarser, l.compensated[t]);
    coarser = &l.compensated[t];
  }
  n_compensated_ = t;
}

void Tracker::finish() {
  if (n_finished_ == n_compensated_) throw std::logic_error("no frame has been compensated");
  if (finished() > 0) throw std::logic_error("there are finished trajectories that have not been taken");
  const int t = n_finished_ + 1;
  FlowLevels& flows = own_finish_flows_ ? *own_finish_flows_ : start_flows_;
  const Flow* coarser = nullptr;
  for (std::size_t k = levels_.size(); k-- > 0;) {
    Level& l = *levels_[k];
    Flow& compensated = k < n_fine_ ? compensated_[k % 2] : l.compensated[t];
    if (k < n_fine_) flows(k, at_level(k, t - 1), {warped_[t]}, coarser, compensated);
    coarser = &compensated;
    const auto time = flows.times().measure(kTracks);
    l.tracks.sample(l.textured[t]);
    l.tracks.step(l.raw[t], {l.grey[t - 1], compensated}, histograms_);
  }
  n_finished_ = t;
}

std::size_t Tracker::finished() const {
  std::size_t count = 0;
  for (const auto& level : levels_) count += level->tracks.finished();
  return count;
}

std::size_t Tracker::take(std::size_t limit, RowsOut out) {
  std::size_t count = 0;
  for (auto& level : levels_) {
    const RowsOut rest = {out.info + count * kInfo, out.descriptors + count * kDescriptor,
                          out.points ? out.points + count * kCoordinates : nullptr};
    count += level->tracks.take(limit - count, n_finished_, rest);
  }
  return count;
}

double Tracker::seconds(Stage stage) const {
  return start_flows_.times().seconds(stage) + (own_finish_flows_ ? own_finish_flows_->times().seconds(stage) : 0);
}

std::size_t Tracker::live_tracks() const {
  std::size_t count = 0;
  for (const auto& level : levels_) count += level->tracks.live();
  return count;
}

}  // namespace idt
