"""How well boxes agree with those of every frame if the detector skips frames (persons.stride, persons.adaptive).

    make benchmark-persons_skip                            # 24 generated videos with 25 frames per second
    make benchmark-persons_skip ARGS="VIDEO ..."           # videos of yours, with the boxes of hog

In generated videos, true boxes replace the detector, so that only the error between searched frames counts. For two
people, two videos are combined, a quarter of the width apart; they have no pictures, so only strides are measured.

`searched` is the share of the frames that the detector gets. IoU compares the tracker's masks of the boxes with those
of stride 1, and `covered` is the covered fraction of these: means over the frames that have a box. `repeat` uses the
boxes of a stride until the next searched frame, where the persons stage interpolates.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import idt_tools
from benchmarks.people_mask import kinds_of_videos
from idt_tools.person_boxes import background_mask
from workflow_scripts.persons.detect_persons import boxes_of
from workflow_scripts.persons.hog import Hog
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings

STRIDES = (1, 2, 3, 5, 10, 15)
WAYS = [(stride, 0.0) for stride in STRIDES]  # stride and adaptive
WAYS += [(1, adaptive) for adaptive in (0.5, 1, 1.5, 2, 3, 4, 6, 8)] + [(3, adaptive) for adaptive in (1, 2, 4)]
Boxes = list[np.ndarray]  # per frame, (k, 5): x1, y1, x2, y2, score


@dataclass(frozen=True)
class Video:
    """The frames of a video, (H, W, 3) uint8 RGB, and the boxes of each."""

    frames: Sequence[np.ndarray]
    boxes: Boxes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.frames[0].shape[:2]
        return height, width


@dataclass
class Agreement:
    """The agreement of boxes with those of stride 1, collected over videos."""

    iou: list[float] = field(default_factory=list)  # per frame with a box
    covered: list[float] = field(default_factory=list)  # per frame with a box at stride 1
    n_detected: int = 0
    n_frames: int = 0

    def add(self, video: Video, boxes: Boxes, n_detected: int) -> None:
        """Adds a video with the boxes of a detector that gets `n_detected` of the frames."""
        self.n_detected, self.n_frames = self.n_detected + n_detected, self.n_frames + len(boxes)
        for true, estimated in zip(video.boxes, boxes, strict=True):
            true_mask, estimated_mask = mask(true, video.size), mask(estimated, video.size)
            common = np.count_nonzero(true_mask & estimated_mask)
            if true_mask.any() or estimated_mask.any():
                self.iou.append(common / np.count_nonzero(true_mask | estimated_mask))
            if true_mask.any():
                self.covered.append(common / np.count_nonzero(true_mask))

    def __str__(self) -> str:
        share = self.n_detected / self.n_frames
        return f"{share:9.3f}  {np.mean(self.iou):.3f}    {np.mean(self.covered):.3f}"


class KnownBoxes:
    """A detector that returns the boxes of a video that are known."""

    def __init__(self, video: Video) -> None:
        self.parameters: dict[str, Any] = {}
        self.video = video
        self.n_detected = self._number = 0

    def frames(self) -> Iterator[np.ndarray]:
        """Yields the frames of the video, and remembers the number of the last one."""
        for number, frame in enumerate(self.video.frames):
            self._number = number
            yield frame

    def detect(self, frames: Iterable[np.ndarray]) -> list[np.ndarray]:
        detections = [self.video.boxes[self._number] for _ in frames]
        self.n_detected = len(detections)
        return detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", help="default: generated")
    parser.add_argument("--n-videos", type=int, default=24, help="generated (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=60, help="per video at most (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.videos:
        print_table(f"boxes of hog in {len(arguments.videos)} videos", read(arguments.videos, arguments.frames), WAYS)
        return
    settings = GeneratedSettings(frames=arguments.frames)
    videos = generate(arguments.n_videos, settings)
    strides = [way for way in WAYS if not way[1]]
    title = f"true boxes in {len(videos)} generated videos, {settings.fps} frames per second, people: "
    print_table(f"{title}1", videos, WAYS)
    print_table(f"{title}2", in_pairs(videos, settings.width / 4), strides)


def print_table(title: str, videos: Iterable[Video], ways: Sequence[tuple[int, float]]) -> None:
    """Prints a row per stride and threshold. Each video is read once."""
    carried, repeated = [Agreement() for _ in ways], [Agreement() for _ in ways]
    for video in videos:
        for (stride, adaptive), carry_rows, repeat_rows in zip(ways, carried, repeated, strict=True):
            carry_rows.add(video, *carry(video, stride, adaptive))
            if not adaptive:
                boxes = repeat(video, stride)
                repeat_rows.add(video, boxes, -(-len(boxes) // stride))
    print(f"\n{title}\nstride  adaptive  searched   IoU    covered   IoU with repeat")
    for (stride, adaptive), carries, repeats in zip(ways, carried, repeated, strict=True):
        last = "" if adaptive else f"   {np.mean(repeats.iou):.3f}"
        print(f"{stride:6}  {adaptive:8}  {carries}{last}", flush=True)


def generate(n_videos: int, settings: GeneratedSettings) -> list[Video]:
    """Returns generated videos with one person and the true boxes. Motions and scenes alternate."""
    videos = []
    for kind in kinds_of_videos(n_videos):
        frames = list(render_with_truth(*kind, settings))
        videos.append(Video([frame.image for frame in frames], [np.append(frame.box, 1)[None] for frame in frames]))
    return videos


def in_pairs(videos: list[Video], distance: float) -> list[Video]:
    """Returns the boxes of each video and the next one, moved apart by `distance` pixels, with the first's frames."""
    shift = np.array([distance / 2, 0, distance / 2, 0, 0])
    pairs = []
    for one, other in zip(videos, videos[1:] + videos[:1], strict=True):
        both = zip(one.boxes, other.boxes, strict=True)
        pairs.append(Video(one.frames, [np.concatenate([a - shift, b + shift]) for a, b in both]))
    return pairs


def read(paths: Sequence[str], most_frames: int) -> Iterator[Video]:
    """Yields the first frames of videos, with the boxes of `hog` in each frame."""
    hog = Hog(PersonsSettings())
    for path in paths:
        frames = [frame for frame, _ in zip(idt_tools.read_video(path), range(most_frames), strict=False)]
        yield Video(frames, hog.detect(frames))


def carry(video: Video, stride: int, adaptive: float) -> tuple[Boxes, int]:
    """Returns the boxes of all frames by the persons stage, and the number of frames that the detector gets."""
    detector = KnownBoxes(video)
    rows = boxes_of(detector.frames(), detector, stride, adaptive).arrays["boxes"]
    return [rows[rows[:, 0] == number, 1:] for number in range(len(video.frames))], detector.n_detected


def repeat(video: Video, stride: int) -> Boxes:
    """Returns the boxes of every `stride`-th frame, repeated until the next one."""
    return [video.boxes[number - number % stride] for number in range(len(video.boxes))]


def mask(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns (height, width) bool: the pixels that the tracker ignores when it estimates the camera motion."""
    background = background_mask({0: boxes[:, :4]}, 0, *size)
    return np.zeros(size, bool) if background is None else background == 0


if __name__ == "__main__":
    main()
