"""What the frames stage can be told."""

from dataclasses import dataclass

VERSION = 3  # raised when the stage's result changes


@dataclass(frozen=True)
class FramesSettings:
    """How a video's frames are kept for training."""

    short_side: int = 128  # pixels of the shorter side of a kept frame; ours (crops are 112 in paper 4.2)
    jpeg_quality: int = 90  # 1..100; ours
