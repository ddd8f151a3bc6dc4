"""Effect of masking people on the estimated camera motion, on videos with known motion.

    make benchmark-people_mask                             # 24 generated videos in three sizes; about 5 minutes

A camera follows a person who fills little, a third or more than half of the frame (320 x 240 pixels). Errors are
median differences to the true motion of the background, in pixels per frame, outside and inside the boxes (inside: of
the background behind the person). Trajectories are counted on the background, where the tracker should remove all, and
on the person. The tables use true boxes and boxes from `hog`. They show the effect of the mask and its 95 % bootstrap
interval over the videos.

-o FOLDER also writes the videos to a folder per size, with the true boxes (`.bb`), as a dataset of layout `manifest`.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from idt_tools.person_boxes import write_bb
from workflow_scripts.persons.boxes import carry_boxes
from workflow_scripts.persons.hog import Hog
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.report.examples.measure_people import MEASURES, Effect, change, mask_effect
from workflow_scripts.synthetic.generate import Frame, homographies, render_with_truth, write_video
from workflow_scripts.synthetic.settings import GeneratedSettings

WIDTH, HEIGHT = 320, 240
SIZES = {
    "little": 240,
    "a third": 340,
    "more than half": 500,
}  # rows of the rendered frame, of which HEIGHT are cropped
STEADINESS = 5  # frames, the standard deviation of a Gaussian that smooths the path of the camera


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=24, help="per video (default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    hog = Hog(PersonsSettings())
    for size in arguments.sizes:
        effects: dict[str, list[Effect]] = {"truth": [], "hog": []}
        for motion, scene, take in kinds_of_videos(arguments.videos):
            frames = film(motion, scene, take, size, arguments.frames)
            if arguments.output:
                write(arguments.output / size.replace(" ", "_"), motion, scene, take, frames)
            pictures = [frame.image for frame in frames]
            effects["truth"].append(mask_effect(pictures, true_boxes(frames), true_motion(frames)))
            hog_boxes = carry_boxes(dict(enumerate(hog.detect(pictures))))
            if len(hog_boxes):
                effects["hog"].append(mask_effect(pictures, hog_boxes, true_motion(frames)))
        for name, measured in effects.items():
            print_effects(f"people fill {size}, boxes: {name}", measured)


def kinds_of_videos(n_videos: int) -> list[tuple[str, str, int]]:
    """Motion, scene and take of each video. Motions and scenes alternate."""
    pairs = list(product(GeneratedSettings().motions, GeneratedSettings().scenes))
    return [(*pairs[number * 7 % len(pairs)], number // len(pairs)) for number in range(n_videos)]


def film(motion: str, scene: str, take: int, size: str, n_frames: int) -> list[Frame]:
    """Generates a video with a camera that follows the person, who fills as much of the frame as `size` says."""
    rows = SIZES[size]
    # The frame rate grows with the magnification, so that the motion in pixels per frame stays the same.
    settings = GeneratedSettings(frames=n_frames, width=rows * WIDTH // HEIGHT, height=rows, fps=25 * rows // HEIGHT)
    frames = list(render_with_truth(motion, scene, take, settings))
    centres = np.array([(frame.box[:2] + frame.box[2:]) / 2 for frame in frames])
    corners = gaussian_filter1d(centres, STEADINESS, axis=0, mode="nearest") - [WIDTH / 2, HEIGHT / 2]
    corners = np.clip(corners.round().astype(int), 0, [settings.width - WIDTH, settings.height - HEIGHT])
    return [cut(frame, *corner) for frame, corner in zip(frames, corners.tolist(), strict=True)]


def cut(frame: Frame, left: int, top: int) -> Frame:
    """Crops WIDTH x HEIGHT pixels of a frame, with its true box and camera."""
    image = np.ascontiguousarray(frame.image[top : top + HEIGHT, left : left + WIDTH])
    box = np.clip(frame.box - [left, top, left, top], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
    return Frame(image, box, np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ frame.camera)


def true_boxes(frames: Sequence[Frame]) -> np.ndarray:
    """The true boxes: (n, 6) rows frame, x1, y1, x2, y2, score."""
    return np.array([(number, *frame.box, 1) for number, frame in enumerate(frames)], np.float32)


def true_motion(frames: Sequence[Frame]) -> list[np.ndarray]:
    """The motion of the background from each frame to the next, (H, W, 2) in pixels."""
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float64), np.arange(HEIGHT, dtype=np.float64))
    places = np.stack([x, y], axis=-1)
    return [cv2.perspectiveTransform(places, homography) - places for homography in homographies(frames)[1:]]


def write(folder: Path, motion: str, scene: str, take: int, frames: Sequence[Frame]) -> None:
    """Writes the video, its true boxes, and its line of the manifest, where groups are takes."""
    name = f"{motion}_{scene}_{take:02d}"
    (folder / "boxes" / motion).mkdir(parents=True, exist_ok=True)
    write_video(folder / motion / f"{name}.mp4", (frame.image for frame in frames), GeneratedSettings().fps)
    write_bb(folder / "boxes" / motion / f"{name}.bb", true_boxes(frames), len(frames), WIDTH, HEIGHT)
    manifest = folder / "manifest.csv"
    head = "" if manifest.exists() else "path,label,group\n"
    with manifest.open("a") as file:
        file.write(f"{head}{motion}/{name}.mp4,{motion},take{take:02d}\n")


def print_effects(title: str, effects: Sequence[Effect]) -> None:
    """Prints the table of one size and detector."""
    print(f"\n{title} ({len(effects)} videos", end="")
    if not effects:
        print(")")
        return
    persons, covered = (np.mean([getattr(effect, name) for effect in effects]) for name in ("persons", "covered"))
    print(f"; {persons:.2f} boxes per frame, {covered:.0%} of it)\n{'':26}without   masked   difference")
    for measure in MEASURES:
        mean = change([getattr(effect, measure) for effect in effects])
        digits = 3 if measure.endswith("error") else 1
        numbers = f"{mean.unmasked:9.{digits}f}{mean.masked:9.{digits}f}{mean.difference:+11.{digits}f}"
        print(
            f"{measure.replace('_', ' '):24}{numbers}  ({mean.low:+.{digits}f} to {mean.high:+.{digits}f})", flush=True
        )


if __name__ == "__main__":
    main()
