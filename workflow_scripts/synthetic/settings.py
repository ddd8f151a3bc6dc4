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
    places: int = setting(
        0,
        "Places per scene, which the takes share in turn. 0: a place of its own for each take.",
        source="ours",
        minimum=0,
    )
    people: int = setting(
        0, "People per scene, who appear in turn. 0: each video has its own.", source="ours", minimum=0
    )
    figure_height: Sequence[float] = setting(
        (0.58, 0.72), "Least and greatest height of a person, as a share of the frame's.", source="ours"
    )
    light: float = setting(
        1.0, "How much the light differs from video to video. 0: not at all.", source="ours", minimum=0, maximum=1
    )
    camera: float = setting(
        1.0,
        "How much the camera moves. 0: it stands still.",
        source="ours",
        minimum=0,
        maximum=1,
    )
    contrast: float = setting(
        1.0, "Contrast of the places. 0: a place has one color.", source="ours", minimum=0, maximum=1
    )
    seed: int = setting(0, "Seed of all random choices.", source="ours", minimum=0, maximum=2**32 - 1)
