// The order of work on every frame (idt_spec 1).
#include "tracker.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "warp.h"

namespace idt {
namespace {

// Pixels. Levels up to this size store the expansion of a frame, 20 bytes per pixel, until the next frame. Larger
// levels expand a frame twice, as the current and as the previous frame.
constexpr int kMaxCached = 640 * 480;

}  // namespace

Tracker::Level::Level(const Scale& scale, const Scale& full, const Scale* finer, const Scale* coarser,
                      const Options& options)
    : reducer(full, scale),
      expander(scale.width, scale.height),
      flow_level(scale, coarser),
      tracks(scale, full, options),
      grey(scale.width, scale.height),
      previous_grey(scale.width, scale.height) {
  if (finer) shrink = GreyResizer(finer->width, finer->height, scale.width, scale.height);
}

Tracker::Tracker(int width, int height, const Options& options)
    : scales_(make_scales(width, height, options.max_scales)),
      median_(width),
      histograms_(width),
      corner_measure_(width) {
  for (std::size_t k = 0; k < scales_.size(); ++k) {
    const Scale* finer = k > 0 ? &scales_[k - 1] : nullptr;
    const Scale* coarser = k + 1 < scales_.size() ? &scales_[k + 1] : nullptr;
    levels_.push_back(std::make_unique<Level>(scales_[k], scales_[0], finer, coarser, options));
  }
}

bool Tracker::start(const std::uint8_t* frame) {
  if (started_) throw std::logic_error("the frame started before has not been finished");
  if (finished() > 0) throw std::logic_error("there are finished trajectories that have not been taken");
  if (frames_ > 0) sample();
  for (auto& level : levels_) std::swap(level->grey, level->previous_grey);
  Grey& full = levels_[0]->grey;
  for (int y = 0; y < height(); ++y) std::copy_n(frame + static_cast<std::size_t>(y) * width(), width(), full.row(y));
  {
    const auto time = times_.measure(kPyramid);
    for (std::size_t k = 1; k < levels_.size(); ++k) levels_[k]->shrink(levels_[k - 1]->grey, levels_[k]->grey);
  }
  if (frames_++ == 0) return false;
  const Flow* coarser = nullptr;
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    Level& l = **level;
    if (l.expansion.width() > 0)
      std::swap(l.expansion, l.previous_expansion);
    else
      expand(l, levels_[0]->previous_grey, l.raw.dx, l.previous_expansion);
    const bool cached = l.grey.width() * l.grey.height() <= kMaxCached;
    Expansion& expansion = cached ? l.expansion : expansion_;
    expand(l, full, l.raw.dx, expansion);
    flow_of(l, expansion, coarser, l.raw);
    coarser = &l.raw;
  }
  started_ = true;
  return true;
}

// Expands a full frame at a level. The reduced frame takes the memory of an image that is not in use.
void Tracker::expand(Level& level, const Grey& full, Image& unused, Expansion& expansion) {
  const auto time = times_.measure(kExpansion);
  level.reducer(full, unused);
  level.expander(unused, expansion);
}

// Computes the flow from the previous frame to one whose expansion is `second`.
void Tracker::flow_of(Level& level, const Expansion& second, const Flow* coarser, Flow& flow) {
  {
    const auto time = times_.measure(kFlow);
    level.flow_level(level.previous_expansion, second, coarser, flow);
  }
  const auto time = times_.measure(kMedian);
  median_(flow.dx, flow.dx);
  median_(flow.dy, flow.dy);
}

const Flow& Tracker::raw_flow() const {
  if (!started_) throw std::logic_error("there is flow only between start() of a later frame and finish()");
  return levels_[0]->raw;
}

const Image& Tracker::corner_measure() const {
  if (!started_) throw std::logic_error("there are corners only between start() of a later frame and finish()");
  return eigenvalue_;
}

void Tracker::finish(const double* homography) {
  if (!started_) throw std::logic_error("no frame has been started");
  started_ = false;
  {
    const auto time = times_.measure(kWarp);
    warp(levels_[0]->previous_grey, levels_[0]->grey, homography, warped_);
  }
  const Flow* coarser = nullptr;
  for (std::size_t k = levels_.size(); k-- > 0;) {
    Level& l = *levels_[k];
    Flow& compensated = compensated_[k % 2];
    expand(l, warped_, compensated.dx, expansion_);
    flow_of(l, expansion_, coarser, compensated);
    coarser = &compensated;
    const auto time = times_.measure(kTracks);
    l.tracks.step(l.raw, {l.previous_grey, compensated}, histograms_);
  }
}

// Starts new tracks on the last frame. This waits for the next frame, since by then the memory of the finished tracks
// is free. The finest level comes last, so that its eigenvalues stay for corner_measure().
void Tracker::sample() {
  const auto time = times_.measure(kSampling);
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    corner_measure_((*level)->grey, eigenvalue_);
    (*level)->tracks.sample(eigenvalue_);
  }
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
    count += level->tracks.take(limit - count, frames_ - 1, rest);
  }
  return count;
}

std::size_t Tracker::live_tracks() const {
  std::size_t count = 0;
  for (const auto& level : levels_) count += level->tracks.live();
  return count;
}

}  // namespace idt
