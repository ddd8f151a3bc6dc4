"""How many frames a container says that it holds, and how long they last."""

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
    tick = stream.time_base or Fraction(0)
    listed = stream.index_entries
    most = n_bytes // MIN_FRAME_BYTES
    of_container = False
    if container.format.name == "avi":  # its header counts ticks, of which some may be without a frame
        claimed = max(stream.frames, stream.duration or 0)
        until = listed[len(listed) - 1].timestamp + 1 if len(listed) else 0
        exact = until > 0 and (claimed > most or until >= 0.9 * claimed - 3)
        n_frames = len(listed)
        seconds = tick * (until if claimed > most else claimed)
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
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (KeyError, ValueError):
        return Fraction(0)
