// The Python face of the core: idt_tools._core.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

PYBIND11_MODULE(_core, m) { m.doc() = "Compiled core of idt_tools: the dense-trajectory tracker."; }
