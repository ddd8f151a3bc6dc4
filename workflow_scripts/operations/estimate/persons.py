"""The GPU hours of the networks that find persons, at published speeds, by model and stride.

The pilot leaves these networks out: without a GPU it would take hours, and their time depends only on how many frames
they get.
"""

from typing import Any

import pandas as pd

from workflow_scripts.operations.estimate.extrapolate import NOTHING, Line, Range, Size
from workflow_scripts.operations.text_table import markdown, three_digits
from workflow_scripts.persons.models import DEFAULT_MODELS, SECONDS_PER_FRAME, seconds_per_frame

STRIDES = (1, 3, 5)  # of the table, besides the configured one


def network_hours(persons: dict[str, Any], detector: str, size: Size, jobs: int) -> tuple[list[str], list[Line]]:
    """Returns a table of the GPU hours by model and stride, and the line of the configured model and stride.

    The table has the configured model and, of the others, the first of each speed. There is no line if no speed of the
    configured model is published.

    Args:
        persons: The config's section `persons`.
        detector: A detector with models.
        size: The size of the dataset.
        jobs: The number of shards.
    """
    configured = persons["model"] or DEFAULT_MODELS[detector]
    stride, short_side = persons["stride"], persons["short_side"]
    first_of_speed: dict[float, str] = {}
    for model in (configured, *SECONDS_PER_FRAME[detector]):
        if seconds := seconds_per_frame(detector, model, short_side):
            first_of_speed.setdefault(seconds, model)
    strides = sorted({*STRIDES, stride})
    rows = [
        [
            model + " (configured)" * (model == configured),
            three_digits(1 / seconds),
            *(three_digits(seconds * size.frames / each / 3600) for each in strides),
        ]
        for seconds, model in sorted(first_of_speed.items())
    ]
    sentences = [
        f"Persons by {detector}, in hours of one NVIDIA V100 at published speeds, without decoding. These are speeds "
        "of one picture at a time in float32; the stage uses batches in mixed precision. `make benchmark-persons` "
        f"measures your GPU. The configured stride is {stride}."
    ]
    if short_side:
        sentences.append(f"Times for pictures of {short_side} rows are in proportion to the pixels.")
    if persons["adaptive"]:
        sentences.append("persons.adaptive reduces the hours by the share of frames that it skips.")
    own = seconds_per_frame(detector, configured, short_side)
    if own is None:
        sentences.append(f"No speed of {configured} is published{' for this size' if short_side else ''}.")
    head = ["model", "frames/s", *(f"stride {each}" for each in strides)]
    text = [" ".join(sentences), "", *markdown(pd.DataFrame(rows, columns=head)), ""]
    if own is None:
        return text, []
    hours = Range.exactly(own * size.frames / stride / 3600)
    return text, [Line("persons", detector, hours, NOTHING, NOTHING, 0, jobs, hours_of="device")]
