"""What the frames stage can be told."""

from dataclasses import dataclass

# The VERSION of each stage, raised when the same video gives other frames.
VERSIONS = {"store_frames": 3}


@dataclass(frozen=True)
class FramesSettings:
    """How a video's frames are kept for training."""

    # Pixels of the shorter side of a kept frame; authors' code (240 for crops of 112). The smallest crop is half of it,
    # 120, so that none is enlarged. At 128 four crop sizes of five are (107 to 64 pixels): training sees them blurred.
    short_side: int = 240
    jpeg_quality: int = 90  # 1..100; ours
