"""The speed of K-means and of the networks, measured on small random input. The pilot does not run them."""

import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from workflow_scripts.clusters.cluster import cluster
from workflow_scripts.clusters.settings import ClustersSettings
from workflow_scripts.ground.devices import best_device
from workflow_scripts.ground.identity import rng
from workflow_scripts.pretraining.learner import Learner
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings, clips_per_pass

log = logging.getLogger(__name__)

SLICE = (8192, 1024)  # points and clusters of the timed K-means
WARM_UP, STEPS = 2, 5  # training steps before the timed ones, because the first ones are slower; timed steps
# The settings of a run that its speed depends on
TIMED = ("depth", "width", "shortcut", "clip_length", "crop_size", "batch_size", "precision", "micro_batch")
FEW_CLIPS, BATCH_SECONDS = 2, 4.0  # on a CPU: clips of the first measurement; seconds per step of the second


def kmeans_seconds(dimensions: int) -> float:
    """Core-seconds per point, cluster and iteration of K-means in a space of `dimensions`."""
    points = rng("estimate").standard_normal((SLICE[0], dimensions)).astype(np.float32)
    cluster(points[:2], ClustersSettings(k=1, iterations=1))  # loads the library, so that its threads can be limited
    seconds = []
    with threadpool_limits(1):
        for iterations in (1, 4):  # their difference excludes the work that is done once
            started = time.process_time()
            cluster(points, ClustersSettings(k=SLICE[1], iterations=iterations))
            seconds.append(time.process_time() - started)
    return (seconds[1] - seconds[0]) / (3 * SLICE[0] * SLICE[1])


@dataclass(frozen=True)
class NetworkSeconds:
    """Wall-clock seconds per clip in a training step, and in a forward pass only."""

    trained: float
    forward: float


def network_seconds(settings: PretrainingSettings, threads: int) -> NetworkSeconds:
    """The speed of a run's network (Video IR) on this machine's GPU; without a GPU, on its CPU with `threads`.

    On a GPU the batch is the run's. On a CPU it is smaller, so that a step takes some seconds. Loading is not timed.
    """
    return _network_seconds(PretrainingSettings(**{name: getattr(settings, name) for name in TIMED}), threads)


@functools.cache
def _network_seconds(settings: PretrainingSettings, threads: int) -> NetworkSeconds:
    batch, frames, pixels = settings.batch_size, settings.clip_length, settings.crop_size
    log.info(
        "networks: steps of depth %d, width %g, %d frames of %d pixels", settings.depth, settings.width, frames, pixels
    )
    if torch.cuda.is_available():
        return _timed(settings, batch)
    previous_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        first = _timed(settings, min(FEW_CLIPS, batch), steps=1)
        return _timed(settings, min(batch, max(FEW_CLIPS, int(BATCH_SECONDS / first.trained))))
    finally:
        torch.set_num_threads(previous_threads)


def _timed(settings: PretrainingSettings, clips: int, steps: int = STEPS) -> NetworkSeconds:
    """The speed with batches of `clips`, over `steps` after a warm-up."""
    device = best_device()
    model = ResNet3D(settings.depth, settings.embedding_dim, settings.width, settings.shortcut).to(device)
    bank = MemoryBank([str(row) for row in range(2 * clips)], settings.embedding_dim, 0)
    learner = Learner("instance", model, bank, replace(settings, batch_size=clips, negatives=clips), 0)
    inputs = torch.randn(clips, 3, settings.clip_length, settings.crop_size, settings.crop_size, device=device)
    inputs = inputs.contiguous(memory_format=torch.channels_last_3d)

    def seconds(work: Callable[[int], object]) -> float:
        for step in range(WARM_UP):
            work(step)
        _wait(device)
        started = time.perf_counter()
        for step in range(steps):
            work(WARM_UP + step)
        _wait(device)
        return (time.perf_counter() - started) / (steps * clips)

    trained = seconds(lambda step: learner.step(inputs, list(range(clips)), 0, step))
    model.eval()
    few = inputs[: clips_per_pass(settings)]
    with torch.no_grad(), autocast(settings.precision, device):
        return NetworkSeconds(trained, seconds(lambda step: model(few)) * clips / len(few))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
