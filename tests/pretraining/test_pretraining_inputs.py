"""The input of the network, compared with torch's resizing, OpenCV's colors and indexing."""

import cv2
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional

from workflow_scripts.pretraining.augmentation import Color, Draw
from workflow_scripts.pretraining.inputs import LUMA, MEAN, change_colors, collate, to_input


def clip(side: int, seed: int = 0, frames: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3)).astype(np.uint8)


def to_images(inputs: torch.Tensor) -> np.ndarray:
    """The images (B, T, S, S, 3) of 0..255 of an input."""
    return (inputs + torch.tensor(MEAN)[:, None, None, None]).permute(0, 2, 3, 4, 1).numpy()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(5, 60), min_size=1, max_size=4), st.integers(4, 50))
def test_to_input_resizes_by_an_antialiased_bilinear_filter(sides, size):
    clips = [clip(side, seed) for seed, side in enumerate(sides)]
    images = to_images(to_input(collate([(frames, Draw(0)) for frames in clips]), size))
    for frames, resized in zip(clips, images, strict=True):
        image = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
        expected = functional.interpolate(image, (size, size), mode="bilinear", antialias=True)
        assert np.abs(resized - expected.permute(0, 2, 3, 1).numpy()).max() < 0.01


def test_to_input_same_size_copies_or_mirrors():
    frames = clip(12)
    plain, flipped = to_images(to_input(collate([(frames, Draw(0)), (frames, Draw(0, flip=True))]), 12))
    assert np.abs(plain - frames).max() < 1e-4
    assert np.abs(flipped - frames[:, :, ::-1]).max() < 1e-4


def test_to_input_does_not_depend_on_other_clips():
    small = (clip(9), Draw(0, flip=True, color=Color(hue=0.1)))
    alone = to_input(collate([small]), 16)
    among = to_input(collate([(clip(31, 1), Draw(0)), small, (clip(20, 2), Draw(0))]), 16)
    torch.testing.assert_close(among[1:2], alone, rtol=0, atol=1e-3)


def test_to_input_range_and_memory_format():
    frames = np.zeros((3, 4, 4, 3), np.uint8)
    frames[..., 1] = 255
    values = to_input(collate([(frames, Draw(0))] * 2), 4)
    assert values.shape == (2, 3, 3, 4, 4) and values.dtype == torch.float32
    assert values[0, :, 0, 0, 0].tolist() == pytest.approx([-MEAN[0], 255 - MEAN[1], -MEAN[2]])
    assert values.is_contiguous(memory_format=torch.channels_last_3d)


def colored_by_opencv(frames: np.ndarray, color: Color) -> np.ndarray:
    """Changes the colors of a clip in one image of all its pixels, and the hue by OpenCV's HSV."""
    values = frames.reshape(1, -1, 3).astype(np.float32)
    if color.grey:
        values = cv2.cvtColor(cv2.cvtColor(values, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    luma = np.array(LUMA, np.float32)
    values = values * color.brightness
    middle = (values @ luma).mean()
    values = (values - middle) * color.contrast + middle
    light = (values @ luma)[..., None]
    values = np.clip((values - light) * color.saturation + light, 0, 255)
    hsv = cv2.cvtColor(values / 255, cv2.COLOR_RGB2HSV)  # hue 0..360
    hsv[..., 0] = (hsv[..., 0] + 360 * color.hue) % 360
    return (cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255).reshape(frames.shape)


factors = st.floats(0.6, 1.4)
colors = st.builds(Color, st.booleans(), factors, factors, factors, st.floats(-0.4, 0.4))


@settings(max_examples=60, deadline=None)
@given(st.lists(colors, min_size=1, max_size=3), st.integers(0, 1000))
def test_change_colors_agrees_with_opencv(changes, seed):
    clips = [clip(6, seed + number) for number in range(len(changes))]
    drawn = [(frames, Draw(0, color=color)) for frames, color in zip(clips, changes, strict=True)]
    images = to_images(to_input(collate(drawn), 6))
    for frames, color, changed in zip(clips, changes, images, strict=True):
        assert np.abs(changed - colored_by_opencv(frames, color)).max() < 0.05


def test_change_colors_default_and_equal_frames():
    frames = np.repeat(clip(8, frames=1), 3, axis=0)
    values = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float()
    same = change_colors(values, torch.tensor([Color()], dtype=torch.float32))
    torch.testing.assert_close(same, values, rtol=0, atol=1e-3)
    changed = change_colors(values, torch.tensor([Color(False, 1.2, 0.7, 1.3, 0.2)], dtype=torch.float32))
    assert torch.equal(changed[:, :, 0], changed[:, :, 2]) and float((changed - values).abs().max()) > 10
    grey = change_colors(values, torch.tensor([Color(grey=True)], dtype=torch.float32))
    assert float((grey.amax(1) - grey.amin(1)).max()) < 1e-3
