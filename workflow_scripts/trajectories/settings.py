"""What can be chosen about the trajectories; the defaults are the original extractor's."""

from dataclasses import dataclass

VERSION = 2  # raised when the trajectories of the same frames change


@dataclass(frozen=True)
class TrajectoriesSettings:
    """Options of the tracker, as in `idt_tools.TrackerOptions`."""

    max_side: int = 0  # frames with a longer side are reduced to it first, in pixels; 0: never (ours)
