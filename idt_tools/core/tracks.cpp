// Tracks (idt_spec 1 step 6, 5.5, 5.6).
//
// One step from p:  q = p + flow(p'), displacement = compensated flow(p'), p' = p rounded half to even and clamped.
// Descriptor of a step, for HOG, HOF, MBHx and MBHy alike: the 32 x 32 square around p', moved inside the image, in
// 2 x 2 cells ordered x outer, y inner, bins innermost; each bin max(sum, 0) + 0.05; all cells together divided by their sum,
// then square roots. A time cell is the mean of 5 steps.
// Rejected, with 16 points and 15 displacements in original pixels: standard deviations both < sqrt 3 (static), or one
// > 50 (random); largest step > 20 and > 0.7 of the path (jump); largest compensated step <= 1 (camera).
#include "tracks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace idt {
namespace {

constexpr float kFloor = 0.05f;
constexpr int kCell = kPatch / 2;
constexpr float kAlmostOne = 0.999f;

// Divides by the sum, takes roots, adds to the running sum.
IDT_VECTORISED void add_normalised(const float* bins, int count, float* __restrict sum) {
  float parts[4] = {};  // count is a multiple of 4
  for (int i = 0; i < count; i += 4)
    for (int j = 0; j < 4; ++j) parts[j] += bins[i + j];
  const float total = (parts[0] + parts[1]) + (parts[2] + parts[3]);
  for (int i = 0; i < count; ++i) sum[i] += std::sqrt(bins[i] / total);
}

inline float raised(float votes) { return (votes > 0.0f ? votes : 0.0f) + kFloor; }

// Bins of the 2 x 2 cells of the patch whose upper left pixel is (left, top).
IDT_VECTORISED void cell_bins(const OrientationIntegral& integral, int left, int top, bool with_still, float* to) {
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const int x0 = left + i * kCell, y0 = top + j * kCell, x1 = x0 + kCell, y1 = y0 + kCell;
      const float *tl = integral.at(x0, y0), *tr = integral.at(x1, y0), *bl = integral.at(x0, y1),
                  *br = integral.at(x1, y1);
      const Floats8 &v_tl = *reinterpret_cast<const Floats8*>(tl), &v_tr = *reinterpret_cast<const Floats8*>(tr),
                    &v_bl = *reinterpret_cast<const Floats8*>(bl), &v_br = *reinterpret_cast<const Floats8*>(br);
      const Floats8 votes = v_br + v_tl - v_bl - v_tr;
      *reinterpret_cast<Floats8*>(to) = (votes > 0.0f ? votes : Floats8{}) + kFloor;
      to += kBins;
      if (with_still)
        *to++ = raised(integral.still_at(x1, y1) + integral.still_at(x0, y0) - integral.still_at(x0, y1) -
                       integral.still_at(x1, y0));
    }
  }
}

inline int nearest(float position, int size) {
  return clamp(static_cast<int>(std::nearbyintf(position)), 0, size - 1);
}

inline float length(Point p) { return std::sqrt(p.x * p.x + p.y * p.y); }

}  // namespace

void Finished::clear() {
  info.clear();
  descriptors.clear();
  points.clear();
}

template <class T>
T* ScaleTracks::Pool<T>::take() {
  if (free_.empty()) {
    chunks_.push_back(std::make_unique<T[]>(kChunk));
    for (std::size_t i = kChunk; i-- > 0;) free_.push_back(&chunks_.back()[i]);
  }
  T* item = free_.back();
  free_.pop_back();
  return item;
}

ScaleTracks::ScaleTracks(const Scale& scale, const Scale& full, const Options& options)
    : scale_(scale), full_(full), options_(options) {}

void ScaleTracks::release(Track* track) {
  const int begun = (track->age + kSteps / kTimeCells - 1) / (kSteps / kTimeCells);
  for (int i = 0; i < begun; ++i) sums_.give(track->sums[i]);
  tracks_.give(track);
}

void ScaleTracks::describe(const StepInput& input, Point centre, StepDescriptor& sum) {
  const int left = clamp(static_cast<int>(std::nearbyintf(centre.x)) - kPatch / 2, 0, scale_.width - kPatch);
  const int top = clamp(static_cast<int>(std::nearbyintf(centre.y)) - kPatch / 2, 0, scale_.height - kPatch);
  float bins[kStepDescriptor];
  cell_bins(input.hog, left, top, false, bins);
  cell_bins(input.hof, left, top, true, bins + kHog);
  cell_bins(input.mbhx, left, top, false, bins + kHog + kHof);
  cell_bins(input.mbhy, left, top, false, bins + kHog + kHof + kMbh);
  int start = 0;
  for (const int count : {kHog, kHof, kMbh, kMbh}) {
    add_normalised(bins + start, count, sum.data() + start);
    start += count;
  }
}

void ScaleTracks::step(const StepInput& input, int frame, Finished& finished) {
  std::size_t kept = 0;
  for (Track* track : live_) {
    const Point p = track->points[track->age];
    const int x = nearest(p.x, scale_.width), y = nearest(p.y, scale_.height);
    const Point q = {p.x + input.flow.dx.at(x, y), p.y + input.flow.dy.at(x, y)};
    // Written so that a position that is not a number is dropped too.
    if (!(q.x > 0.0f && q.x < static_cast<float>(scale_.width) && q.y > 0.0f &&
          q.y < static_cast<float>(scale_.height))) {
      release(track);
      continue;
    }
    track->motion[track->age] = {input.compensated.dx.at(x, y), input.compensated.dy.at(x, y)};
    StepDescriptor*& sum = track->sums[track->age / (kSteps / kTimeCells)];
    if (track->age % (kSteps / kTimeCells) == 0) {
      sum = sums_.take();
      sum->fill(0.0f);
    }
    describe(input, p, *sum);
    track->points[++track->age] = q;
    if (track->age == kSteps) {
      finish(*track, frame, finished);
      release(track);
    } else {
      live_[kept++] = track;
    }
  }
  live_.resize(kept);
}

void ScaleTracks::sample(const Image& eigenvalue) {
  positions_.clear();
  for (const Track* track : live_) positions_.push_back(track->points[track->age]);
  sample_grid(eigenvalue, positions_, options_.sampling_step, options_.quality, new_points_);
  for (const Point& point : new_points_) {
    Track* track = tracks_.take();
    track->age = 0;
    track->points[0] = point;
    live_.push_back(track);
  }
}

void ScaleTracks::finish(const Track& track, int frame, Finished& finished) const {
  const float f = scale_.factor;
  std::array<Point, kSteps + 1> points = track.points;
  std::array<Point, kSteps> motion = track.motion;
  for (Point& p : points) p = {p.x * f, p.y * f};
  for (Point& d : motion) d = {d.x * f, d.y * f};

  Point mean = {0, 0}, deviation = {0, 0};
  for (const Point& p : points) mean = {mean.x + p.x, mean.y + p.y};
  mean = {mean.x / (kSteps + 1), mean.y / (kSteps + 1)};
  for (const Point& p : points) {
    const float x = p.x - mean.x, y = p.y - mean.y;
    deviation = {deviation.x + x * x, deviation.y + y * y};
  }
  deviation = {std::sqrt(deviation.x / (kSteps + 1)), std::sqrt(deviation.y / (kSteps + 1))};
  if (deviation.x < options_.min_deviation && deviation.y < options_.min_deviation) return;
  if (deviation.x > options_.max_deviation || deviation.y > options_.max_deviation) return;

  float path = 0.0f, longest = 0.0f;
  for (int i = 0; i < kSteps; ++i) {
    const float step = length({points[i + 1].x - points[i].x, points[i + 1].y - points[i].y});
    path += step;
    longest = std::max(longest, step);
  }
  if (longest > options_.max_jump && longest > path * options_.max_jump_share) return;

  float moved = 0.0f, most = 0.0f;
  for (const Point& d : motion) {
    moved += length(d);
    most = std::max(most, length(d));
  }
  if (most <= options_.min_motion) return;

  const auto share = [](float position, int size) {
    return std::min(std::max(position / static_cast<float>(size), 0.0f), kAlmostOne);
  };
  const float info[kInfo] = {static_cast<float>(frame), mean.x, mean.y, deviation.x, deviation.y, path, f,
                             share(mean.x, full_.width), share(mean.y, full_.height), 0.0f};
  finished.info.insert(finished.info.end(), info, info + kInfo);

  const std::size_t start = finished.descriptors.size();
  finished.descriptors.resize(start + kDescriptor);
  float* to = finished.descriptors.data() + start;
  for (const Point& d : motion) {
    *to++ = d.x / moved;
    *to++ = d.y / moved;
  }
  int channel = 0;
  for (const int count : {kHog, kHof, kMbh, kMbh}) {
    for (const StepDescriptor* sum : track.sums)
      for (int i = 0; i < count; ++i) *to++ = (*sum)[channel + i] / (kSteps / kTimeCells);
    channel += count;
  }
  if (options_.record_points) {
    const float* coordinates = &points[0].x;
    finished.points.insert(finished.points.end(), coordinates, coordinates + 2 * points.size());
  }
}

}  // namespace idt
