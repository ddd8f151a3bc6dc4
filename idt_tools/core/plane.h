// Pixels in memory: 2-d planes, and rows with a margin, aligned and padded for vector code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace idt {

// Rows are padded to whole vectors of 16 numbers, so that loops run over padded(width) columns without a remainder. The
// results beyond the width are never used.
inline constexpr int kVector = 16;
inline constexpr int padded(int width) { return (width + kVector - 1) & ~(kVector - 1); }

template <class T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* pointer, std::size_t) { ::operator delete(pointer, kAlignment); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

template <class T>
using Buffer = std::vector<T, AlignedAllocator<T>>;

// The floats of a vector register, for loops that the compiler does not vectorise by itself.
#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif
typedef float Floats __attribute__((vector_size(4 * kLanes)));
// A vector from or to any place in memory, aligned or not.
template <class Vector, class Number>
Vector read(const Number* from) {
  Vector values;
  std::memcpy(&values, from, sizeof values);
  return values;
}
template <class Vector, class Number>
void write(Number* to, const Vector& values) {
  std::memcpy(to, &values, sizeof values);
}
inline Floats load(const float* from) { return read<Floats>(from); }
inline void store(float* to, const Floats& values) { write(to, values); }

template <class T>
class Plane {
 public:
  Plane() = default;
  Plane(int width, int height) { resize(width, height); }

  // Allocates only if the new size needs more memory than any before. The content is then undefined.
  void resize(int width, int height) {
    width_ = width;
    height_ = height;
    const std::size_t needed = static_cast<std::size_t>(padded(width)) * static_cast<std::size_t>(height);
    if (pixels_.size() < needed) pixels_ = Buffer<T>(needed);
  }

  int width() const { return width_; }
  int height() const { return height_; }
  int stride() const { return padded(width_); }
  T* row(int y) { return pixels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(stride()); }
  const T* row(int y) const {
    return pixels_.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(stride());
  }
  T at(int x, int y) const { return row(y)[x]; }

 private:
  int width_ = 0;
  int height_ = 0;
  Buffer<T> pixels_;
};

using Grey = Plane<std::uint8_t>;
using Image = Plane<float>;

// Flow in pixels of its own level, a plane per channel.
struct Flow {
  Image dx, dy;
  void resize(int width, int height) {
    dx.resize(width, height);
    dy.resize(width, height);
  }
};

// Rows of floats with a margin on both sides, for filters that reach beyond the ends.
class Rows {
 public:
  Rows() = default;
  Rows(int width, int count, int margin = kVector)
      : width_(width),
        margin_(margin),
        stride_(static_cast<std::size_t>(padded(width) + 2 * margin)),
        values_(stride_ * static_cast<std::size_t>(count)) {}

  // Sets a width of at most the first one.
  void set_width(int width) { width_ = width; }
  float* operator[](int i) { return values_.data() + stride_ * static_cast<std::size_t>(i) + margin_; }
  // Fill the margin of a row: with its first and last value, or mirrored without repeating them (dcb|abcd|cba).
  void repeat_ends(int i, int radius) {
    float* row = (*this)[i];
    for (int k = 1; k <= radius; ++k) row[-k] = row[0];
    for (int k = 0; k < radius; ++k) row[width_ + k] = row[width_ - 1];
  }
  void mirror_ends(int i, int radius);

 private:
  int width_ = 0, margin_ = 0;
  std::size_t stride_ = 0;
  Buffer<float> values_;
};

// Returns index i mirrored into [0, n) without repeating the edge. Needs n >= 2 if i is outside.
inline int reflect(int i, int n) {
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

inline int clamp(int i, int low, int high) { return i < low ? low : (i > high ? high : i); }

inline void Rows::mirror_ends(int i, int radius) {
  float* row = (*this)[i];
  for (int k = 1; k <= radius; ++k) {
    row[-k] = row[reflect(-k, width_)];
    row[width_ - 1 + k] = row[reflect(width_ - 1 + k, width_)];
  }
}

}  // namespace idt
