"""How many cores load clips as fast as a network learns from them.

`make benchmark-pretraining` and `make gpu-report` measure both rates on your machine.
"""

# Frames of 240 pixels per second that a loading process reads, crops and hands over: about 187 clips of 16 frames. It
# was measured on one core with videos 320x240 and 427x240 and all five crop scales (benchmarks/frames.py).
FRAMES_PER_CORE = 3000


def loading_cores(clips_per_second: float, clip_length: int = 16, short_side: int = 240) -> float:
    """Returns the number of cores that load `clips_per_second`, not rounded.

    Args:
        clips_per_second: The clips that the network learns from.
        clip_length: Frames per clip.
        short_side: Shorter side of the stored frames, in pixels. Frames of 128 pixels take half the time of 240.
    """
    return clips_per_second * clip_length / FRAMES_PER_CORE * short_side / 240
