"""What masking the people does to the estimate of the camera's motion, where that motion is known.

    make benchmark-people_mask                             # 24 generated videos, each in three sizes; about 5 minutes

A camera follows a person who fills little, a third or more than half of the picture (320 x 240 pixels). Errors are in
pixels a frame, against the true motion of the background: the median over places outside the boxes and inside, where it
is the background behind the person. Trajectories: how many lie on the background, where all should be taken out as the
camera's, and how many on the person. Each with the boxes of the truth and with those that `hog` finds; with the
difference that the mask makes, and its 95 % bootstrap interval over the videos.

With -o FOLDER the videos are written there too, a folder for each size, with the true boxes (`.bb`): a dataset of
layout `manifest`, to ask what the mask does to accuracy.
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
SIZES = {"little": 240, "a third": 340, "more than half": 500}  # rows of the picture out of which HEIGHT are cut
STEADINESS = 5  # frames: how smoothly the camera follows, as the deviation of a Gaussian


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24, help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=24, help="of each video (default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    hog = Hog(PersonsSettings())
    for size in chosen.sizes:
        effects: dict[str, list[Effect]] = {"truth": [], "hog": []}
        for motion, scene, take in cast(chosen.videos):
            frames = film(motion, scene, take, size, chosen.frames)
            if chosen.output:
                write(chosen.output / size.replace(" ", "_"), motion, scene, take, frames)
            pictures = [frame.image for frame in frames]
            effects["truth"].append(mask_effect(pictures, true_boxes(frames), true_motion(frames)))
            found = carry_boxes(dict(enumerate(hog.detect(pictures))))
            if len(found):
                effects["hog"].append(mask_effect(pictures, found, true_motion(frames)))
        for name, measured in effects.items():
            print_effects(f"people fill {size}, boxes: {name}", measured)


def cast(n_videos: int) -> list[tuple[str, str, int]]:
    """Motion, scene and take of each video, motions and scenes taking turns."""
    pairs = list(product(GeneratedSettings().motions, GeneratedSettings().scenes))
    return [(*pairs[number * 7 % len(pairs)], number // len(pairs)) for number in range(n_videos)]


def film(motion: str, scene: str, take: int, size: str, n_frames: int) -> list[Frame]:
    """A generated video as a camera sees it that follows the person, who fills the picture as `size` says."""
    rows = SIZES[size]
    # As many frames a second more as what is cut out is magnified: moved by as many pixels a frame as the whole.
    settings = GeneratedSettings(frames=n_frames, width=rows * WIDTH // HEIGHT, height=rows, fps=25 * rows // HEIGHT)
    frames = list(render_with_truth(motion, scene, take, settings))
    centres = np.array([(frame.box[:2] + frame.box[2:]) / 2 for frame in frames])
    corners = gaussian_filter1d(centres, STEADINESS, axis=0, mode="nearest") - [WIDTH / 2, HEIGHT / 2]
    corners = np.clip(corners.round().astype(int), 0, [settings.width - WIDTH, settings.height - HEIGHT])
    return [cut(frame, *corner) for frame, corner in zip(frames, corners.tolist(), strict=True)]


def cut(frame: Frame, left: int, top: int) -> Frame:
    """WIDTH x HEIGHT pixels of a frame, with the truth about them."""
    image = np.ascontiguousarray(frame.image[top : top + HEIGHT, left : left + WIDTH])
    box = np.clip(frame.box - [left, top, left, top], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
    return Frame(image, box, np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ frame.camera)


def true_boxes(frames: Sequence[Frame]) -> np.ndarray:
    """(n, 6) rows frame, x1, y1, x2, y2, score."""
    return np.array([(number, *frame.box, 1) for number, frame in enumerate(frames)], np.float32)


def true_motion(frames: Sequence[Frame]) -> list[np.ndarray]:
    """How the background moves from each frame to the next, (H, W, 2) in pixels."""
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float64), np.arange(HEIGHT, dtype=np.float64))
    places = np.stack([x, y], axis=-1)
    return [cv2.perspectiveTransform(places, homography) - places for homography in homographies(frames)[1:]]


def write(folder: Path, motion: str, scene: str, take: int, frames: Sequence[Frame]) -> None:
    """The video, its true boxes, and a line of the manifest, whose groups are the takes."""
    name = f"{motion}_{scene}_{take:02d}"
    (folder / "boxes" / motion).mkdir(parents=True, exist_ok=True)
    write_video(folder / motion / f"{name}.mp4", (frame.image for frame in frames), GeneratedSettings().fps)
    write_bb(folder / "boxes" / motion / f"{name}.bb", true_boxes(frames), len(frames), WIDTH, HEIGHT)
    manifest = folder / "manifest.csv"
    head = "" if manifest.exists() else "path,label,group\n"
    with manifest.open("a") as file:
        file.write(f"{head}{motion}/{name}.mp4,{motion},take{take:02d}\n")


def print_effects(title: str, effects: Sequence[Effect]) -> None:
    """The table of one size and detector."""
    print(f"\n{title} ({len(effects)} videos", end="")
    if not effects:
        print(")")
        return
    persons, covered = (np.mean([getattr(effect, name) for effect in effects]) for name in ("persons", "covered"))
    print(f"; {persons:.2f} boxes a frame, {covered:.0%} of it)\n{'':26}without   masked   difference")
    for measure in MEASURES:
        mean = change([getattr(effect, measure) for effect in effects])
        digits = 3 if measure.endswith("error") else 1
        numbers = f"{mean.unmasked:9.{digits}f}{mean.masked:9.{digits}f}{mean.difference:+11.{digits}f}"
        print(
            f"{measure.replace('_', ' '):24}{numbers}  ({mean.low:+.{digits}f} to {mean.high:+.{digits}f})", flush=True
        )


if __name__ == "__main__":
    main()
