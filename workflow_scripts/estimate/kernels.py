"""Rates that a pilot's videos cannot give, measured on made-up input of a size that is quick: K-means and training."""

import functools
import logging
import time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from workflow_scripts.clusters.kmeans import kmeans
from workflow_scripts.identity import rng
from workflow_scripts.pretraining.learner import Learner
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings

log = logging.getLogger(__name__)

SLICE = (8192, 1024)  # points and clusters of the K-means that is timed
STEPS = 2  # of training that are timed, after one that is not
CLIPS_ON_CPU = 2  # in such a step, where a full batch would take minutes


def kmeans_seconds(dimensions: int) -> float:
    """Seconds of one core for one point, cluster and iteration of K-means in a space of so many dimensions."""
    points = rng("estimate").standard_normal((SLICE[0], dimensions)).astype(np.float32)
    kmeans(points[:2], 1, iterations=1)  # loads its library, whose threads can then be limited
    seconds = []
    with threadpool_limits(1):
        for iterations in (1, 4):  # their difference is free of what is done once
            started = time.process_time()
            kmeans(points, SLICE[1], iterations=iterations)
            seconds.append(time.process_time() - started)
    return (seconds[1] - seconds[0]) / (3 * SLICE[0] * SLICE[1])


def training_seconds(settings: PretrainingSettings) -> float:
    """Seconds, by the clock, for one clip of a training step (Video IR) on this machine's GPU or, without, its CPU.

    A full batch on a GPU; on a CPU fewer clips. Loading them is not in it.
    """
    clips = settings.batch if torch.cuda.is_available() else min(settings.batch, CLIPS_ON_CPU)
    return _training_seconds(settings.depth, settings.width, settings.clip_length, settings.size, clips)


@functools.cache
def _training_seconds(depth: int, width: float, clip_length: int, size: int, clips: int) -> float:
    log.info("pretraining: steps of depth %d, width %g, %d frames of %d pixels", depth, width, clip_length, size)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    settings = PretrainingSettings(depth=depth, width=width, batch=clips, negatives=clips)
    model = ResNet3D(depth, settings.embedding, width).to(device)
    bank = MemoryBank([str(row) for row in range(2 * clips)], settings.embedding, 0)
    learner = Learner("instance", model, bank, settings, 0)
    inputs = torch.randn(clips, 3, clip_length, size, size, device=device)
    inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
    started = 0.0
    for step in range(1 + STEPS):
        if step == 1:
            _wait(device)
            started = time.perf_counter()
        learner.step(inputs, list(range(clips)), 0, step)
    _wait(device)
    return (time.perf_counter() - started) / (STEPS * clips)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
