"""Several videos at once, in threads that can be stopped, under one progress bar over their frames."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import cv2
import numpy as np
from tqdm import tqdm

from ..printable import printable
from ..video import VideoError, VideoFrames, read_video
from .files import CommandError, sentence

BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Stopped(Exception):
    """Raised in a thread that reads frames after `Progress.stop`."""


class Progress:
    """A bar over `n_videos` videos, on a terminal alone. Each video is an equal part of it, however long."""

    def __init__(self, label: str, n_videos: int = 1) -> None:
        self._bar = tqdm(desc=label, total=n_videos, bar_format=BAR, smoothing=0.05, disable=None)
        self._n_videos, self._n_done, self._n_frames = n_videos, 0, 0
        self._parts: dict[Path, float] = {}  # how much of the videos now being read is done, 0 to 1
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def stop(self) -> None:
        """End what reads frames, at its next one."""
        self._stopped.set()

    def count_frames(self, video: Path) -> VideoFrames:
        """The video's frames, decoded to their end and counted: a header's claim may be wrong. Raises VideoError."""
        frames = read_video(video)
        for _ in frames:
            self._check()
        return frames

    def frames(self, video: Path, n_frames: int) -> Iterator[np.ndarray]:
        """The frames of `read_video`, each of which moves the bar; `n_frames` may be a header's claim."""
        for number, frame in enumerate(self._read(video)):
            yield frame
            with self._lock:
                self._n_frames += 1
                self._parts[video] = min(1.0, (number + 1) / max(1, n_frames))
                self._move()

    def finish(self, video: Path) -> None:
        """Count a video as done, written or not."""
        with self._lock:
            self._parts.pop(video, None)
            self._n_done += 1
            self._move()

    def print(self, line: str, file: TextIO | None = None) -> None:
        """A line above the bar, on stdout unless another file is given."""
        with self._lock:
            self._bar.write(printable(line), file=file or sys.stdout)

    def _read(self, video: Path) -> Iterator[np.ndarray]:
        for frame in read_video(video):
            self._check()
            yield frame

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def _move(self) -> None:
        rate = f"{self._n_frames / (time.monotonic() - self._start):.0f} frames/s"
        of_videos = f"{self._n_done} of {self._n_videos} videos, " if self._n_videos > 1 else ""
        self._bar.set_postfix_str(of_videos + rate, refresh=False)
        self._bar.update(self._n_done + sum(self._parts.values()) - self._bar.n)


def for_each_video(label: str, work: Mapping[Path, Callable[[Progress], str]], threads: int) -> int:
    """Do the work on each video, `threads` at once, and print the line that it returns as it ends.

    Work that raises CommandError, VideoError or OSError has its line on stderr and stops no other. Returns how many did
    not fail.
    """
    n_done = 0
    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # --threads is all that is used, whatever the number of cores
    with ThreadPoolExecutor(threads) as pool, Progress(label, len(work)) as progress:
        try:
            waiting = {pool.submit(do, progress): video for video, do in work.items()}
            for future in as_completed(waiting):
                try:
                    progress.print(future.result())
                    n_done += 1
                except (CommandError, VideoError, OSError) as error:
                    progress.print(f"error: {sentence(error)}", file=sys.stderr)
                progress.finish(waiting[future])
        except BaseException:  # Ctrl-C among them: the threads end at their next frame
            progress.stop()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            cv2.setNumThreads(opencv_threads)
    return n_done
