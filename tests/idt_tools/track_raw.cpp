// Tracks raw grey frames, for processors that the tests reach only by an emulator.
//
//   track_raw WIDTH HEIGHT FRAMES HOMOGRAPHIES OUTPUT OPTION...
//
// FRAMES holds bytes (T, height, width), HOMOGRAPHIES doubles (T, 3, 3), and OUTPUT gets rows of 436 floats. The
// options are the numbers of idt::Options, in order.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tracker.h"

namespace {

std::vector<char> content(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s: it cannot be read\n", path);
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 14) return 2;
  const int width = std::atoi(argv[1]), height = std::atoi(argv[2]);
  const std::vector<char> frames = content(argv[3]), homographies = content(argv[4]);
  std::ofstream output(argv[5], std::ios::binary);
  const auto number = [&](int i) { return std::atof(argv[6 + i]); };
  const auto single = [&](int i) { return static_cast<float>(number(i)); };
  idt::Tracker tracker(width, height,
                       {static_cast<int>(number(0)), static_cast<int>(number(1)), number(2), single(3), single(4),
                        single(5), single(6), single(7)});
  const std::size_t size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  for (std::size_t t = 0; (t + 1) * size <= frames.size(); ++t) {
    if (tracker.start(reinterpret_cast<const std::uint8_t*>(frames.data() + t * size))) {
      tracker.compensate(reinterpret_cast<const double*>(homographies.data()) + 9 * t);
      tracker.finish();
    }
    while (tracker.finished() > 0) {
      float row[idt::kInfo + idt::kDescriptor];
      tracker.take(1, {row, row + idt::kInfo, nullptr});
      output.write(reinterpret_cast<const char*>(row), sizeof row);
    }
  }
  return output.flush() ? 0 : 1;
}
