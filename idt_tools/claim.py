"""The number of frames and the duration that a video container claims."""

import re
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

MIN_FRAME_BYTES = 8
"""A frame takes at least this many bytes of a file: the length of a chunk's header."""


@dataclass(frozen=True)
class Claim:
    """The claims of a container about its video stream."""

    n_frames: int
    """From the list of frames if there is one, else an estimate; 0 if unknown."""
    exact: bool
    """Whether the container lists every frame, so that `n_frames` and `rate` are true."""
    rate: Fraction
    """Frames per second; 0 if unknown."""
    seconds: Fraction
    """Duration; 0 if none is claimed, or more frames than the file can hold."""
    of_container: bool
    """Whether `seconds` may be the duration of another stream."""


def claim_of(container: InputContainer, stream: VideoStream, n_bytes: int) -> Claim:
    """Returns the claims of a container whose file has `n_bytes`."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(0)
    if container.format.name == "dv":  # its average rate is that of its clock, 60,000 per second
        rate = stream.guessed_rate or rate
    tick = stream.time_base or Fraction(0)
    index = stream.index_entries
    max_frames = n_bytes // MIN_FRAME_BYTES
    of_container = False
    if container.format.name == "avi":  # its header counts ticks, and not every tick has a frame
        claimed = max(stream.frames, stream.duration or 0)
        last = index[len(index) - 1] if len(index) else None
        # A truncated file has lost its list of frames; libav then lists only the few frames that it has read.
        exact = last is not None and (
            last.timestamp + 1 >= 0.9 * claimed - 3 if claimed <= max_frames else last.pos > n_bytes // 2
        )
        if last and exact and claimed > max_frames:
            claimed = last.timestamp + 1
        n_frames = len(index)
        seconds = tick * claimed
    else:
        exact = stream.frames > 0 and len(index) in (0, stream.frames)
        n_frames = stream.frames - sum(entry.is_discard for entry in index)  # cut away by the container's edit list
        seconds = tick * (stream.duration or 0) or _tagged_seconds(stream)
        if not seconds:
            seconds, of_container = Fraction(container.duration or 0, av.time_base), len(container.streams) > 1
    if not exact:
        n_frames = round(seconds * rate)
    elif seconds:
        rate = n_frames / seconds
    if n_frames > max_frames:
        return Claim(max_frames, False, rate, Fraction(0), False)
    return Claim(n_frames, exact, rate, seconds, of_container)


def _tagged_seconds(stream: VideoStream) -> Fraction:
    """Returns the seconds in Matroska's tag DURATION, for example 00:00:10.333000000; 0 if there is no such tag."""
    tag = re.fullmatch(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)", stream.metadata.get("DURATION", ""), re.ASCII)
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3]) if tag else Fraction(0)
