// The core on random input: whatever the bytes say, no access outside memory, no undefined behaviour (both end the
// program in the build of `make test-sanitize`), and results that keep their promises. Python tests check what the
// results are; this checks that nothing a caller can do leads anywhere else.
//
//   fuzz_avx2 SECONDS [SEED]   tries the inputs of SEED (1), SEED + 1, ...; a failure names its seed
//   fuzz_avx2 0 SEED           repeats that one
//
// LLVMFuzzerTestOneInput is the entry that libFuzzer expects, so that clang's may drive this in place of main().
#include <sanitizer/common_interface_defs.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "corners.h"
#include "homography.h"
#include "tracker.h"
#include "warp.h"

namespace {

using namespace idt;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

[[noreturn]] void fail(int line, const char* condition) {
  std::fprintf(stderr, "fuzz_core.cpp:%d: this does not hold: %s\n", line, condition);
  std::abort();
}

#define CHECK(condition) \
  if (!(condition)) fail(__LINE__, #condition)

// What is decided comes from the input's bytes, 0 after their end; what only fills images, from a generator.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  int below(int n) {
    const int value = byte() | byte() << 8;
    return value % n;
  }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool maybe() { return below(2); }
  template <class T, std::size_t n>
  T one_of(const T (&values)[n]) {
    return values[below(n)];
  }
  double any_double() {
    std::uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | static_cast<std::uint64_t>(byte());
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  std::mt19937 generator() { return std::mt19937(static_cast<unsigned>(below(1 << 16))); }

 private:
  int byte() { return left_ ? --left_, *data_++ : 0; }
  const std::uint8_t* data_;
  std::size_t left_;
};

using Pixels = std::vector<std::uint8_t>;

// A video of one kind of pattern; all but noise move.
std::vector<Pixels> make_frames(Input& input, int width, int height, int count) {
  enum Kind { kFlat, kNoise, kCheckerboard, kWaves, kTexture, kBlackAndWhite, kDot, kKinds };
  const int kind = input.below(kKinds), size = input.between(1, 40);
  const int dx = input.between(-9, 9), dy = input.between(-9, 9);
  const double angle = input.below(24) * 3.14159265358979 / 12;
  std::mt19937 generator = input.generator();
  Pixels texture(256 * 256);
  for (std::uint8_t& pixel : texture) pixel = static_cast<std::uint8_t>(generator());
  const auto pixel = [&](int x, int y) -> int {
    switch (kind) {
      case kFlat:
        return size * 6;
      case kNoise:
        return static_cast<int>(generator() & 255);
      case kCheckerboard:
        return (((x + 999) / size + (y + 999) / size) & 1) * 255;
      case kWaves:
        return static_cast<int>(127.5 + 127.4 * std::sin((x * std::cos(angle) + y * std::sin(angle)) * 3 / size));
      case kBlackAndWhite:
        return texture[(y & 255) * 256 + (x & 255)] > 127 ? 255 : 0;
      case kDot:
        return x == width / 2 && y == height / 2 ? 255 : 0;
      default: {  // smooth: bilinear between random values 8 pixels apart
        const auto at = [&](int i, int j) { return texture[((j & 255) << 8) + (i & 255)]; };
        const int i = (x + 9999) / 8, j = (y + 9999) / 8, a = (x + 9999) % 8, b = (y + 9999) % 8;
        const auto along = [&](int row) { return (8 - a) * at(i, row) + a * at(i + 1, row); };
        return ((8 - b) * along(j) + b * along(j + 1)) / 64;
      }
    }
  };
  std::vector<Pixels> frames;
  for (int t = 0; t < count; ++t) {
    Pixels& frame = frames.emplace_back(static_cast<std::size_t>(width) * height);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) frame[y * width + x] = static_cast<std::uint8_t>(pixel(x - t * dx, y - t * dy));
  }
  return frames;
}

Homography make_homography(Input& input) {
  Homography h = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  constexpr double odd[] = {0, -0.0, 1, -1, 5e-324, 1e-300, 1e300, -1e300, 1e18, kInf, -kInf, kNan};
  switch (input.below(6)) {
    case 0:
      break;
    case 1:
      h[2] = input.between(-50, 50) / 4.0, h[5] = input.between(-50, 50) / 4.0;
      break;
    case 2:
      h[input.below(9)] = input.one_of(odd);
      break;
    case 3:
      h.fill(input.one_of(odd));
      break;
    case 4:
      for (double& number : h) number = input.any_double();
      break;
    default:
      for (double& number : h) number += input.between(-100, 100) * 1e-4;
  }
  return h;
}

struct Video {
  int width, height;
  Options options = {8, 5, 0.001, 1.7320508f, 50.0f, 20.0f, 0.7f, 1.0f};  // the usual ones
  std::vector<Pixels> frames;
  std::vector<Homography> homographies;
  std::size_t limit;  // rows taken at once
  bool points;
};

Video make_video(Input& input) {
  Video video{};
  video.width = input.between(32, 70);
  video.height = input.between(32, 70);
  if (input.below(8) == 0) (input.maybe() ? video.width : video.height) = input.between(71, 300);
  constexpr double odd[] = {0, -1, 1e-30, 1e30, kNan, kInf, -kInf, 0.5, 3};
  Options& options = video.options;
  options.max_scales = input.between(1, 12);
  options.sampling_step = input.maybe() ? 5 : input.between(1, 64);
  if (input.maybe()) {
    if (input.maybe()) options.quality = input.one_of(odd);
    for (float* threshold : {&options.min_deviation, &options.max_deviation, &options.max_jump, &options.max_jump_share,
                             &options.min_motion})
      if (input.maybe()) *threshold = static_cast<float>(input.one_of(odd));
  }
  const int count = input.below(4) ? 17 : input.between(1, 24);
  video.limit = input.maybe() ? 1000 : input.between(1, 20);
  video.points = input.maybe();
  video.frames = make_frames(input, video.width, video.height, count);
  const bool still = input.maybe();
  for (int t = 0; t < count; ++t)
    video.homographies.push_back(still ? Homography{1, 0, 0, 0, 1, 0, 0, 0, 1} : make_homography(input));
  return video;
}

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

// All rows of a video, checked: info, descriptors and points behind one another.
std::vector<float> track(const Video& video) {
  std::vector<float> rows;
  Tracker tracker(video.width, video.height, video.options);
  std::size_t most_live = 0;
  for (const Scale& scale : tracker.scales())
    most_live += static_cast<std::size_t>(scale.width / video.options.sampling_step) *
                 static_cast<std::size_t>(scale.height / video.options.sampling_step) * (kSteps + 1);
  for (std::size_t t = 0; t < video.frames.size(); ++t) {
    const Pixels& frame = video.frames[t];
    check_refused([&] { tracker.finish(video.homographies[t].data()); });
    check_refused([&] { tracker.raw_flow(); });
    check_refused([&] { tracker.corner_measure(); });
    CHECK(tracker.start(frame.data()) == (t > 0));
    if (t > 0) {
      check_refused([&] { tracker.start(frame.data()); });
      CHECK(tracker.raw_flow().dx.width() == video.width && tracker.raw_flow().dy.height() == video.height);
      CHECK(tracker.corner_measure().width() == video.width);
      tracker.finish(video.homographies[t].data());
    }
    CHECK(tracker.live_tracks() <= most_live);
    CHECK(t + 1 > kSteps || tracker.finished() == 0);
    while (const std::size_t left = tracker.finished()) {
      check_refused([&] { tracker.start(frame.data()); });
      const std::size_t n = video.limit, coordinates = video.points ? kCoordinates : 0;
      std::vector<float> info(n * kInfo), descriptors(n * kDescriptor), points(n * coordinates);
      const RowsOut out = {info.data(), descriptors.data(), video.points ? points.data() : nullptr};
      const std::size_t taken = tracker.take(n, out);
      CHECK(taken == std::min(n, left) && tracker.finished() == left - taken);
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
  return rows;
}

Grey make_grey(Input& input, int width, int height) {
  const Pixels pixels = make_frames(input, width, height, 1)[0];
  Grey grey(width, height);
  for (int y = 0; y < height; ++y) std::copy_n(&pixels[y * width], width, grey.row(y));
  return grey;
}

// Small numbers, and among them, where `wild`, what no flow should be.
Image make_image(Input& input, int width, int height, bool wild) {
  Image image(width, height);
  constexpr float odd[] = {1e5f, -1e9f, 1e20f, 3e38f, -3e38f, float(kInf), float(-kInf), float(kNan)};
  std::mt19937 generator = input.generator();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      image.row(y)[x] = wild && generator() % 16 == 0 ? odd[generator() % std::size(odd)]
                                                      : static_cast<float>(generator() % 2001) * 0.01f - 10.0f;
  return image;
}

Flow make_flow(Input& input, int width, int height, bool wild) {
  return {make_image(input, width, height, wild), make_image(input, width, height, wild)};
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
  Image found;
  median(make_image(input, width, height, true), found);  // leaves odd numbers in its memory
  median(image, found);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      float window[25];
      for (int i = 0; i < 25; ++i)
        window[i] = image.at(clamp(x + i % 5 - 2, 0, width - 1), clamp(y + i / 5 - 2, 0, height - 1));
      std::nth_element(window, window + 12, window + 25);
      CHECK(found.at(x, y) == window[12]);
    }
  }
}

void try_expansion_and_flow(Input& input, int width, int height) {
  const bool wild = input.maybe();
  Expander expander(width, height);
  Expansion first, second;
  expander(make_image(input, width, height, wild), first);
  expander(make_image(input, width, height, wild), second);
  const Scale scale{1, width, height}, coarser{kStride, input.between(2, 60), input.between(2, 60)};
  const Flow start = make_flow(input, coarser.width, coarser.height, wild);
  FlowLevel level(scale, &coarser), coarsest(scale, nullptr);
  Flow once, again;
  level(first, second, &start, once);
  coarsest(first, second, nullptr, again);
  level(first, second, &start, again);
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
      double squares = 0;  // each step's roots have the length 1, and 5 equal ones that of 5
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
  std::mt19937 generator = input.generator();
  std::vector<Point> live(input.below(30)), found;
  const auto eighths_below = [&](int n) { return static_cast<float>(generator() % (8 * n)) / 8; };
  for (Point& p : live) p = {eighths_below(width), eighths_below(height)};
  sample_grid(eigenvalue, live, input.between(1, 100), input.between(-4, 8) * 0.125, found);
  for (const Point& p : found) CHECK(within(p.x, 0, width - 1) && within(p.y, 0, height - 1));
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

}  // namespace

// The sanitizers then report abort() too: where it was, and on which input.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() { return "handle_abort=1"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  if (input.below(8) == 0) {
    const Video video = make_video(input);
    const std::vector<float> rows = track(video), again = track(video);
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
