"""Settings of the generated videos."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflow_scripts.ground.setting import setting


@dataclass(frozen=True)
class GeneratedSettings:
    """Settings of the generated videos, which the paper does not have."""

    motions: Sequence[str] = setting(
        ("wave", "jump", "spin", "kick", "walk", "push"), "Motions; they are the labels.", source="ours"
    )
    scenes: Sequence[str] = setting(
        ("bricks", "meadow", "tiles", "beach", "city", "cabin"),
        "Scenes: a second label, which is independent of the motion.",
        source="ours",
    )
    per_pair: int = setting(4, "Videos per motion and scene.", source="ours")
    frames: int = setting(32, "Frames per video.", source="ours")
    width: int = setting(160, "Width of a frame, an even number.", source="ours", unit="pixels")
    height: int = setting(120, "Height of a frame, an even number.", source="ours", unit="pixels")
    fps: int = setting(25, "Frames per second.", source="ours")
    seed: int = setting(0, "Seed of all random choices.", source="ours", minimum=0, maximum=2**32 - 1)
