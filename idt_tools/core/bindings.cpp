// The Python bindings of the core, idt_tools._core. idt_tools/tracker.py checks arguments; the checks here only prevent
// access outside memory. The kernels are for the tests.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "corners.h"
#include "homography.h"
#include "median.h"
#include "text_rows.h"
#include "tracker.h"
#include "warp.h"

namespace py = pybind11;

namespace idt {
namespace {

using GreyArray = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;
using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using FloatOut = py::array_t<float, py::array::c_style>;
using DoubleArray = py::array_t<double, py::array::c_style | py::array::forcecast>;

template <class T, class Array>
Plane<T> plane_of(const Array& array) {
  if (array.ndim() != 2 || array.shape(0) < 2 || array.shape(1) < 2)
    throw py::value_error("expected a 2-d image of at least 2 x 2 pixels");
  Plane<T> plane(static_cast<int>(array.shape(1)), static_cast<int>(array.shape(0)));
  for (int y = 0; y < plane.height(); ++y) std::copy_n(array.data(y, 0), plane.width(), plane.row(y));
  return plane;
}

template <class T>
py::array_t<T> array_of(const Plane<T>& plane) {
  py::array_t<T> array({plane.height(), plane.width()});
  for (int y = 0; y < plane.height(); ++y) std::copy_n(plane.row(y), plane.width(), array.mutable_data(y, 0));
  return array;
}

// Returns the flow in an array (2, height, width).
Flow flow_of_array(const FloatArray& array) {
  if (array.ndim() != 3 || array.shape(0) != 2) throw py::value_error("expected a flow (2, height, width)");
  Flow flow;
  flow.resize(static_cast<int>(array.shape(2)), static_cast<int>(array.shape(1)));
  for (int y = 0; y < flow.dx.height(); ++y) {
    std::copy_n(array.data(0, y, 0), flow.dx.width(), flow.dx.row(y));
    std::copy_n(array.data(1, y, 0), flow.dy.width(), flow.dy.row(y));
  }
  return flow;
}

// Returns `side`, the width or height of a kernel's result, if it is positive.
int checked_side(int side) {
  if (side < 1) throw py::value_error("an image has at least 1 x 1 pixels");
  return side;
}

void check_homography(const DoubleArray& homography) {
  if (homography.size() != 9) throw py::value_error("a homography has 3 x 3 numbers");
}

bool start(Tracker& tracker, const GreyArray& frame) {
  if (frame.ndim() != 2 || frame.shape(0) != tracker.height() || frame.shape(1) != tracker.width())
    throw py::value_error("the frame does not have the tracker's size");
  const std::uint8_t* pixels = frame.data();
  py::gil_scoped_release unlocked;
  return tracker.start(pixels);
}

void compensate(Tracker& tracker, const DoubleArray& homography) {
  check_homography(homography);
  double h[9];
  std::copy_n(homography.data(), 9, h);
  py::gil_scoped_release unlocked;
  tracker.compensate(h);
}

// Returns the raw flow (n, 2) at integer points (n, 2), columns x and y.
FloatArray flow_at(const Tracker& tracker, const py::array_t<int, py::array::c_style | py::array::forcecast>& points) {
  if (points.ndim() != 2 || points.shape(1) != 2) throw py::value_error("points must have the shape (n, 2)");
  const Flow& flow = tracker.raw_flow();
  FloatArray result({points.shape(0), py::ssize_t{2}});
  const int* from = points.data();
  float* to = result.mutable_data();
  for (py::ssize_t i = 0; i < points.shape(0); ++i) {
    const int x = clamp(from[2 * i], 0, tracker.width() - 1), y = clamp(from[2 * i + 1], 0, tracker.height() - 1);
    to[2 * i] = flow.dx.at(x, y);
    to[2 * i + 1] = flow.dy.at(x, y);
  }
  return result;
}

// Moves finished rows into the arrays info (n, 10), descriptors (n, 426) and points (n, 16, 2), or (0, 16, 2) for no
// points. Returns how many, at most n.
std::size_t take(Tracker& tracker, FloatOut info, FloatOut descriptors, FloatOut points) {
  const py::ssize_t n = info.ndim() ? info.shape(0) : 0;
  if (info.ndim() != 2 || info.shape(1) != kInfo || descriptors.ndim() != 2 || descriptors.shape(0) != n ||
      descriptors.shape(1) != kDescriptor || points.ndim() != 3 || (points.shape(0) != n && points.shape(0) != 0) ||
      points.shape(1) != kSteps + 1 || points.shape(2) != 2)
    throw py::value_error("expected info (n, 10), descriptors (n, 426) and points (n, 16, 2) or (0, 16, 2)");
  const RowsOut out = {info.mutable_data(), descriptors.mutable_data(),
                       points.shape(0) ? points.mutable_data() : nullptr};
  py::gil_scoped_release unlocked;
  return tracker.take(static_cast<std::size_t>(n), out);
}

// Returns the bytes of a frame's mask, null for None.
const std::uint8_t* mask_of(const std::optional<GreyArray>& mask, int width, int height) {
  if (!mask) return nullptr;
  if (mask->ndim() != 2 || mask->shape(0) != height || mask->shape(1) != width)
    throw py::value_error("the mask does not have the frame's size");
  return mask->data();
}

py::array_t<int> array_of(const std::vector<Pixel>& pixels) {
  py::array_t<int> array({static_cast<py::ssize_t>(pixels.size()), py::ssize_t{2}});
  int* to = array.mutable_data();
  for (const Pixel& pixel : pixels) {
    *to++ = pixel.x;
    *to++ = pixel.y;
  }
  return array;
}

py::array_t<int> tracker_corners(const Tracker& tracker, const std::optional<GreyArray>& mask) {
  const std::uint8_t* bytes = mask_of(mask, tracker.width(), tracker.height());
  std::vector<Pixel> pixels;
  {
    py::gil_scoped_release unlocked;
    pixels = corners(tracker.corner_measure(), bytes);
  }
  return array_of(pixels);
}

// Returns the homography (3, 3) from points (n, 2) to points (n, 2).
DoubleArray fit(const DoubleArray& start, const DoubleArray& end) {
  if (start.ndim() != 2 || start.shape(1) != 2 || end.ndim() != 2 || end.shape(1) != 2 ||
      start.shape(0) != end.shape(0))
    throw py::value_error("expected two arrays of points (n, 2)");
  Matches matches;
  for (py::ssize_t i = 0; i < start.shape(0); ++i) {
    matches.x.push_back(start.at(i, 0));
    matches.y.push_back(start.at(i, 1));
    matches.u.push_back(end.at(i, 0));
    matches.v.push_back(end.at(i, 1));
  }
  Homography homography;
  {
    py::gil_scoped_release unlocked;
    homography = fit_homography(std::move(matches));
  }
  DoubleArray result({3, 3});
  std::copy(homography.begin(), homography.end(), result.mutable_data());
  return result;
}

std::unique_ptr<Tracker> make_tracker(int width, int height, int max_scales, int sampling_step, double quality,
                                      float min_deviation, float max_deviation, float max_jump, float max_jump_share,
                                      float min_motion, int threads) {
  if (threads < 1 || threads > 2) throw py::value_error("the tracker has 1 or 2 threads");
  if (width < kPatch || height < kPatch || max_scales < 1 || sampling_step < 1)
    throw py::value_error("the tracker needs frames of at least 32 x 32 pixels, a scale and a sampling step");
  if (std::int64_t{width} * height > kMaxPixels) throw py::value_error("a frame has at most 2^28 pixels");
  return std::make_unique<Tracker>(
      width, height,
      Options{max_scales, sampling_step, quality, min_deviation, max_deviation, max_jump, max_jump_share, min_motion},
      threads);
}

// Returns the instruction sets of this processor for which there is a build, best first.
std::vector<std::string> supported() {
  std::vector<std::string> sets;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    sets.push_back("avx512");
  if (avx2) sets.push_back("avx2");
#endif
  sets.push_back("baseline");
  return sets;
}

// Returns the numbers (n, columns) of text, or None if a line holds anything else.
std::optional<FloatOut> rows_of_text(const py::bytes& text, std::size_t columns) {
  if (columns == 0) throw py::value_error("rows have at least one column");
  const std::string_view view = text;
  std::optional<std::vector<float>> numbers;
  {
    py::gil_scoped_release unlocked;
    numbers = parse_rows(view, columns);
  }
  if (!numbers) return std::nullopt;
  FloatOut rows({numbers->size() / columns, columns});
  std::copy(numbers->begin(), numbers->end(), rows.mutable_data());
  return rows;
}

void bind_tracker(py::module_& m) {
  py::class_<Tracker>(m, "Tracker", py::module_local(), "Tracks one video, fed one grey frame at a time.")
      .def(py::init(&make_tracker), py::arg("width"), py::arg("height"), py::kw_only(), py::arg("max_scales"),
           py::arg("sampling_step"), py::arg("quality"), py::arg("min_deviation"), py::arg("max_deviation"),
           py::arg("max_jump"), py::arg("max_jump_share"), py::arg("min_motion"), py::arg("threads") = 1)
      .def("start", &start,
           "Takes the next frame (height, width) uint8. Returns False for the first, which needs none of the rest.")
      .def("flow_at", &flow_at,
           "Returns the raw flow (n, 2) from the previous to the started frame at integer points (n, 2).")
      .def("corners", &tracker_corners, py::arg("mask") = py::none(),
           "Returns the corners (n, 2) of the previous frame where the mask (height, width) is not 0.")
      .def("compensate", &compensate,
           "Compensates the camera's motion, a homography (3, 3) from the previous to the started frame.")
      .def("finish", &Tracker::finish, py::call_guard<py::gil_scoped_release>(),
           "Moves the tracks to the oldest compensated frame. With threads = 2, another thread may start the next.")
      .def("take", &take, py::arg("info").noconvert(), py::arg("descriptors").noconvert(),
           py::arg("points").noconvert(),
           "Moves finished rows into info (n, 10), descriptors (n, 426) and points (n, 16, 2); returns how many.")
      .def_property_readonly("finished", &Tracker::finished)
      .def_property_readonly("live_tracks", &Tracker::live_tracks)
      .def_property_readonly("stage_seconds",
                             [](const Tracker& t) {
                               py::dict seconds;
                               for (int stage = 0; stage < kStages; ++stage)
                                 seconds[kStageNames[stage]] = t.seconds(Stage(stage));
                               return seconds;
                             })
      .def_property_readonly("scales", [](const Tracker& t) {
        py::list scales;
        for (const Scale& s : t.scales()) scales.append(py::make_tuple(s.factor, s.width, s.height));
        return scales;
      });
}

void bind_resampling(py::module_& kernels) {
  kernels.def("resize_grey", [](const GreyArray& image, int width, int height) {
    const Grey from = plane_of<std::uint8_t>(image);
    Grey to;
    GreyResizer(from.width(), from.height(), checked_side(width), checked_side(height))(from, to);
    return array_of(to);
  });
  kernels.def("resize", [](const FloatArray& image, int width, int height) {
    const Image from = plane_of<float>(image);
    Image to;
    Resizer(from.width(), from.height(), checked_side(width), checked_side(height))(from, to);
    return array_of(to);
  });
  kernels.def("reduce", [](const GreyArray& image, float factor, int width, int height) {
    const Grey from = plane_of<std::uint8_t>(image);
    Image to;
    if (!(factor >= 1.0f && factor < 100.0f)) throw py::value_error("the factor must be 1 to 100");
    Reducer({1.0f, from.width(), from.height()}, {factor, checked_side(width), checked_side(height)})(from, to);
    return array_of(to);
  });
}

void bind_flow(py::module_& kernels) {
  kernels.def("expand", [](const FloatArray& image) {
    const Image from = plane_of<float>(image);
    Expansion expansion;
    Expander(from.width(), from.height())(from, expansion);
    FloatOut planes({Expansion::kCoefficients, from.height(), from.width()});
    for (int y = 0; y < from.height(); ++y)
      for (int x = 0; x < from.width(); ++x)
        for (int i = 0; i < Expansion::kCoefficients; ++i)
          *planes.mutable_data(i, y, x) = expansion.pixel(y * from.width() + x)[i];
    return planes;
  });
  kernels.def("median", [](const FloatArray& image) {
    const Image from = plane_of<float>(image);
    Image to;
    Median5x5(from.width())(from, to);
    return array_of(to);
  });
  kernels.def(
      "flow",
      [](const FloatArray& first, const FloatArray& second, const std::optional<FloatArray>& coarser) {
        const Image images[2] = {plane_of<float>(first), plane_of<float>(second)};
        const Scale scale = {1.0f, images[0].width(), images[0].height()};
        if (images[1].width() != scale.width || images[1].height() != scale.height)
          throw py::value_error("the images differ in size");
        Expansion expansions[2];
        for (int i = 0; i < 2; ++i) Expander(scale.width, scale.height)(images[i], expansions[i]);
        Flow flow;
        if (!coarser) {
          FlowLevel(scale, nullptr)(expansions[0], expansions[1], nullptr, flow);
        } else {
          const Flow start = flow_of_array(*coarser);
          const Scale smaller = {kStride, start.dx.width(), start.dx.height()};
          FlowLevel(scale, &smaller)(expansions[0], expansions[1], &start, flow);
        }
        return py::make_tuple(array_of(flow.dx), array_of(flow.dy));
      },
      py::arg("first"), py::arg("second"), py::arg("coarser") = py::none());
}

void bind_histograms(py::module_& kernels) {
  kernels.def("patch", [](const GreyArray& grey, const FloatArray& flow, int left, int top) {
    const Grey image = plane_of<std::uint8_t>(grey);
    const Flow motion = flow_of_array(flow);
    if (motion.dx.width() != image.width() || motion.dx.height() != image.height() || left < 0 || top < 0 ||
        left + kPatch > image.width() || top + kPatch > image.height())
      throw py::value_error("the flow has another size than the image, or the patch is not inside it");
    PatchHistograms histograms(image.width());
    histograms.start(top, image.width());
    for (int y = 0; y < kPatch; ++y) histograms.add_row({image, motion});
    HistogramSums sums = {};
    histograms.add_patch(left, sums);
    FloatOut bins({kChannels, kCells, kBins}), still(py::ssize_t{kCells});
    for (int c = 0; c < kChannels; ++c)
      for (int cell = 0; cell < kCells; ++cell)
        for (int bin = 0; bin < kBins; ++bin)
          *bins.mutable_data(c, cell, bin) = sums.bins[c][cell][bin] / HistogramSums::kUnit;
    for (int cell = 0; cell < kCells; ++cell) *still.mutable_data(cell) = sums.still[cell] / HistogramSums::kUnit;
    return py::make_tuple(bins, still);
  });
}

void bind_camera_motion(py::module_& kernels) {
  kernels.def("corner_measure", [](const GreyArray& image) {
    const Grey from = plane_of<std::uint8_t>(image);
    Image to;
    CornerMeasure(from.width())(from, to);
    return array_of(to);
  });
  kernels.def(
      "corners",
      [](const FloatArray& eigenvalue, const std::optional<GreyArray>& mask) {
        const Image image = plane_of<float>(eigenvalue);
        return array_of(corners(image, mask_of(mask, image.width(), image.height())));
      },
      py::arg("eigenvalue"), py::arg("mask") = py::none());
  kernels.def("warp", [](const GreyArray& previous, const GreyArray& current, const DoubleArray& homography) {
    check_homography(homography);
    const Grey from = plane_of<std::uint8_t>(previous), to = plane_of<std::uint8_t>(current);
    if (from.width() != to.width() || from.height() != to.height()) throw py::value_error("frames differ in size");
    Grey warped;
    warp(from, to, homography.data(), warped);
    return array_of(warped);
  });
}

}  // namespace

PYBIND11_MODULE(IDT_MODULE, m) {
  m.doc() = "Compiled core of idt_tools: the dense-trajectory tracker. Use idt_tools.extract and idt_tools.stream.";
  bind_tracker(m);
  m.def("supported", &supported, "Returns the instruction sets of this processor with a build, best first.");
  m.def("fit_homography", &fit, py::arg("start"), py::arg("end"),
        "Returns the homography (3, 3) that most pairs of points (n, 2) agree with; the identity if too few agree.");
  m.def("parse_rows", &rows_of_text, py::arg("text"), py::arg("columns"),
        "Returns the numbers (n, columns) float32 in lines of text (bytes), or None if a line holds anything else.");
  py::module_ kernels = m.def_submodule("kernels", "Single steps of the tracker, for the tests.");
  bind_resampling(kernels);
  bind_flow(kernels);
  bind_histograms(kernels);
  bind_camera_motion(kernels);
}

}  // namespace idt
