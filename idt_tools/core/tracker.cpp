// The order of work on every frame (idt_spec 1).
#include "tracker.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "warp.h"

namespace idt {
namespace {

constexpr float kStill = 0.4f;  // pixels: shorter compensated flow counts as no motion in HOF

}  // namespace

Tracker::Tracker(int width, int height, const Options& options)
    : options_(options), scales_(make_scales(width, height, options.max_scales)) {
  for (std::size_t k = 0; k < scales_.size(); ++k) {
    const Scale* coarser = k + 1 < scales_.size() ? &scales_[k + 1] : nullptr;
    levels_.push_back(std::make_unique<Level>(scales_[k], scales_[0], coarser, options));
  }
}

bool Tracker::start(const std::uint8_t* frame) {
  if (started_) throw std::logic_error("the frame started before has not been finished");
  for (auto& level : levels_) {
    std::swap(level->grey, level->previous_grey);
    std::swap(level->expansion, level->previous_expansion);
  }
  std::copy_n(frame, static_cast<std::size_t>(width()) * height(), levels_[0]->grey.row(0));
  for (std::size_t k = 1; k < levels_.size(); ++k) resize_grey(levels_[k - 1]->grey, levels_[k]->grey);
  for (auto& level : levels_) level->expander(levels_[0]->grey, level->expansion);
  if (frames_++ == 0) {
    sample();
    return false;
  }
  const Flow* coarser = nullptr;
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    Level& l = **level;
    l.flow_level(l.previous_expansion, l.expansion, coarser, l.raw);
    coarser = &l.raw;
  }
  started_ = true;
  return true;
}

const Flow& Tracker::raw_flow() const {
  if (!started_) throw std::logic_error("there is flow only between start() of a later frame and finish()");
  return levels_[0]->raw;
}

void Tracker::finish(const double* homography) {
  if (!started_) throw std::logic_error("no frame has been started");
  started_ = false;
  warp(levels_[0]->previous_grey, levels_[0]->grey, homography, warped_);
  const Flow* coarser = nullptr;
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    Level& l = **level;
    l.expander(warped_, warped_expansion_);
    l.flow_level(l.previous_expansion, warped_expansion_, coarser, l.compensated);
    coarser = &l.compensated;
  }
  for (auto& level : levels_) {
    Level& l = *level;
    gradient(l.previous_grey, dx_, dy_);
    hog_.build(dx_, dy_);
    hof_.build(l.compensated.dx, l.compensated.dy, kStill);
    gradient(l.compensated.dx, dx_, dy_);
    mbhx_.build(dx_, dy_);
    gradient(l.compensated.dy, dx_, dy_);
    mbhy_.build(dx_, dy_);
    l.tracks.step({l.raw, l.compensated, hog_, hof_, mbhx_, mbhy_}, frames_ - 1, finished_);
  }
  sample();
}

void Tracker::sample() {
  for (auto& level : levels_) {
    corner_measure_(level->grey, eigenvalue_);
    level->tracks.sample(eigenvalue_);
  }
}

std::size_t Tracker::live_tracks() const {
  std::size_t count = 0;
  for (const auto& level : levels_) count += level->tracks.size();
  return count;
}

}  // namespace idt
