// Tracks (idt_spec 1 step 6, 5.5, 5.6).
//
// One step from p:  q = p + flow(p'), displacement = compensated flow(p'), p' = p rounded half to even and clamped.
// Descriptor of a step, for each of HOG, HOF, MBHx and MBHy: the 32 x 32 square around p', moved inside the image, in
// 2 x 2 cells; all cells together divided by their sum, then square roots. A time cell is the mean of 5 steps.
// A track has 16 points and 15 displacements, in original pixels. It is rejected as
//   static, if both standard deviations are < sqrt 3;
//   random, if one of them is > 50;
//   jump, if its largest step is > 20 and > 0.7 of the path;
//   camera, if its largest compensated step is <= 1.
#include "tracks.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace idt {
namespace {

constexpr float kAlmostOne = 0.999f;
constexpr int kTimeCellSteps = kSteps / kTimeCells;

// Prefetches memory, since tracks are scattered.
inline void prefetch(const void* memory, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(memory) + i);
}

inline int nearest(float position, int size) { return clamp(static_cast<int>(std::nearbyintf(position)), 0, size - 1); }

inline float length(Point p) { return std::sqrt(p.x * p.x + p.y * p.y); }

struct Spread {
  Point mean, deviation;
};

Spread spread_of(const std::array<Point, kSteps + 1>& points, float factor) {
  Point mean = {0, 0}, deviation = {0, 0};
  for (const Point& p : points) mean = {mean.x + p.x * factor, mean.y + p.y * factor};
  mean = {mean.x / (kSteps + 1), mean.y / (kSteps + 1)};
  for (const Point& p : points) {
    const float x = p.x * factor - mean.x, y = p.y * factor - mean.y;
    deviation = {deviation.x + x * x, deviation.y + y * y};
  }
  return {mean, {std::sqrt(deviation.x / (kSteps + 1)), std::sqrt(deviation.y / (kSteps + 1))}};
}

struct Path {
  float length = 0.0f, longest = 0.0f;
  void add(float step) {
    length += step;
    longest = std::max(longest, step);
  }
};

Path path_of(const std::array<Point, kSteps + 1>& points, float factor) {
  Path path;
  for (int i = 0; i < kSteps; ++i)
    path.add(
        length({points[i + 1].x * factor - points[i].x * factor, points[i + 1].y * factor - points[i].y * factor}));
  return path;
}

Path motion_of(const std::array<Point, kSteps>& motion, float factor) {
  Path path;
  for (const Point& d : motion) path.add(length({d.x * factor, d.y * factor}));
  return path;
}

}  // namespace

ScaleTracks::ScaleTracks(const Scale& scale, const Scale& full, const Options& options)
    : scale_(scale), full_(full), options_(options), by_top_(std::max(1, scale.height - kPatch + 1)) {}

ScaleTracks::Track* ScaleTracks::start_track() {
  constexpr std::size_t kChunk = 256;
  if (free_.empty()) {
    pool_.push_back(std::make_unique_for_overwrite<Track[]>(kChunk));
    for (std::size_t i = kChunk; i-- > 0;) free_.push_back(&pool_.back()[i]);
  }
  Track* track = free_.back();
  free_.pop_back();
  track->age = 0;
  return track;
}

void ScaleTracks::step(const Flow& raw, const DescribedImages& images, PatchHistograms& histograms) {
  const float width = static_cast<float>(scale_.width), height = static_cast<float>(scale_.height);
  constexpr std::size_t kAhead = 6;
  std::size_t n_live = 0;
  for (std::size_t i = 0; i < live_.size(); ++i) {
    if (i + kAhead < live_.size()) prefetch(live_[i + kAhead], offsetof(Track, sums));
    Track* track = live_[i];
    const Point p = track->points[track->age];
    const int x = nearest(p.x, scale_.width), y = nearest(p.y, scale_.height);
    const Point q = {p.x + raw.dx.at(x, y), p.y + raw.dy.at(x, y)};
    const Point motion = {images.flow.dx.at(x, y), images.flow.dy.at(x, y)};
    // Along straight stripes the flow is arbitrary, up to thousands of pixels. The negation also drops a position that
    // is not a number.
    const bool inside = q.x > 0.0f && q.x < width && q.y > 0.0f && q.y < height;
    if (!(inside && std::fabs(motion.x) < width && std::fabs(motion.y) < height)) {
      free_.push_back(track);
      continue;
    }
    track->points[track->age + 1] = q;
    track->motion[track->age] = motion;
    track->left = clamp(x - kPatch / 2, 0, scale_.width - kPatch);
    by_top_[clamp(y - kPatch / 2, 0, scale_.height - kPatch)].push_back(track);
    live_[n_live++] = track;
  }
  live_.resize(n_live);

  describe(images, histograms);

  n_live = 0;
  for (Track* track : live_) {
    if (++track->age < kSteps)
      live_[n_live++] = track;
    else if (passes(*track))
      finished_.push_back(track);
    else
      free_.push_back(track);
  }
  live_.resize(n_live);
}

// Adds this step's histograms to the sums of all live tracks, from the top of the image down. The integral image spans
// only the rows from the first patch to the last.
void ScaleTracks::describe(const DescribedImages& images, PatchHistograms& histograms) {
  constexpr std::size_t kAhead = 3;
  const auto sums_of = [](Track* track) { return &track->sums[track->age / kTimeCellSteps]; };
  std::size_t left = live_.size();
  for (int top = 0; left > 0; ++top) {
    std::vector<Track*>& tracks = by_top_[top];
    if (tracks.empty()) continue;
    if (left == live_.size()) histograms.start(top, scale_.width);
    while (histograms.bottom() < top + kPatch) histograms.add_row(images);
    for (std::size_t i = 0; i < tracks.size(); ++i) {
      if (i + 1 < tracks.size()) histograms.prefetch_patch(tracks[i + 1]->left);
      if (i + kAhead < tracks.size()) prefetch(sums_of(tracks[i + kAhead]), sizeof(HistogramSums));
      HistogramSums* sums = sums_of(tracks[i]);
      if (tracks[i]->age % kTimeCellSteps == 0) *sums = {};
      histograms.add_patch(tracks[i]->left, *sums);
    }
    left -= tracks.size();
    tracks.clear();
  }
}

void ScaleTracks::find_textured(const Image& eigenvalue, std::vector<Point>& textured) const {
  grid_points(eigenvalue, options_.sampling_step, options_.quality, textured);
}

void ScaleTracks::sample(const std::vector<Point>& textured) {
  const int step = options_.sampling_step, columns = scale_.width / step, rows = scale_.height / step;
  const auto cell = [&](Point point) {
    return static_cast<int>(point.y) / step * columns + static_cast<int>(point.x) / step;
  };
  taken_.assign(static_cast<std::size_t>(columns) * rows, 0);
  for (const Track* track : live_) {
    const Point point = track->points[track->age];
    if (point.x < columns * step && point.y < rows * step) taken_[cell(point)] = 1;
  }
  for (const Point point : textured) {
    if (taken_[cell(point)]) continue;
    live_.push_back(start_track());
    live_.back()->points[0] = point;
  }
}

bool ScaleTracks::passes(const Track& track) const {
  const Point deviation = spread_of(track.points, scale_.factor).deviation;
  if (deviation.x < options_.min_deviation && deviation.y < options_.min_deviation) return false;
  if (deviation.x > options_.max_deviation || deviation.y > options_.max_deviation) return false;
  const Path path = path_of(track.points, scale_.factor);
  if (path.longest > options_.max_jump && path.longest > path.length * options_.max_jump_share) return false;
  const Path motion = motion_of(track.motion, scale_.factor);
  return motion.longest > options_.min_motion && std::isfinite(motion.length);
}

std::size_t ScaleTracks::take(std::size_t limit, int frame, RowsOut out) {
  const std::size_t count = std::min(limit, finished_.size());
  for (std::size_t i = 0; i < count; ++i) {
    Track* track = finished_.front();
    finished_.pop_front();
    write(*track, frame,
          {out.info + i * kInfo, out.descriptors + i * kDescriptor,
           out.points ? out.points + i * kCoordinates : nullptr});
    free_.push_back(track);
  }
  return count;
}

void ScaleTracks::write(const Track& track, int frame, RowsOut out) const {
  const float f = scale_.factor;
  const Spread spread = spread_of(track.points, f);
  const auto relative = [](float position, int size) {
    return std::min(std::max(position / static_cast<float>(size), 0.0f), kAlmostOne);
  };
  const float info[kInfo] = {static_cast<float>(frame),
                             spread.mean.x,
                             spread.mean.y,
                             spread.deviation.x,
                             spread.deviation.y,
                             path_of(track.points, f).length,
                             f,
                             relative(spread.mean.x, full_.width),
                             relative(spread.mean.y, full_.height),
                             0.0f};
  std::copy_n(info, kInfo, out.info);

  float* to = out.descriptors;
  const float path = std::max(motion_of(track.motion, f).length, 1e-12f);  // 0 if options let still tracks pass
  for (const Point& d : track.motion) {
    *to++ = d.x * f / path;
    *to++ = d.y * f / path;
  }
  constexpr float kMean = 1.0f / (HistogramSums::kUnit * kTimeCellSteps);
  for (int c = 0; c < kChannels; ++c) {
    for (const HistogramSums& sums : track.sums) {
      for (int cell = 0; cell < kCells; ++cell) {
        for (const std::uint16_t sum : sums.bins[c][cell]) *to++ = sum * kMean;
        if (c == kHofChannel) *to++ = sums.still[cell] * kMean;
      }
    }
  }
  if (!out.points) return;
  for (const Point& p : track.points) {
    *out.points++ = p.x * f;
    *out.points++ = p.y * f;
  }
}

}  // namespace idt
