"""The fraction of the people's area that boxes cover if only every k-th frame is searched.

    make benchmark-persons_stride                          # 24 generated videos with 25 frames per second

True boxes replace the detector, so that only the error between searched frames counts: `carry` is the method of the
persons stage, and `repeat` uses the boxes until the next searched frame. IoU compares the tracker's masks of the boxes.
`covered` is the covered fraction of the true mask. For two people, two videos are combined, a quarter of the width
apart.
"""

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.people_mask import kinds_of_videos
from idt_tools.person_boxes import background_mask
from workflow_scripts.persons.boxes import carry_boxes
from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings

STRIDES = (1, 2, 3, 5, 10, 15)
Boxes = dict[int, np.ndarray]  # by frame number, (k, 5): x1, y1, x2, y2, score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=60, help="per video (default: %(default)s)")
    arguments = parser.parse_args()
    settings = GeneratedSettings(frames=arguments.frames)
    videos = true_boxes(arguments.videos, settings)
    print(f"{len(videos)} videos of {settings.frames} frames, {settings.fps} per second")
    for people, truths in ((1, videos), (2, in_pairs(videos, settings.width / 4))):
        print(f"\npeople: {people}    IoU            covered")
        print("   k    repeat  carry    repeat  carry")
        for stride in STRIDES:
            repeated, carried = (iou_and_coverage(truths, method, stride, settings) for method in (repeat, carry))
            print(f"{stride:4}     {repeated[0]:.3f}  {carried[0]:.3f}     {repeated[1]:.3f}  {carried[1]:.3f}")


def true_boxes(n_videos: int, settings: GeneratedSettings) -> list[Boxes]:
    """The boxes of `n_videos` generated videos. Motions and scenes alternate."""
    videos = (render_with_truth(*kind, settings) for kind in kinds_of_videos(n_videos))
    return [{t: np.append(frame.box, 1)[None] for t, frame in enumerate(frames)} for frames in videos]


def in_pairs(videos: list[Boxes], distance: float) -> list[Boxes]:
    """The boxes of each video and of the next one, moved apart by `distance` pixels."""
    shift = np.array([distance / 2, 0, distance / 2, 0, 0])
    pairs = zip(videos, videos[1:] + videos[:1], strict=True)
    return [{t: np.concatenate([one[t] - shift, other[t] + shift]) for t in one} for one, other in pairs]


def carry(truth: Boxes, stride: int) -> Boxes:
    """The boxes of all frames that the persons stage makes of those in every `stride`-th frame and the last."""
    searched = {t: boxes for t, boxes in truth.items() if t % stride == 0 or t == len(truth) - 1}
    rows = carry_boxes(searched)
    return {t: rows[rows[:, 0] == t, 1:] for t in truth}


def repeat(truth: Boxes, stride: int) -> Boxes:
    """The boxes of every `stride`-th frame, repeated until the next one."""
    return {t: truth[t - t % stride] for t in truth}


def iou_and_coverage(
    truths: list[Boxes], method: Callable[[Boxes, int], Boxes], stride: int, settings: GeneratedSettings
) -> tuple[float, float]:
    """The means over all frames of the IoU of the masks and of the covered fraction of the true mask.

    Args:
        truths: True boxes per video.
        method: `carry` or `repeat`.
        stride: Distance of searched frames.
        settings: Settings of the videos.
    """
    iou, covered = [], []
    for truth in truths:
        boxes = method(truth, stride)
        for t in truth:
            true, estimated = (mask(frames[t], settings) for frames in (truth, boxes))
            common = np.count_nonzero(true & estimated)
            iou.append(common / np.count_nonzero(true | estimated))
            covered.append(common / np.count_nonzero(true))
    return float(np.mean(iou)), float(np.mean(covered))


def mask(boxes: np.ndarray, settings: GeneratedSettings) -> np.ndarray:
    """(height, width) bool: the pixels that the tracker ignores when it estimates the camera motion."""
    background = background_mask({0: boxes[:, :4]}, 0, settings.height, settings.width)
    return np.zeros((settings.height, settings.width), bool) if background is None else background == 0


if __name__ == "__main__":
    main()
