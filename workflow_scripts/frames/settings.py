"""What the frames stage can be told."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage, raised when the same video gives other frames.
VERSIONS = {"store_frames": 3}


@dataclass(frozen=True)
class FramesSettings:
    """How a video's frames are kept for training."""

    # The smallest crop is half the short side. With 240 it has 120 pixels, so no crop is enlarged to crop_size 112.
    # With 128, four of the five crops (64 to 107 pixels) are enlarged. They keep .59 (largest) to .19 (smallest) of
    # the energy above half the Nyquist frequency. 128 takes two fifths of the disk of 240 and half of its loading time.
    short_side: int = setting(
        240,
        "Shorter side of the frames stored for training, about twice pretraining.crop_size. With less, small crops are "
        "enlarged and so blurred.",
        source="authors' code",
        unit="pixels",
        minimum=16,
    )
    jpeg_quality: int = setting(90, "JPEG quality of the stored frames.", source="ours", minimum=1, maximum=100)
