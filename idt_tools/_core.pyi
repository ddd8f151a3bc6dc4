"""Types of the compiled core."""

from types import ModuleType

import numpy as np

INSTRUCTION_SETS: tuple[str, ...]

def build(instruction_set: str) -> ModuleType: ...

class Tracker:
    def __init__(
        self,
        width: int,
        height: int,
        *,
        max_scales: int = 8,
        sampling_step: int = 5,
        quality: float = 0.001,
        min_deviation: float = 1.7320508,
        max_deviation: float = 50.0,
        max_jump: float = 20.0,
        max_jump_share: float = 0.7,
        min_motion: float = 1.0,
    ) -> None: ...
    def start(self, frame: np.ndarray) -> bool: ...
    def flow_at(self, points: np.ndarray) -> np.ndarray: ...
    def finish(self, homography: np.ndarray) -> None: ...
    def take(self, info: np.ndarray, descriptors: np.ndarray, points: np.ndarray) -> int: ...
    @property
    def finished(self) -> int: ...
    @property
    def live_tracks(self) -> int: ...
    @property
    def stage_seconds(self) -> dict[str, float]: ...
    @property
    def scales(self) -> list[tuple[float, int, int]]: ...

def match_features(
    points: np.ndarray,
    features: np.ndarray,
    previous_points: np.ndarray,
    previous_features: np.ndarray,
    radius: float,
) -> np.ndarray: ...

class kernels:
    @staticmethod
    def resize_grey(image: np.ndarray, width: int, height: int) -> np.ndarray: ...
    @staticmethod
    def resize(image: np.ndarray, width: int, height: int) -> np.ndarray: ...
    @staticmethod
    def reduce(image: np.ndarray, factor: float, width: int, height: int) -> np.ndarray: ...
    @staticmethod
    def expand(image: np.ndarray) -> list[np.ndarray]: ...
    @staticmethod
    def median(image: np.ndarray) -> np.ndarray: ...
    @staticmethod
    def corner_measure(image: np.ndarray) -> np.ndarray: ...
    @staticmethod
    def warp(previous: np.ndarray, current: np.ndarray, homography: np.ndarray) -> np.ndarray: ...
