"""Processes several videos at once, in threads that can be stopped, with one progress bar."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    """A progress bar over `n_videos` videos, shown only on a terminal. Each video is an equal part of it."""

    def __init__(self, label: str, n_videos: int = 1) -> None:
        self._bar = tqdm(desc=label, total=n_videos, bar_format=BAR, smoothing=0.05, disable=None)
        self._n_videos, self._n_done, self._n_frames = n_videos, 0, 0
        self._fractions: dict[Path, float] = {}  # finished fraction of each video in work, 0 to 1
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
        """Ends the threads that read frames, at their next frame."""
        self._stopped.set()

    def count_frames(self, video: Path) -> VideoFrames:
        """Decodes a video to its end and returns it with its counts: a header may be wrong. Raises VideoError."""
        frames = read_video(video)
        for _ in frames:
            self._check()
        return frames

    def frames(self, video: Path, n_frames: int) -> Iterator[np.ndarray]:
        """Yields the frames of `read_video` and moves the bar. `n_frames` may be a header's claim."""
        return self.shown(read_video(video), video, n_frames)

    def shown(self, frames: Iterable[np.ndarray], video: Path, n_frames: int) -> Iterator[np.ndarray]:
        """Yields the frames of a video and moves the bar. `n_frames` may be a header's claim."""
        for number, frame in enumerate(frames):
            self._check()
            yield frame
            with self._lock:
                self._n_frames += 1
                self._fractions[video] = min(1.0, (number + 1) / max(1, n_frames))
                self._move()

    def finish(self, video: Path) -> None:
        """Counts a video as done, whether it failed or not."""
        with self._lock:
            self._fractions.pop(video, None)
            self._n_done += 1
            self._move()

    def print(self, line: str, file: TextIO | None = None) -> None:
        """Prints a line above the bar on `file`, by default stdout."""
        with self._lock:
            self._bar.write(printable(line), file=file or sys.stdout)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def _move(self) -> None:
        rate = f"{self._n_frames / (time.monotonic() - self._start):.0f} frames/s"
        of_videos = f"{self._n_done} of {self._n_videos} videos, " if self._n_videos > 1 else ""
        self._bar.set_postfix_str(of_videos + rate, refresh=False)
        self._bar.update(self._n_done + sum(self._fractions.values()) - self._bar.n)


def for_each_video(label: str, work: Mapping[Path, Callable[[Progress], str]], threads: int) -> int:
    """Processes videos, `threads` at once, and prints the line that each function returns.

    CommandError, VideoError and OSError are printed on stderr and do not stop the other videos.

    Args:
        label: the name of the progress bar.
        work: a function per video.
        threads: how many videos are processed at once.

    Returns:
        How many videos did not fail.
    """
    n_done = 0
    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # no more threads than --threads
    with ThreadPoolExecutor(threads) as pool, Progress(label, len(work)) as progress:
        try:
            videos = {pool.submit(function, progress): video for video, function in work.items()}
            for future in as_completed(videos):
                try:
                    progress.print(future.result())
                    n_done += 1
                except (CommandError, VideoError, OSError) as error:
                    progress.print(f"error: {sentence(error)}", file=sys.stderr)
                progress.finish(videos[future])
        except BaseException:  # also on Ctrl-C: the threads end at their next frame
            progress.stop()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            cv2.setNumThreads(opencv_threads)
    return n_done
