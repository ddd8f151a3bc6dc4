"""The tracker's core, compiled for 64-bit ARM and run by an emulator. `make test-aarch64` runs it: two minutes."""

import dataclasses
import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from idt_tools.tracker import TrackerOptions

REPOSITORY = Path(__file__).parents[2]
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"
FLAGS = "-std=c++20 -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wall -Wextra -Werror -static".split()

pytestmark = pytest.mark.skipif(
    not (shutil.which(COMPILER) and shutil.which(EMULATOR)),
    reason=f"{COMPILER} or {EMULATOR} is not installed (Debian: g++-aarch64-linux-gnu, qemu-user-static)",
)


@pytest.fixture(scope="module")
def track_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("aarch64") / "track_raw"
    core = REPOSITORY / "idt_tools" / "core"
    sources = [source for source in core.glob("*.cpp") if source.name != "bindings.cpp"]
    main = REPOSITORY / "tests" / "idt_tools" / "track_raw.cpp"
    subprocess.run([COMPILER, *FLAGS, f"-I{core}", main, *sources, "-o", program], check=True)
    return program


def test_gate_on_aarch64(shared: Path, tmp_path: Path, track_raw: Path) -> None:
    reference = np.load(shared / "idt_reference" / "carphone_176x144_120.npz")
    frames, output = reference["frames"], tmp_path / "rows"
    frames.tofile(tmp_path / "frames")
    reference["homographies"].astype(np.float64).tofile(tmp_path / "homographies")
    options = dataclasses.asdict(TrackerOptions())
    del options["record_points"]
    files = [tmp_path / "frames", tmp_path / "homographies", output]
    size = [str(side) for side in frames.shape[:0:-1]]
    subprocess.run([EMULATOR, track_raw, *size, *files, *map(str, options.values())], check=True)
    rows = np.fromfile(output, np.float32).reshape(-1, 436)

    spec = importlib.util.spec_from_file_location("compare", shared / "idt_reference" / "compare.py")
    assert spec is not None and spec.loader is not None
    compare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(compare)
    figures = compare.compare(reference, {"info": rows[:, :10], "descriptors": rows[:, 10:]})
    assert compare.holds(figures, "A"), figures
