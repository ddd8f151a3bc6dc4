// A 2-d array of pixels whose memory is reused from frame to frame, and the mark for vectorised kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// A function so marked is compiled for AVX-512, AVX2 and the plain processor, and the loader picks one.
// All three give the same bytes: the build allows neither reordered sums nor fused multiply-add.
// IDT_PORTABLE switches it off (sanitizers, other compilers); the arithmetic stays the same.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(IDT_PORTABLE)
#define IDT_VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define IDT_VECTORISED
#endif

namespace idt {

// At least n elements. A vector that shrinks and grows in turn would be filled with zeros each time.
template <class T>
void grow(std::vector<T>& buffer, std::size_t n) {
  if (buffer.size() < n) buffer.resize(n);
}

// 8 floats or integers as one vector of the compiler's, read and written anywhere (alignment 4). Never deduce the type
// (auto, templates): that drops the alignment.
typedef float Floats8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int Ints8 __attribute__((vector_size(32), aligned(4), may_alias));

template <class T>
class Plane {
 public:
  Plane() = default;
  Plane(int width, int height) { resize(width, height); }

  // Takes new memory only when the new size needs more than any before; the content is then undefined.
  void resize(int width, int height) {
    width_ = width;
    height_ = height;
    grow(pixels_, static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  }

  int width() const { return width_; }
  int height() const { return height_; }
  T* row(int y) { return pixels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width_); }
  const T* row(int y) const {
    return pixels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width_);
  }
  T at(int x, int y) const { return row(y)[x]; }

 private:
  int width_ = 0;
  int height_ = 0;
  std::vector<T> pixels_;
};

using Grey = Plane<std::uint8_t>;
using Image = Plane<float>;

// Flow in pixels of its own level, one plane a channel.
struct Flow {
  Image dx, dy;
  void resize(int width, int height) {
    dx.resize(width, height);
    dy.resize(width, height);
  }
};

// Index i mirrored into [0, n) without repeating the edge (dcb|abcd|cba). Needs n >= 2 when i is outside.
inline int reflect(int i, int n) {
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

inline int clamp(int i, int low, int high) { return i < low ? low : (i > high ? high : i); }

}  // namespace idt
