"""Improved dense trajectories: from video frames to described trajectories.

    frames = idt_tools.read_video("bowling.avi")
    trajectories = idt_tools.extract(frames)
    trajectories.info            # (n, 10): where and when; names in idt_tools.columns
    trajectories.descriptors     # (n, 426): trajectory, HOG, HOF, MBH

What it computes is in docs/idt_spec.md. Needs numpy, OpenCV and PyAV alone.
"""

from . import columns
from .person_boxes import read_bb
from .tracker import TrackerOptions, Trajectories, extract, stream
from .video import VideoError, VideoInfo, probe_video, read_video

__all__ = [
    "TrackerOptions",
    "Trajectories",
    "VideoError",
    "VideoInfo",
    "columns",
    "extract",
    "probe_video",
    "read_bb",
    "read_video",
    "stream",
]
