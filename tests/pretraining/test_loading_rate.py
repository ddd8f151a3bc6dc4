"""The cores that a training on a GPU asks for."""

import math
from pathlib import Path

import pytest
import yaml

from workflow_scripts.pretraining.loading_rate import FRAMES_PER_CORE, loading_cores

# Clips of 16 frames per second that R3D-18 learns from with a batch of 256, roughly
LEARNED_BY = {"A100": 1250, "H200": 4000}
PROFILE = Path(__file__).parents[2] / "profiles/slurm/config.yaml"


def test_loading_cores_grow_with_the_pixels_of_a_second():
    assert loading_cores(FRAMES_PER_CORE / 16) == pytest.approx(1)
    assert loading_cores(100, clip_length=64) == pytest.approx(4 * loading_cores(100))
    assert loading_cores(100, short_side=120) == pytest.approx(loading_cores(100) / 2)


def test_slurm_profile_asks_for_the_cores_that_load_for_its_gpu():
    """One more core than the loading processes need is for the training itself."""
    cores = {gpu: math.ceil(loading_cores(rate)) + 1 for gpu, rate in LEARNED_BY.items()}
    text = PROFILE.read_text()
    threads = yaml.safe_load(text)["set-threads"]
    assert set(threads) == {"pretraining", "finetune", "features", "cluster_bank"}
    assert set(threads.values()) == {cores["A100"]}
    assert f"an H200 {cores['H200']}" in text
