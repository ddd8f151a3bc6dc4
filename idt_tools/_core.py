"""The compiled core. There is a build per instruction set, and this module loads the best one for the processor.

`IDT_INSTRUCTION_SET=avx2` (or baseline) in the environment chooses another build: different processors of a cluster
then compute the same bytes.
"""

import importlib
import os
from types import ModuleType

from . import _core_baseline


def build(instruction_set: str) -> ModuleType:
    """Returns the core built for `instruction_set`, one of `INSTRUCTION_SETS`. Raises ImportError for any other."""
    if instruction_set not in INSTRUCTION_SETS:
        known = ", ".join(INSTRUCTION_SETS)
        raise ImportError(f"IDT_INSTRUCTION_SET: there is no build for {instruction_set!r} here; choose one of {known}")
    return importlib.import_module(f"{__package__}._core_{instruction_set}")


INSTRUCTION_SETS = tuple(_core_baseline.supported())

_best = build(os.environ.get("IDT_INSTRUCTION_SET") or INSTRUCTION_SETS[0])
Tracker = _best.Tracker
fit_homography = _best.fit_homography
parse_rows = _best.parse_rows
kernels = _best.kernels
