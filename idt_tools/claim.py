"""How many frames a container says that it holds, and how long they last."""

import re
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

MIN_FRAME_BYTES = 8
"""Bytes of a file for each of its frames at least: a chunk's header alone is as long."""


@dataclass(frozen=True)
class Claim:
    """What a container says of its video stream."""

    n_frames: int
    """Of the list of frames where there is one, else an estimate; 0 where nothing is known."""
    exact: bool
    """Whether the container lists every frame, so that `n_frames` and `rate` are true."""
    rate: Fraction
    """Frames per second; 0 where nothing is known."""
    seconds: Fraction
    """0 where nothing is claimed, or more than the file can hold."""
    of_container: bool
    """Whether `seconds` may be those of another stream."""


def claim_of(container: InputContainer, stream: VideoStream, n_bytes: int) -> Claim:
    """The claim of a file of `n_bytes`."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(0)
    if container.format.name == "dv":  # whose average rate is that of its clock, 60,000 a second
        rate = stream.guessed_rate or rate
    tick = stream.time_base or Fraction(0)
    listed = stream.index_entries
    most = n_bytes // MIN_FRAME_BYTES
    of_container = False
    if container.format.name == "avi":  # its header counts ticks, of which some may be without a frame
        claimed = max(stream.frames, stream.duration or 0)
        last = listed[len(listed) - 1] if len(listed) else None
        # A file that was cut has lost its list of frames, and libav lists the few that it came across.
        exact = last is not None and (
            last.timestamp + 1 >= 0.9 * claimed - 3 if claimed <= most else last.pos > n_bytes // 2
        )
        if last and exact and claimed > most:
            claimed = last.timestamp + 1
        n_frames = len(listed)
        seconds = tick * claimed
    else:
        exact = stream.frames > 0 and len(listed) in (0, stream.frames)
        n_frames = stream.frames - sum(entry.is_discard for entry in listed)  # cut away by the container's edit list
        seconds = tick * (stream.duration or 0) or _tagged_seconds(stream)
        if not seconds:
            seconds, of_container = Fraction(container.duration or 0, av.time_base), len(container.streams) > 1
    if not exact:
        n_frames = round(seconds * rate)
    elif seconds:
        rate = n_frames / seconds
    if n_frames > most:
        return Claim(most, False, rate, Fraction(0), False)
    return Claim(n_frames, exact, rate, seconds, of_container)


def _tagged_seconds(stream: VideoStream) -> Fraction:
    """How long Matroska's tag DURATION, as in 00:00:10.333000000, says that the stream lasts; 0 where there is none."""
    tag = re.fullmatch(r"(\d{1,6}):(\d\d):(\d\d(?:\.\d{1,9})?)", stream.metadata.get("DURATION", ""), re.ASCII)
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3]) if tag else Fraction(0)
