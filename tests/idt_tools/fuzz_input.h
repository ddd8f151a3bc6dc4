// Random input for fuzz_core.cpp, derived from the bytes of a seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "homography.h"
#include "plane.h"
#include "tracks.h"

namespace idt::fuzz {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

[[noreturn]] inline void fail(int line, const char* condition) {
  std::fprintf(stderr, "fuzz_core.cpp:%d: check failed: %s\n", line, condition);
  std::abort();
}

#define CHECK(condition) \
  if (!(condition)) fail(__LINE__, #condition)

// Decisions come from the input's bytes, and are 0 after their end. The pixels of images come from a generator.
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

// Returns frames of one kind of pattern. All patterns but noise move.
inline std::vector<Pixels> make_frames(Input& input, int width, int height, int count) {
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

inline Homography make_homography(Input& input) {
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
  Options options = {8, 5, 0.001, 1.7320508f, 50.0f, 20.0f, 0.7f, 1.0f};  // the defaults
  std::vector<Pixels> frames;
  std::vector<Homography> homographies;
  std::size_t limit;  // rows per take()
  bool points;
};

inline Video make_video(Input& input) {
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

inline Grey make_grey(Input& input, int width, int height) {
  const Pixels pixels = make_frames(input, width, height, 1)[0];
  Grey grey(width, height);
  for (int y = 0; y < height; ++y) std::copy_n(&pixels[y * width], width, grey.row(y));
  return grey;
}

// Returns small numbers; if `wild`, huge numbers, infinities and NaN among them.
inline Image make_image(Input& input, int width, int height, bool wild) {
  Image image(width, height);
  constexpr float odd[] = {1e5f, -1e9f, 1e20f, 3e38f, -3e38f, float(kInf), float(-kInf), float(kNan)};
  std::mt19937 generator = input.generator();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      image.row(y)[x] = wild && generator() % 16 == 0 ? odd[generator() % std::size(odd)]
                                                      : static_cast<float>(generator() % 2001) * 0.01f - 10.0f;
  return image;
}

inline Flow make_flow(Input& input, int width, int height, bool wild) {
  return {make_image(input, width, height, wild), make_image(input, width, height, wild)};
}

}  // namespace idt::fuzz
