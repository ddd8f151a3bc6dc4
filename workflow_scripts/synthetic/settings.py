"""What can be set about the generated videos."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class GeneratedSettings:
    """What to generate (ours; the paper generates nothing)."""

    motions: Sequence[str] = ("wave", "jump", "spin", "kick", "walk", "push")  # names in MOTIONS
    scenes: Sequence[str] = ("bricks", "meadow", "tiles", "beach", "city", "cabin")  # names in SCENES
    per_pair: int = 4  # videos of each motion in each scene
    frames: int = 32  # frames of a video
    width: int = 160  # pixels, even
    height: int = 120  # pixels, even
    fps: int = 25  # frames per second
    seed: int = 0
