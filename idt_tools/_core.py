"""The compiled core, built for several instruction sets; this module is the best of them that the processor has.

`IDT_INSTRUCTION_SET=avx2` (or baseline) in the environment chooses another: a cluster of unequal processors then
computes the same bytes everywhere.
"""

import importlib
import os
from types import ModuleType

from . import _core_baseline


def build(instruction_set: str) -> ModuleType:
    """The core built for `instruction_set`, one of `INSTRUCTION_SETS`. Raises ImportError where it cannot run."""
    if instruction_set not in INSTRUCTION_SETS:
        known = ", ".join(INSTRUCTION_SETS)
        raise ImportError(f"IDT_INSTRUCTION_SET: there is no build for {instruction_set!r} here; choose one of {known}")
    return importlib.import_module(f"{__package__}._core_{instruction_set}")


INSTRUCTION_SETS = tuple(_core_baseline.supported())

_best = build(os.environ.get("IDT_INSTRUCTION_SET") or INSTRUCTION_SETS[0])
Tracker = _best.Tracker
fit_homography = _best.fit_homography
kernels = _best.kernels
