"""Improved dense trajectories: from video frames to described trajectories.

    frames = idt_tools.read_video("bowling.avi")
    trajectories = idt_tools.extract(frames)
    trajectories.info            # (n, 10): where and when; names in idt_tools.columns
    trajectories.descriptors     # (n, 426): trajectory, HOG, HOF, MBH

docs/idt_spec.md specifies the computation. The package needs only numpy, OpenCV and PyAV. Modules are imported at the
first use of a name, so that a machine without PyAV or the compiled core can read and write the files.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import columns
    from .gaps import FrameAfterGap
    from .person_boxes import read_bb
    from .reading import ReadingFailed
    from .tracker import TrackerOptions, Trajectories, extract, stream
    from .video import VideoError, VideoFrames, VideoInfo, probe_video, read_video

__all__ = [
    "FrameAfterGap",
    "ReadingFailed",
    "TrackerOptions",
    "Trajectories",
    "VideoError",
    "VideoFrames",
    "VideoInfo",
    "columns",
    "extract",
    "probe_video",
    "read_bb",
    "read_video",
    "stream",
]

_MODULES = {
    "gaps": ["FrameAfterGap"],
    "person_boxes": ["read_bb"],
    "reading": ["ReadingFailed"],
    "tracker": ["TrackerOptions", "Trajectories", "extract", "stream"],
    "video": ["VideoError", "VideoFrames", "VideoInfo", "probe_video", "read_video"],
}


def __getattr__(name: str) -> Any:
    if name == "columns":
        return importlib.import_module(".columns", __name__)
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
