"""Settings of the stored frames."""

from dataclasses import dataclass

from workflow_scripts.ground.setting import setting

# The VERSION of each stage. Raise it if the same video gives other frames.
VERSIONS = {"store_frames": 3}


@dataclass(frozen=True)
class FramesSettings:
    """Section `frames` of the config."""

    # The smallest crop is half the short side. With 240 it has 120 pixels, so no crop is enlarged to crop_size 112.
    # With 128, four of the five crops (64 to 107 pixels) are enlarged. They keep 0.59 (largest) to 0.19 (smallest) of
    # the energy above half the Nyquist frequency. 128 takes 2/5 of the disk space of 240 and half of its loading time.
    short_side: int = setting(
        240,
        "Shorter side of the stored frames, about twice pretraining.crop_size. With fewer pixels, small crops are "
        "enlarged and therefore blurred.",
        source="authors' code",
        unit="pixels",
        minimum=16,
    )
    jpeg_quality: int = setting(90, "JPEG quality of the stored frames.", source="ours", minimum=1, maximum=100)
