"""How fast the network learns, how fast it is fed, and what the loss over the memory bank takes, on this machine.

    make benchmark-pretraining                      # R3D-18 at 112 pixels beside a bank of 235,000 videos
    python -m benchmarks.pretraining --short        # a small network for a few seconds, to see that it works

The plain step, which the others are compared with, is what one would write first: float32 as torch has it by default
(on a GPU that is TF32 in convolutions), tensors in their usual order, SGD weight by weight, a look at the loss after
every step. Products of large matrices say what the device can do at best. Clips come from a frames store of made-up
videos that the system keeps in memory: no disk is measured. Needs torch, numpy, h5py and OpenCV alone.
"""

import argparse
import functools
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import peak_memory, seconds
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.dataset import CLIPS_AT_ONCE, DrawnClips, consecutive, load_inputs
from workflow_scripts.pretraining.inputs import Squares, collate, to_input
from workflow_scripts.pretraining.learner import Learner, Targets, autocast
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives.batch import similarities
from workflow_scripts.pretraining.objectives.instance import draw_negatives, instance_loss
from workflow_scripts.pretraining.objectives.local_aggregation import local_aggregation_loss
from workflow_scripts.pretraining.resnet3d import ResNet3D, normalised
from workflow_scripts.pretraining.settings import PretrainingSettings

LOSS_BATCH = 256  # the paper's, whatever the batch of the steps
STORED_FRAMES = 40  # of each video


@dataclass(frozen=True)
class Taken:
    """What a piece of work takes each time, and at most beside what was held before."""

    seconds: float
    mebibytes: float


class Bench:
    """The device, the sizes it is given, and the bank of `n_videos` with clusters drawn at random."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.on_gpu = self.device.type == "cuda"
        self.settings = PretrainingSettings(
            batch_size=chosen.batch or (256 if self.on_gpu else 8), compile=chosen.compile
        )
        self.n_videos, self.matrix, self.times = 235_000, 8192 if self.on_gpu else 2048, 20 if self.on_gpu else 3
        if chosen.short:
            small = PretrainingSettings(depth=10, width=0.125, crop_size=32, k=50, negatives=64, neighbours=64)
            self.settings = replace(small, batch_size=chosen.batch or 4, compile=chosen.compile)
            self.n_videos, self.matrix = 2000, 256
        self.stored = 4 if chosen.short else 64  # videos whose clips are loaded
        self.bank = MemoryBank([str(row) for row in range(self.n_videos)], self.settings.embedding_dim, seed=0)
        self.bank.to(self.device)
        self.most = 0.0  # MiB held at any time
        shape, generator = (self.settings.m, self.n_videos), torch.Generator().manual_seed(0)
        self.labels = torch.randint(self.settings.k, shape, generator=generator).to(self.device)

    def model(self) -> ResNet3D:
        return ResNet3D(self.settings.depth, self.settings.embedding_dim, self.settings.width).to(self.device)

    def learner(self, objective: str, **changed: Any) -> Learner:
        learner = Learner(
            objective,
            self.model(),
            self.bank,
            replace(self.settings, **changed),
            seed=0,
            targets=Targets(fixed=self.labels),
        )
        learner.start_epoch(0)
        return learner

    def ready(self, batch: int, frames: int) -> Tensor:
        """Clips as `to_input` gives them."""
        clips = torch.randn(batch, 3, frames, self.settings.crop_size, self.settings.crop_size, device=self.device)
        return (50 * clips).contiguous(memory_format=torch.channels_last_3d)

    def take(self, work: Callable[[], object], times: int = 0) -> Taken:
        """Does `work` until it is warm, and then so many times by the clock.

        A GPU is not waited for between; of a CPU, which others may use too, the fastest time counts.
        """
        times = times or self.times
        before = self._held(anew=True)
        for _ in range(3 if self.on_gpu else 1):
            work()
        self.wait()
        start = time.perf_counter()
        each = [seconds(work) for _ in range(times)]
        self.wait()
        mean = (time.perf_counter() - start) / times
        return Taken(mean if self.on_gpu else min(each), self._held() - before)

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def _held(self, anew: bool = False) -> float:
        """MiB held at most since the last call with `anew`, which itself gives those held now."""
        held = torch.cuda.max_memory_allocated() / 2**20 if self.on_gpu else peak_memory()
        self.most = max(self.most, held)
        if not anew:
            return held
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again
        return self._held()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--batch", type=int, help="clips a step (default: 256 on a GPU, 8 on a CPU)")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 32, 64], help="of a clip (default: 16 32 64)")
    parser.add_argument("--workers", type=int, default=cores - 1, help="that load beside a GPU (default: cores - 1)")
    parser.add_argument("--compile", action="store_true", help="our steps by torch.compile (on a GPU one is anyway)")
    parser.add_argument("--short", action="store_true", help="a small network and bank, done in seconds")
    chosen = parser.parse_args()
    started = time.perf_counter()
    bench = Bench(chosen)
    device = torch.cuda.get_device_name() if bench.on_gpu else "no GPU is here: CPU"
    print(f"{device}; {cores} cores, torch {torch.__version__} with {torch.get_num_threads()} threads; ", end="")
    with autocast("auto", bench.device):
        print("precision auto is", "bfloat16" if torch.is_autocast_enabled(bench.device.type) else "float32")
    rates = matrix_rate(bench, torch.float32), matrix_rate(bench, torch.bfloat16)
    print(f"products of {bench.matrix} x {bench.matrix} matrices: ", end="")
    print("{:.2f} TFLOP/s in float32, {:.2f} in bfloat16".format(*rates), flush=True)
    for frames in chosen.frames:
        learning(bench, frames, rates, all_kinds=frames == chosen.frames[0])
    feeding(bench, chosen.workers)
    losses(bench)
    print(f"\nall this took {time.perf_counter() - started:.0f} s")


def matrix_rate(bench: Bench, dtype: torch.dtype) -> float:
    """TFLOP/s of the product of two large matrices, as torch computes it by default."""
    left, right = (torch.randn(bench.matrix, bench.matrix, device=bench.device, dtype=dtype) for _ in range(2))
    return 2e-12 * bench.matrix**3 / bench.take(lambda: left @ right, times=10).seconds


def flops_of_a_clip(settings: PretrainingSettings, frames: int) -> float:
    """Floating-point operations, forward and backward: 43e9 of R3D-18 at 16x112x112.

    Three times the forward pass would be 49e9, but the gradient with respect to the clip is nobody's need.
    """
    with torch.device("meta"):
        model = ResNet3D(settings.depth, settings.embedding_dim, settings.width)
        clips = torch.empty(2, 3, frames, settings.crop_size, settings.crop_size)
    with FlopCounterMode(display=False) as counter:
        model(clips).sum().backward()
    return counter.get_total_flops() / len(clips)


def plain_step(bench: Bench, batch: int, frames: int) -> Callable[[], float]:
    """What one would write first, of the instance objective."""
    settings, rows = bench.settings, torch.arange(batch, device=bench.device)
    model = bench.model()
    optimizer = torch.optim.SGD(
        model.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay, foreach=False
    )
    clips, generator = bench.ready(batch, frames).contiguous(), torch.Generator(bench.device)

    def step() -> float:
        embeddings = normalised(model(clips))
        negatives = draw_negatives(rows, bench.n_videos, settings.negatives, generator)
        loss = instance_loss(embeddings, bench.bank.rows, rows, temperature=settings.temperature, negatives=negatives)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bench.bank.update(rows, embeddings.detach(), settings.bank_momentum)
        return loss.item()

    return step


def our_step(bench: Bench, batch: int, frames: int, objective: str, **changed: Any) -> Callable[[], Tensor]:
    """The step of training."""
    learner, clips, rows = bench.learner(objective, **changed), bench.ready(batch, frames), list(range(batch))
    return lambda: learner.step(clips, rows, 0, 0)


def learning(bench: Bench, frames: int, rates: tuple[float, float], all_kinds: bool) -> None:
    """Prints the speed of steps on clips of so many frames that are ready on the device.

    The columns "of" are shares of the matrix products' rate, MiB what a step needs beside weights and clips.
    """
    kinds: dict[str, Callable[[int], Callable[[], object]]] = {
        "plain: float32, eager": lambda batch: plain_step(bench, batch, frames),
        "ours, instance": lambda batch: our_step(bench, batch, frames, "instance"),
    }
    if all_kinds:
        kinds["ours, local aggregation"] = lambda batch: our_step(bench, batch, frames, "local_aggregation")
        kinds["ours, in float32"] = lambda batch: our_step(bench, batch, frames, "instance", precision="float32")
        if bench.on_gpu:
            kinds["ours, cudnn.benchmark"] = kinds["ours, instance"]
            kinds["ours, compiled"] = lambda batch: our_step(bench, batch, frames, "instance", compile=True)
    batch = bench.settings.batch_size if bench.on_gpu or frames <= 16 else max(2, bench.settings.batch_size // 2)
    flops, plain = flops_of_a_clip(bench.settings, frames), 0.0
    print(f"\nsteps on ready clips of {frames} x {bench.settings.crop_size} x {bench.settings.crop_size}, ", end="")
    print(f"{flops / 1e9:.3g} GFLOP a clip and step")
    print(
        f"{'':26}{'batch':>6}{'clips/s':>9}{'x plain':>9}{'ms':>8}{'TFLOP/s':>9}{'of f32':>8}{'of bf16':>9}{'MiB':>8}"
    )
    for name, step in kinds.items():
        torch.backends.cudnn.benchmark = "cudnn" in name
        fitted, taken = most_that_fits(bench, step, batch)
        speed = fitted / taken.seconds
        plain = plain or speed
        rate = speed * flops / 1e12
        of_f32, of_bf16 = (rate / best for best in rates)
        print(f"{name:26}{fitted:6}{speed:9.4g}{speed / plain:9.2f}{1e3 * taken.seconds:8.0f}{rate:9.3g}", end="")
        print(f"{of_f32:8.0%}{of_bf16:9.0%}{taken.mebibytes:8.0f}", flush=True)


def most_that_fits(bench: Bench, step: Callable[[int], Callable[[], object]], batch: int) -> tuple[int, Taken]:
    """What a step takes, and of what batch: half of it as often as the GPU's memory is too small."""
    while True:
        try:
            return batch, bench.take(step(batch))
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        gc.collect()
        torch.cuda.empty_cache()
        print(f"a batch of {batch} is more than the memory holds")
        batch //= 2


def made_up(number: int) -> Iterator[np.ndarray]:
    """Frames 320x240 of a textured scene that the camera drifts over, with grain."""
    draw = np.random.default_rng(number)
    scene = np.zeros((300, 400, 3), np.float32)
    for side in (4, 16, 64, 256):
        scene += cv2.resize(draw.normal(size=(side, side, 3)).astype(np.float32), (400, 300)) / side**0.5
    scene = cv2.normalize(scene, scene, 10, 245, cv2.NORM_MINMAX)
    for t in range(STORED_FRAMES):
        grain = draw.normal(scale=8, size=(240, 320, 3))
        yield np.clip(scene[t : t + 240, 2 * t : 2 * t + 320] + grain, 0, 255).astype(np.uint8)


def make_store(path: Path, n_videos: int) -> FrameStore:
    settings, names = FramesSettings(), [f"video{number}" for number in range(n_videos)]
    results = ((name, encode_frames(made_up(number), settings)) for number, name in enumerate(names))
    write_frames(path, settings, "benchmark", results, dict.fromkeys(names, 25.0))
    return FrameStore([path])


def feeding(bench: Bench, workers: int) -> None:
    """Prints how fast clips come from a store, and how fast the network learns from them as training has it."""
    settings, device, batch = bench.settings, bench.device, bench.settings.batch_size
    before, counted = (10, 40) if bench.on_gpu else (1, 4)  # batches; the first are loaded while processes start
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "frames.h5", bench.stored)
        names = [store.video_ids[row % bench.stored] for row in range((before + counted) * batch)]
        clips = DrawnClips(store, names, settings.clip_length, functools.partial(draw_training, 0, 0))
        batches = consecutive(len(names), batch)

        def clips_a_second(learner: Learner | None) -> tuple[float, float]:
            """And the share of the time in which the next batch was waited for."""
            inputs, started, waiting = load_inputs(clips, batches, settings.crop_size, device, workers), 0.0, 0.0
            for number, rows in enumerate(batches):
                if number == before:
                    bench.wait()
                    started, waiting = time.perf_counter(), 0.0
                asked = time.perf_counter()
                given = next(inputs)
                waiting += time.perf_counter() - asked
                if learner is not None:
                    learner.step(given, rows, 0, number)
            bench.wait()
            spent = time.perf_counter() - started
            return counted * batch / spent, waiting / spent

        some = range(min(CLIPS_AT_ONCE, len(names)))
        cut = bench.take(lambda: [clips[row] for row in some], times=5).seconds / len(some)
        squares = Squares(
            *(None if part is None else part.to(device) for part in collate([clips[row][0] for row in some]))
        )
        resized = bench.take(lambda: to_input(squares, settings.crop_size, device), times=5).seconds / len(some)
        alone, _ = clips_a_second(None)
        together, waited = clips_a_second(bench.learner("local_aggregation"))
    by = f"{workers} processes beside the GPU" if bench.on_gpu else "this process, for there is no GPU to work beside"
    print(
        f"\nclips of {settings.clip_length} frames from {bench.stored} stored videos of {STORED_FRAMES} frames, 320x240"
    )
    print(f"read and cut, one core     {1 / cut:9.4g} clips/s")
    print(f"resized on the device      {1 / resized:9.4g} clips/s")
    print(f"loaded alone               {alone:9.4g} clips/s, by {by}")
    print(f"loaded and learned from    {together:9.4g} clips/s, local aggregation, batch {batch}", end="")
    print(f"; {waited:.1%} of the time waiting for data", flush=True)


def losses(bench: Bench) -> None:
    """Prints time and memory of the losses over the bank, and of the bank itself."""
    settings, bank = bench.settings, bench.bank.rows
    rows = torch.randperm(bench.n_videos)[:LOSS_BATCH].to(bench.device)
    embeddings = normalised(torch.randn(LOSS_BATCH, settings.embedding_dim, device=bench.device)).requires_grad_()
    negatives = draw_negatives(rows, bench.n_videos, settings.negatives, torch.Generator(bench.device))
    exponents = similarities(embeddings, bank, settings.temperature).detach()
    near = {"temperature": settings.temperature, "neighbours": settings.neighbours}
    works: dict[str, Callable[[], object]] = {
        "instance, with gradient": lambda: instance_loss(
            embeddings, bank, rows, temperature=settings.temperature, negatives=negatives
        ).backward(),
        "local aggregation, with gradient": lambda: local_aggregation_loss(
            embeddings, bank, rows, bench.labels, **near
        ).backward(),
        "of it, the nearest (top-k)": lambda: exponents.topk(settings.neighbours, dim=1, sorted=False),
        "renewing the bank's rows": lambda: bench.bank.update(rows, embeddings.detach(), settings.bank_momentum),
    }
    print(f"\nloss of {LOSS_BATCH} clips, N = {bench.n_videos:,} x {settings.embedding_dim}, ", end="")
    print(f"{settings.negatives} negatives or neighbours, m = {settings.m}, K = {settings.k}")
    print(f"{'':34}{'ms':>9}{'MiB beside':>12}")
    for name, work in works.items():
        taken = bench.take(work, times=20 if bench.on_gpu else 3)
        print(f"{name:34}{1e3 * taken.seconds:9.4g}{taken.mebibytes:12.0f}", flush=True)
    held = bank.nbytes / 2**20, bench.labels.nbytes / 2**20
    print(f"the bank {held[0]:.1f} MiB, its {settings.m} clusterings {held[1]:.1f} MiB; ", end="")
    print(f"all of this benchmark at most {bench.most:.0f} MiB")


if __name__ == "__main__":
    main()
