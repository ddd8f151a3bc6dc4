"""How much of the people's area is kept where they are looked for in every k-th frame alone.

    make benchmark-persons_stride                          # 24 generated videos of 25 frames a second

The truth about generated videos stands for the detector, so that only what lies between the frames looked at is
measured: `carry`, as the persons stage does, against `repeat`, where boxes hold until the next frame looked at. IoU is
that of the masks that the tracker makes of the boxes; covered is the part of the true mask. With two people, each video
is laid over another, a quarter of the width aside.
"""

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np

from idt_tools.person_boxes import background_mask
from workflow_scripts.persons.boxes import carry_boxes
from workflow_scripts.synthetic.generate import render_with_truth
from workflow_scripts.synthetic.settings import GeneratedSettings

STRIDES = (1, 2, 3, 5, 10, 15)
Found = dict[int, np.ndarray]  # by frame number, (k, 5): x1, y1, x2, y2, score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=60, help="of each video (default: %(default)s)")
    chosen = parser.parse_args()
    settings = GeneratedSettings(frames=chosen.frames)
    videos = true_boxes(chosen.videos, settings)
    print(f"{len(videos)} videos of {settings.frames} frames, {settings.fps} a second")
    for people, truths in ((1, videos), (2, in_pairs(videos, settings.width / 4))):
        print(f"\npeople: {people}    IoU            covered")
        print("   k    repeat  carry    repeat  carry")
        for stride in STRIDES:
            repeated, carried = (kept(truths, way, stride, settings) for way in (repeat, carry))
            print(f"{stride:4}     {repeated[0]:.3f}  {carried[0]:.3f}     {repeated[1]:.3f}  {carried[1]:.3f}")


def true_boxes(n_videos: int, settings: GeneratedSettings) -> list[Found]:
    """The boxes of `n_videos` generated videos, the motions and scenes taking turns."""
    pairs = list(product(settings.motions, settings.scenes))
    videos = []
    for number in range(n_videos):
        motion, scene = pairs[number * 7 % len(pairs)]  # another motion and another scene each time
        frames = render_with_truth(motion, scene, number // len(pairs), settings)
        videos.append({t: np.append(frame.box, 1)[None] for t, frame in enumerate(frames)})
    return videos


def in_pairs(videos: list[Found], apart: float) -> list[Found]:
    """Each video's boxes with those of the next, moved `apart` pixels from one another."""
    aside = np.array([apart / 2, 0, apart / 2, 0, 0])
    pairs = zip(videos, videos[1:] + videos[:1], strict=True)
    return [{t: np.concatenate([one[t] - aside, other[t] + aside]) for t in one} for one, other in pairs]


def carry(truth: Found, stride: int) -> Found:
    """What the persons stage makes of boxes found in every `stride`-th frame and the last."""
    looked = {t: boxes for t, boxes in truth.items() if t % stride == 0 or t == len(truth) - 1}
    rows = carry_boxes(looked)
    return {t: rows[rows[:, 0] == t, 1:] for t in truth}


def repeat(truth: Found, stride: int) -> Found:
    """The boxes of every `stride`-th frame, held."""
    return {t: truth[t - t % stride] for t in truth}


def kept(
    truths: list[Found], way: Callable[[Found, int], Found], stride: int, settings: GeneratedSettings
) -> tuple[float, float]:
    """Mean over all frames of IoU of the masks and of the part of the true mask that is covered."""
    iou, covered = [], []
    for truth in truths:
        boxes = way(truth, stride)
        for t in truth:
            true, found = (mask(of[t], settings) for of in (truth, boxes))
            common = np.count_nonzero(true & found)
            iou.append(common / np.count_nonzero(true | found))
            covered.append(common / np.count_nonzero(true))
    return float(np.mean(iou)), float(np.mean(covered))


def mask(boxes: np.ndarray, settings: GeneratedSettings) -> np.ndarray:
    """(height, width) bool: where the tracker leaves out of the camera's motion what it sees."""
    background = background_mask({0: boxes[:, :4]}, 0, settings.height, settings.width)
    return np.zeros((settings.height, settings.width), bool) if background is None else background == 0


if __name__ == "__main__":
    main()
