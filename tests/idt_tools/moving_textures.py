"""Videos whose motion is known, for the tests of the tracker."""

import cv2
import numpy as np

IDENTITIES = np.tile(np.eye(3), (64, 1, 1))


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Returns a smooth random pattern (height, width) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def drift(n_frames: int, dx: float, dy: float, height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    """Returns frames (n_frames, height, width) of a texture that moves by (dx, dy) pixels per frame."""
    wide = texture(2 * height, 2 * width, seed)
    frames = []
    for t in range(n_frames):
        shift = np.array([[1, 0, width / 2 - dx * t], [0, 1, height / 2 - dy * t]], np.float32)
        frames.append(cv2.warpAffine(wide, shift, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    return np.stack(frames)


def about_the_centre(n_frames: int, zoom: float, degrees: float, height: int = 180, width: int = 240) -> np.ndarray:
    """Returns frames of a texture that grows by `zoom` and turns by `degrees` per frame around the image's centre."""
    wide = texture(2 * height, 2 * width)
    frames = []
    for t in range(n_frames):
        matrix = cv2.getRotationMatrix2D((width, height), -degrees * t, zoom**t)
        matrix[:, 2] -= width / 2, height / 2
        frames.append(cv2.warpAffine(wide, matrix, (width, height), flags=cv2.INTER_LINEAR))
    return np.stack(frames)


def level_stripes(n_frames: int) -> np.ndarray:
    """Returns frames (n_frames, 240, 320) of straight horizontal stripes with weak noise, whose flow is arbitrary."""
    noise = 2 * np.random.default_rng(0).normal(size=(n_frames, 240, 320))
    phase = 2 * np.pi * (np.arange(240)[:, None] + 0.0008 * np.arange(320)) / 40
    shift = 0.0008 * 2 * np.pi * np.arange(n_frames)[:, None, None] / 40
    return np.clip(127 + 100 * np.sign(np.sin(phase - shift)) + noise, 0, 255).astype(np.uint8)


def square_before_a_moving_camera(n_frames: int = 24) -> np.ndarray:
    """Returns frames of a background that moves by (1.5, 0.5) and a 60-pixel square that moves by (-2, 0) per frame."""
    frames = drift(n_frames, 1.5, 0.5, 180, 240)
    square = texture(60, 60, seed=1)
    for t, frame in enumerate(frames):
        frame[60:120, 130 - 2 * t : 190 - 2 * t] = square
    return frames
