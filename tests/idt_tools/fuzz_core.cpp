// Runs the core on random input and checks three things: no access outside memory, no undefined behaviour (both end the
// program in the build of `make test-sanitize`), and results within their ranges. Python tests check the values.
//
//   fuzz_avx2 SECONDS [SEED]   tries the inputs of SEED (default 1), SEED + 1, ...; a failure names its seed
//   fuzz_avx2 0 SEED           repeats one input
//
// LLVMFuzzerTestOneInput is the entry point of libFuzzer, which can replace main().
#include <sanitizer/common_interface_defs.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <vector>

#include "corners.h"
#include "fuzz_input.h"
#include "text_rows.h"
#include "tracker.h"
#include "warp.h"

namespace {

using namespace idt;
using namespace idt::fuzz;

template <class Call>
void check_refused(const Call& call) {
  try {
    call();
  } catch (const std::logic_error&) {
    return;
  }
  CHECK(!"refused");
}

bool within(float value, float low, float high) { return value >= low && value <= high; }

// Takes the rows of frame t, checks them and appends their info, descriptors and points, one after the other.
void take_rows(Tracker& tracker, const Video& video, std::size_t t, std::vector<float>& rows) {
  CHECK(t + 1 > kSteps || tracker.finished() == 0);
  while (const std::size_t finished = tracker.finished()) {
    check_refused([&] { tracker.finish(); });
    const std::size_t n = video.limit, coordinates = video.points ? kCoordinates : 0;
    std::vector<float> info(n * kInfo), descriptors(n * kDescriptor), points(n * coordinates);
    const RowsOut out = {info.data(), descriptors.data(), video.points ? points.data() : nullptr};
    const std::size_t taken = tracker.take(n, out);
    CHECK(taken == std::min(n, finished) && tracker.finished() == finished - taken);
    info.resize(taken * kInfo), descriptors.resize(taken * kDescriptor), points.resize(taken * coordinates);
    for (std::size_t i = 0; i < taken; ++i) {
      const float *row = &info[i * kInfo], f = row[6];
      CHECK(row[0] == static_cast<float>(t) && row[9] == 0);
      CHECK(within(row[1], 0, video.width + f) && within(row[2], 0, video.height + f));
      CHECK(within(row[3], 0, video.width) && within(row[4], 0, video.height) && within(row[5], 0, 1e6f));
      const auto is_its_scale = [&](const Scale& scale) { return scale.factor == f; };
      CHECK(std::any_of(tracker.scales().begin(), tracker.scales().end(), is_its_scale));
      CHECK(within(row[7], 0, 0.999f) && within(row[8], 0, 0.999f));
      const float* descriptor = &descriptors[i * kDescriptor];
      for (int k = 0; k < kDescriptor; ++k) CHECK(within(descriptor[k], k < 2 * kSteps ? -1.001f : 0.0f, 1.001f));
      for (std::size_t k = 0; k < coordinates; ++k)
        CHECK(within(points[i * coordinates + k], 0, (k % 2 ? video.height : video.width) + f));
    }
    for (const auto* part : {&info, &descriptors, &points}) rows.insert(rows.end(), part->begin(), part->end());
  }
}

// Tracks a video and returns its checked rows.
std::vector<float> track(const Video& video) {
  std::vector<float> rows;
  Tracker tracker(video.width, video.height, video.options);
  std::size_t max_live = 0;
  for (const Scale& scale : tracker.scales())
    max_live += static_cast<std::size_t>(scale.width / video.options.sampling_step) *
                static_cast<std::size_t>(scale.height / video.options.sampling_step) * (kSteps + 1);
  for (std::size_t t = 0; t < video.frames.size(); ++t) {
    const Pixels& frame = video.frames[t];
    check_refused([&] { tracker.compensate(video.homographies[t].data()); });
    check_refused([&] { tracker.finish(); });
    check_refused([&] { tracker.raw_flow(); });
    check_refused([&] { tracker.corner_measure(); });
    CHECK(tracker.start(frame.data()) == (t > 0));
    if (t > 0) {
      check_refused([&] { tracker.start(frame.data()); });
      CHECK(tracker.raw_flow().dx.width() == video.width && tracker.raw_flow().dy.height() == video.height);
      CHECK(tracker.corner_measure().width() == video.width);
      tracker.compensate(video.homographies[t].data());
      check_refused([&] { tracker.start(frame.data()); });
      tracker.finish();
    }
    CHECK(tracker.live_tracks() <= max_live);
    take_rows(tracker, video, t, rows);
  }
  return rows;
}

// Returns the same rows. A second thread starts and compensates the frames.
std::vector<float> track_in_two_threads(const Video& video) {
  std::vector<float> rows;
  Tracker tracker(video.width, video.height, video.options, 2);
  std::counting_semaphore<2> unused(2), compensated(0);
  std::jthread starter([&] {
    for (std::size_t t = 0; t < video.frames.size(); ++t) {
      unused.acquire();
      if (tracker.start(video.frames[t].data())) tracker.compensate(video.homographies[t].data());
      compensated.release();
    }
  });
  for (std::size_t t = 0; t < video.frames.size(); ++t) {
    compensated.acquire();
    if (t > 0) tracker.finish();
    take_rows(tracker, video, t, rows);
    unused.release();
  }
  return rows;
}

template <class T>
bool equal(const Plane<T>& a, const Plane<T>& b) {
  bool same = a.width() == b.width() && a.height() == b.height();
  for (int y = 0; same && y < a.height(); ++y) same = !std::memcmp(a.row(y), b.row(y), a.width() * sizeof(T));
  return same;
}

void try_resampling(Input& input, int width, int height) {
  const int to_width = input.between(1, 80), to_height = input.between(1, 80);
  const Grey grey = make_grey(input, width, height);
  Grey small;
  GreyResizer(width, height, to_width, to_height)(grey, small);
  Image reduced;
  const float factor = input.between(8, 200) / 8.0f;
  Reducer({1, width, height}, {factor, to_width, to_height})(grey, reduced);
  for (int y = 0; y < to_height; ++y)
    for (int x = 0; x < to_width; ++x) CHECK(within(reduced.at(x, y), -0.01f, 255.01f));
  Image resized;
  Resizer(width, height, to_width, to_height)(make_image(input, width, height, input.maybe()), resized, kStride);
  CHECK(resized.width() == to_width && resized.height() == to_height);
}

void try_median(Input& input, int width, int height) {
  const Image image = make_image(input, width, height, false);
  Median5x5 median(width + input.below(40));
  Image result;
  median(make_image(input, width, height, true), result);  // leaves NaN and infinities in its buffers
  median(image, result);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      float window[25];
      for (int i = 0; i < 25; ++i)
        window[i] = image.at(clamp(x + i % 5 - 2, 0, width - 1), clamp(y + i / 5 - 2, 0, height - 1));
      std::nth_element(window, window + 12, window + 25);
      CHECK(result.at(x, y) == window[12]);
    }
  }
}

void try_expansion_and_flow(Input& input, int width, int height) {
  const bool wild = input.maybe();
  Expander expander(width, height);
  const Image image = make_image(input, width, height, wild);
  Expansion first, second, last_rows;
  expander(image, first);
  expander(make_image(input, width, height, wild), second);
  const Scale scale{1, width, height}, coarser{kStride, input.between(2, 60), input.between(2, 60)};
  const Flow start = make_flow(input, coarser.width, coarser.height, wild);
  FlowLevel level(scale, &coarser), coarsest(scale, nullptr);
  Flow once, other, again;
  level(first, second, &start, once);
  coarsest(first, second, nullptr, other);
  level({expander, image, last_rows}, second, &start, again);
  CHECK(equal(once.dx, again.dx) && equal(once.dy, again.dy));
}

void try_histograms(Input& input, int width, int height) {
  width = std::max(width, kPatch), height = std::max(height, kPatch);
  const bool wild = input.maybe();
  const Grey grey = make_grey(input, width, height);
  const Flow flow = make_flow(input, width, height, wild);
  PatchHistograms histograms(width + input.below(20));
  const int top = input.between(0, height - kPatch), left = input.between(0, width - kPatch);
  histograms.start(top, width);
  while (histograms.bottom() < height) {
    histograms.add_row({grey, flow});
    if (histograms.bottom() < top + kPatch) continue;
    HistogramSums sums{};
    histograms.prefetch_patch(left);
    for (int step = 0; step < kSteps / kTimeCells; ++step) histograms.add_patch(left, sums);
    for (int channel = 0; channel < kChannels && !wild; ++channel) {
      double squares = 0;  // the roots of a step have length 1, and those of 5 equal steps length 5
      for (int cell = 0; cell < kCells; ++cell) {
        for (const double bin : sums.bins[channel][cell]) squares += bin * bin;
        if (channel == kHofChannel) squares += static_cast<double>(sums.still[cell]) * sums.still[cell];
      }
      CHECK(std::fabs(std::sqrt(squares) / (5 * HistogramSums::kUnit) - 1) < 1e-3);
    }
  }
}

void try_sampling(Input& input, int width, int height) {
  const Grey grey = make_grey(input, width, height);
  Image eigenvalue;
  CornerMeasure(width + input.below(40))(grey, eigenvalue);
  std::vector<Point> points;
  grid_points(eigenvalue, input.between(1, 100), input.between(-4, 8) * 0.125, points);
  for (const Point& p : points) CHECK(within(p.x, 0, width - 1) && within(p.y, 0, height - 1));
}

void try_warp(Input& input, int width, int height) {
  const Grey previous = make_grey(input, width, height), current = make_grey(input, width, height);
  Grey warped;
  warp(previous, current, make_homography(input).data(), warped);
  if (width < 12 || height < 12) CHECK(equal(warped, previous));  // 5 < x < width - 6 has no solution
}

void try_camera_motion(Input& input, int width, int height) {
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(width) * height);
  std::mt19937 generator = input.generator();
  for (std::uint8_t& pixel : mask) pixel = generator() % 4 ? 255 : 0;
  const bool masked = input.maybe();
  for (const Pixel& p : corners(make_image(input, width, height, false), masked ? mask.data() : nullptr)) {
    CHECK(p.x >= 0 && p.x < width && p.y >= 0 && p.y < height);
    CHECK(!masked || mask[static_cast<std::size_t>(p.y) * width + p.x]);
  }
  constexpr double odd[] = {0, 1e-300, 1e9, 1e300, kInf, kNan};
  const int count = input.below(200), wild = input.maybe();
  Matches matches;
  for (std::vector<double>* numbers : {&matches.x, &matches.y, &matches.u, &matches.v})
    for (int i = 0; i < count; ++i)
      numbers->push_back(wild && generator() % 8 == 0 ? odd[generator() % std::size(odd)] : generator() % 640 / 2.0);
  for (const double number : fit_homography(matches)) CHECK(std::isfinite(number));
}

void try_text(Input& input) {
  constexpr char kCharacters[] = "0123456789.....----e+ \t\r\n\nx";
  std::vector<char> text(static_cast<std::size_t>(input.below(60)));
  for (char& character : text) character = kCharacters[input.below(sizeof kCharacters - 1)];
  const std::size_t columns = static_cast<std::size_t>(input.between(1, 3));
  const auto numbers = parse_rows({text.data(), text.size()}, columns);
  if (numbers) CHECK(numbers->size() % columns == 0);
}

}  // namespace

// With this option the sanitizers also report where abort() was called, and on which input.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() { return "handle_abort=1"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  if (input.below(8) == 0) {
    const Video video = make_video(input);
    const std::vector<float> rows = track(video), again = track_in_two_threads(video);
    CHECK(rows.size() == again.size() && std::equal(rows.begin(), rows.end(), again.begin()));
    return 0;
  }
  const int width = input.between(2, 75), height = input.between(2, 75);
  try_resampling(input, width, height);
  try_median(input, width, height);
  try_expansion_and_flow(input, width, height);
  try_histograms(input, width, height);
  try_sampling(input, width, height);
  try_warp(input, width, height);
  try_camera_motion(input, width, height);
  try_text(input);
  return 0;
}

#ifndef IDT_LIBFUZZER
namespace {
std::uint64_t seed = 1;
void name_the_seed() { std::fprintf(stderr, "failed: the input of seed %ju\n", std::uintmax_t{seed}); }
}  // namespace

int main(int count, char** arguments) {
  using Clock = std::chrono::steady_clock;
  if (count < 2) return std::fprintf(stderr, "usage: %s SECONDS [SEED]\n", arguments[0]), 2;
  const auto end = Clock::now() + std::chrono::duration<double>(std::atof(arguments[1]));
  if (count > 2) seed = std::strtoull(arguments[2], nullptr, 10);
  const std::uint64_t first = seed;
  __sanitizer_set_death_callback(name_the_seed);
  do {
    std::mt19937_64 generator(seed);
    std::vector<std::uint8_t> bytes(generator() % 400);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(generator());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    ++seed;
  } while (Clock::now() < end);
  std::printf("%s: %ju inputs from seed %ju on\n", arguments[0], std::uintmax_t{seed - first}, std::uintmax_t{first});
}
#endif
