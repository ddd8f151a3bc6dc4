"""Results of made-up videos, and a record file that holds them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workflow_scripts.ground.record_file import RecordFile, Result


def make_result(number: int) -> Result:
    rows = np.full((number, 3), number, np.float16)
    return Result(arrays={"rows": rows, "none": np.zeros((0, 2))}, attributes={"n": number, "fps": 25.0})


def fill_record_file(path: Path, numbers: Iterable[int]) -> None:
    with RecordFile(path) as store:
        for number in numbers:
            store.append(f"video{number}", f"key{number}", make_result(number))
