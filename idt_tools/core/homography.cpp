// Random samples of four matches give the first homography. Weighted least squares, repeated until the weights fit the
// result, refine it. A match's weight falls smoothly from 1 at no residual to 0 at the cut-off (Tukey's biweight). The
// original's RANSAC has a hard cut, so that its result depends strongly on the four matches that were drawn. Here the
// samples only choose the start.
//
// The cut-off falls from the accuracy of a homography through four noisy matches to the original's inlier distance, so
// that the result hardly depends on the start.
#include "homography.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

#include "plane.h"

namespace idt {
namespace {

constexpr std::size_t kMinMatches = 50, kMinInliers = 25;  // the original's: fewer are not trusted
constexpr double kCutoff = 1.0;                            // pixels: the original's inlier distance
constexpr double kFirstCutoff = 2.5;                       // pixels: more admits slow objects, less adds randomness
constexpr double kCutoffStep = 0.9;
constexpr int kIterations = 30;          // the cut-off falls in the first 9; the others converge
constexpr int kSamples = 200;            // one is right with probability 0.994 among 60 % wrong matches
constexpr std::size_t kMaxScored = 250;  // matches that score a sample

constexpr Homography kIdentity = {1, 0, 0, 0, 1, 0, 0, 0, 1};

constexpr std::size_t kGroup = 8;  // matches per vector
typedef double Doubles8 __attribute__((vector_size(64)));

struct Weights {
  std::vector<double> weight;         // 1 at no residual, 0 beyond the cut-off or behind the camera
  std::vector<double> inverse_depth;  // 1 / (h6 x + h7 y + h8) where the weight is not 0
};

void weigh(Homography h, const double* x, const double* y, const double* u, const double* v, std::size_t count,
           double cutoff, double* __restrict weight, double* __restrict inverse_depth) {
  const double scale = 1 / (cutoff * cutoff);
  for (std::size_t i = 0; i < count; ++i) {
    const double inverse = 1 / (h[6] * x[i] + h[7] * y[i] + h[8]);
    const double du = (h[0] * x[i] + h[1] * y[i] + h[2]) * inverse - u[i];
    const double dv = (h[3] * x[i] + h[4] * y[i] + h[5]) * inverse - v[i];
    const double rest = 1 - (du * du + dv * dv) * scale;
    weight[i] = ((rest > 0) & (inverse > 0)) ? rest * rest : 0;
    inverse_depth[i] = weight[i] > 0 ? inverse : 0;
  }
}

void weigh(const Homography& h, const Matches& m, double cutoff, Weights& to) {
  to.weight.resize(m.x.size());
  to.inverse_depth.resize(m.x.size());
  weigh(h, m.x.data(), m.y.data(), m.u.data(), m.v.data(), m.x.size(), cutoff, to.weight.data(),
        to.inverse_depth.data());
}

// Sums over matches of w p p^T times 1, u, v and u^2 + v^2, where p = (x, y, 1); of p p^T xx, xy, x, yy, y, 1.
struct Sums {
  double at[4][6] = {};

  double get(int k, int i, int j) const {
    constexpr int kPlace[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    return at[k][kPlace[i][j]];
  }
};

// Adds `count` matches, a multiple of kGroup, to the sums.
void accumulate(const double* x, const double* y, const double* u, const double* v, const double* weight,
                std::size_t count, Sums& sums) {
  Doubles8 lanes[4][6] = {};
  for (std::size_t i = 0; i < count; i += kGroup) {
    const auto px = read<Doubles8>(x + i), py = read<Doubles8>(y + i), pu = read<Doubles8>(u + i),
               pv = read<Doubles8>(v + i), w = read<Doubles8>(weight + i);
    const Doubles8 factors[4] = {w, w * pu, w * pv, w * (pu * pu + pv * pv)};
    for (int k = 0; k < 4; ++k) {
      const Doubles8 fx = factors[k] * px, fy = factors[k] * py;
      lanes[k][0] += fx * px;
      lanes[k][1] += fx * py;
      lanes[k][2] += fx;
      lanes[k][3] += fy * py;
      lanes[k][4] += fy;
      lanes[k][5] += factors[k];
    }
  }
  for (int k = 0; k < 4; ++k)
    for (int i = 0; i < 6; ++i)
      for (std::size_t lane = 0; lane < kGroup; ++lane) sums.at[k][i] += lanes[k][i][lane];
}

// Solves a h = b for a symmetric a, of which only the lower triangle is read; h[8] is 1. Returns false if a is
// singular.
bool cholesky(double (&a)[8][8], double (&b)[8], Homography& h) {
  for (int i = 0; i < 8; ++i) {
    const double whole = a[i][i];
    for (int j = 0; j <= i; ++j) {
      double rest = a[i][j];
      for (int k = 0; k < j; ++k) rest -= a[i][k] * a[j][k];
      if (j < i) {
        a[i][j] = rest / a[j][j];
      } else {
        if (!(rest > 1e-12 * whole)) return false;  // only rounding errors remain
        a[i][i] = std::sqrt(rest);
      }
    }
    for (int k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (int i = 7; i >= 0; --i) {
    for (int k = i + 1; k < 8; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  std::copy(b, b + 8, h.begin());
  h[8] = 1;
  return true;
}

// Solves u (h6 x + h7 y + 1) = h0 x + h1 y + h2, and likewise for v, by least squares. Returns false if there is no
// solution.
bool solve(const Sums& sums, Homography& h) {
  double a[8][8] = {}, b[8];
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j <= i; ++j) a[i][j] = a[i + 3][j + 3] = sums.get(0, i, j);
    for (int j = 0; j < 2; ++j) {
      a[6 + j][i] = -sums.get(1, i, j);
      a[6 + j][3 + i] = -sums.get(2, i, j);
    }
    b[i] = sums.get(1, i, 2);
    b[3 + i] = sums.get(2, i, 2);
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j <= i; ++j) a[6 + i][6 + j] = sums.get(3, i, j);
    b[6 + i] = -sums.get(3, i, 2);
  }
  return cholesky(a, b, h);
}

bool through_four(const Matches& m, const std::size_t (&chosen)[4], Homography& h) {
  double x[kGroup] = {}, y[kGroup] = {}, u[kGroup] = {}, v[kGroup] = {}, weight[kGroup] = {};
  for (std::size_t k = 0; k < 4; ++k) {
    x[k] = m.x[chosen[k]];
    y[k] = m.y[chosen[k]];
    u[k] = m.u[chosen[k]];
    v[k] = m.v[chosen[k]];
    weight[k] = 1;
  }
  Sums sums;
  accumulate(x, y, u, v, weight, kGroup, sums);
  return solve(sums, h);
}

// Finds the best of many homographies through four matches each. Returns false if there is none.
bool best_sample(const Matches& matches, double cutoff, Homography& best) {
  const std::size_t count = matches.x.size(), stride = (count + kMaxScored - 1) / kMaxScored;
  Matches scored;
  for (std::size_t i = 0; i < count; i += stride) {
    scored.x.push_back(matches.x[i]);
    scored.y.push_back(matches.y[i]);
    scored.u.push_back(matches.u[i]);
    scored.v.push_back(matches.v[i]);
  }
  std::minstd_rand random;  // the same numbers with every compiler
  Weights weights;
  double best_score = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::size_t chosen[4];
    for (std::size_t& match : chosen) match = random() % count;
    Homography h;
    if (!through_four(matches, chosen, h)) continue;
    weigh(h, scored, cutoff, weights);
    double score = 0;
    for (double weight : weights.weight) score += weight;
    if (score > best_score) {
      best_score = score;
      best = h;
    }
  }
  return best_score > 0;
}

// Refines h by repeated weighted least squares. Returns false if it fails.
bool refine(Matches matches, double pixel, Homography& h) {
  // The last vector is filled with zeros of weight 0.
  const std::size_t count = matches.x.size(), filled = (count + kGroup - 1) / kGroup * kGroup;
  for (std::vector<double>* numbers : {&matches.x, &matches.y, &matches.u, &matches.v}) numbers->resize(filled);
  Weights weights;
  double cutoff = kFirstCutoff;
  for (int i = 0; i < kIterations; ++i) {
    weigh(h, matches, cutoff * pixel, weights);
    // The equations are multiplied by the depth; the weights undo that.
    for (std::size_t k = 0; k < filled; ++k)
      weights.weight[k] *= k < count ? weights.inverse_depth[k] * weights.inverse_depth[k] : 0;
    Sums sums;
    accumulate(matches.x.data(), matches.y.data(), matches.u.data(), matches.v.data(), weights.weight.data(), filled,
               sums);
    if (!solve(sums, h)) return false;
    cutoff = std::max(kCutoff, cutoff * kCutoffStep);
  }
  return true;
}

std::size_t inliers(const Homography& h, const Matches& matches, double cutoff) {
  Weights weights;
  weigh(h, matches, cutoff, weights);
  std::size_t count = 0;
  for (double weight : weights.weight) count += weight > 0;
  return count;
}

}  // namespace

Homography fit_homography(Matches matches) {
  const std::size_t count = matches.x.size();
  if (count <= kMinMatches) return kIdentity;
  // Coordinates of size 1 keep the equations well conditioned.
  double centre_x = 0, centre_y = 0, size = 1;
  for (double x : matches.x) centre_x += x / static_cast<double>(count);
  for (double y : matches.y) centre_y += y / static_cast<double>(count);
  for (double x : matches.x) size = std::max(size, std::abs(x - centre_x));
  for (double y : matches.y) size = std::max(size, std::abs(y - centre_y));
  for (std::vector<double>* numbers : {&matches.x, &matches.u})
    for (double& number : *numbers) number = (number - centre_x) / size;
  for (std::vector<double>* numbers : {&matches.y, &matches.v})
    for (double& number : *numbers) number = (number - centre_y) / size;

  const double pixel = 1 / size;
  Homography h;
  if (!best_sample(matches, kFirstCutoff * pixel, h) || !refine(matches, pixel, h) ||
      inliers(h, matches, kCutoff * pixel) <= kMinInliers)
    return kIdentity;

  // Back to pixels: T^-1 h T with T: (x, y) -> ((x - centre_x) / size, (y - centre_y) / size).
  for (std::size_t row = 0; row < 9; row += 3) {
    h[row] /= size;
    h[row + 1] /= size;
    h[row + 2] -= h[row] * centre_x + h[row + 1] * centre_y;
  }
  for (std::size_t column = 0; column < 3; ++column) {
    h[column] = h[column] * size + centre_x * h[6 + column];
    h[3 + column] = h[3 + column] * size + centre_y * h[6 + column];
  }
  const double last = h[8];
  for (double& number : h) number /= last;
  return std::all_of(h.begin(), h.end(), [](double number) { return std::isfinite(number); }) ? h : kIdentity;
}

}  // namespace idt
