"""The rates of K-means and of training, measured on small random input; the pilot's videos cannot give them."""

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
from workflow_scripts.ground.identity import rng
from workflow_scripts.pretraining.learner import Learner
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.resnet3d import ResNet3D
from workflow_scripts.pretraining.settings import PretrainingSettings

log = logging.getLogger(__name__)

SLICE = (8192, 1024)  # points and clusters of the K-means that is timed
WARM_UP, STEPS = 2, 5  # steps of training before the timed ones, which take longer, and the timed ones
FEW_CLIPS, BATCH_SECONDS = 2, 4.0  # on a CPU: clips of a first try, and what a step may take of which more are tried


def kmeans_seconds(dimensions: int) -> float:
    """Seconds of one core for one point, cluster and iteration of K-means in a space of so many dimensions."""
    points = rng("estimate").standard_normal((SLICE[0], dimensions)).astype(np.float32)
    cluster(points[:2], ClustersSettings(k=1, iterations=1))  # loads its library, whose threads can then be limited
    seconds = []
    with threadpool_limits(1):
        for iterations in (1, 4):  # their difference is free of what is done once
            started = time.process_time()
            cluster(points, ClustersSettings(k=SLICE[1], iterations=iterations))
            seconds.append(time.process_time() - started)
    return (seconds[1] - seconds[0]) / (3 * SLICE[0] * SLICE[1])


@dataclass(frozen=True)
class NetworkSeconds:
    """Seconds, by the clock, that a clip takes in a step of training and in a forward pass alone."""

    trained: float
    forward: float


def network_seconds(settings: PretrainingSettings, threads: int) -> NetworkSeconds:
    """The rates of a run's network in its batch (Video IR) on this machine's GPU or, without, its CPU.

    On a CPU by `threads` threads; of a batch so many clips as take some seconds. Loading the clips is not in it.
    """
    shape = settings.depth, settings.width, settings.shortcut, settings.clip_length, settings.crop_size
    return _network_seconds(shape, settings.batch_size, threads)


@functools.cache
def _network_seconds(shape: tuple[int, float, str, int, int], batch: int, threads: int) -> NetworkSeconds:
    depth, width, shortcut, clip_length, crop_size = shape
    log.info("networks: steps of depth %d, width %g, %d frames of %d pixels", depth, width, clip_length, crop_size)
    settings = PretrainingSettings(
        depth=depth, width=width, shortcut=shortcut, clip_length=clip_length, crop_size=crop_size
    )
    if torch.cuda.is_available():
        return _timed(settings, batch)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        few = _timed(settings, min(FEW_CLIPS, batch), steps=1)
        return _timed(settings, min(batch, max(FEW_CLIPS, int(BATCH_SECONDS / few.trained))))
    finally:
        torch.set_num_threads(before)


def _timed(settings: PretrainingSettings, clips: int, steps: int = STEPS) -> NetworkSeconds:
    """The rates of a batch of `clips`, over `steps` after a warm-up."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
    with torch.no_grad():
        return NetworkSeconds(trained, seconds(lambda step: model.eval()(inputs)))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
