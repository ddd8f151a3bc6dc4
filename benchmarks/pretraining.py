"""Speed of training steps, of loading clips, and of the losses over the memory bank.

    make benchmark-pretraining                      # R3D-18 at 112 pixels, with a bank of 235,000 videos
    python -m benchmarks.pretraining --short        # a small network, a few seconds

The baseline is a plain step: torch's default float32 (TF32 for convolutions on a GPU), the default memory layout, SGD
weight by weight, and the loss copied from the device after every step. Products of large matrices measure the best rate
of the device. Clips come from a frames store of generated videos in the page cache, so the disk is not measured. Needs
only torch, numpy, h5py and OpenCV.
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

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import peak_memory, seconds, textured_image
from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, write_frames
from workflow_scripts.pretraining.augmentation import draw_training
from workflow_scripts.pretraining.dataset import CLIPS_AT_ONCE, DrawnClips, consecutive, load_inputs
from workflow_scripts.pretraining.inputs import collate, to_input
from workflow_scripts.pretraining.learner import Learner, Targets
from workflow_scripts.pretraining.memory_bank import MemoryBank
from workflow_scripts.pretraining.objectives.batch import similarities
from workflow_scripts.pretraining.objectives.instance import draw_negatives, instance_loss
from workflow_scripts.pretraining.objectives.local_aggregation import local_aggregation_loss
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.resnet3d import ResNet3D, normalised
from workflow_scripts.pretraining.settings import PretrainingSettings

LOSS_BATCH = 256  # the paper's; the steps use another batch
STORED_FRAMES = 40  # per video


@dataclass(frozen=True)
class Cost:
    """The seconds of a call, and the peak memory that it adds."""

    seconds: float
    mebibytes: float


class Bench:
    """The device, the sizes, and a bank of `n_videos` with random clusters."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.on_gpu = self.device.type == "cuda"
        self.settings = PretrainingSettings(
            batch_size=arguments.batch or (256 if self.on_gpu else 8), compile=arguments.compile
        )
        self.n_videos, self.matrix, self.times = 235_000, 8192 if self.on_gpu else 2048, 20 if self.on_gpu else 3
        if arguments.short:
            small = PretrainingSettings(depth=10, width=0.125, crop_size=32, k=50, negatives=64, neighbours=64)
            self.settings = replace(small, batch_size=arguments.batch or 4, compile=arguments.compile)
            self.n_videos, self.matrix = 2000, 256
        self.n_stored = 4 if arguments.short else 64  # videos in the frames store
        self.bank = MemoryBank(["none"], self.settings.embedding_dim, seed=0)
        # Random rows at once: the bank draws the row of each video on its own, which takes seconds for 235,000.
        rows = torch.randn(self.n_videos, self.settings.embedding_dim, generator=torch.Generator().manual_seed(0))
        self.bank.rows = normalised(rows).to(self.device)
        self.peak = 0.0  # MiB of all measurements
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

    def random_clips(self, batch: int, frames: int) -> Tensor:
        """Clips as `to_input` returns them."""
        clips = torch.randn(batch, 3, frames, self.settings.crop_size, self.settings.crop_size, device=self.device)
        return (50 * clips).contiguous(memory_format=torch.channels_last_3d)

    def measure(self, work: Callable[[], object], times: int = 0) -> Cost:
        """Measures `times` calls of `work` after a warm-up.

        On a GPU the mean counts, without synchronisation between the calls. On a CPU, which others may use too, the
        fastest call counts.
        """
        times = times or self.times
        before = self._peak_memory(reset=True)
        for _ in range(3 if self.on_gpu else 1):
            work()
        self.wait()
        start = time.perf_counter()
        each = [seconds(work) for _ in range(times)]
        self.wait()
        mean = (time.perf_counter() - start) / times
        return Cost(mean if self.on_gpu else min(each), self._peak_memory() - before)

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def _peak_memory(self, reset: bool = False) -> float:
        """The peak MiB since the last `reset`, or the current MiB with `reset`."""
        peak = torch.cuda.max_memory_allocated() / 2**20 if self.on_gpu else peak_memory()
        self.peak = max(self.peak, peak)
        if not reset:
            return peak
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        return self._peak_memory()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--batch", type=int, help="clips per step (default: 256 on a GPU, 8 on a CPU)")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 32, 64], help="per clip (default: 16 32 64)")
    parser.add_argument("--workers", type=int, default=cores - 1, help="that load clips for a GPU (default: cores - 1)")
    parser.add_argument(
        "--compile", action="store_true", help="all our steps by torch.compile (on a GPU one always is)"
    )
    parser.add_argument("--short", action="store_true", help="a small network and bank, a few seconds")
    arguments = parser.parse_args()
    started = time.perf_counter()
    bench = Bench(arguments)
    device = torch.cuda.get_device_name() if bench.on_gpu else "CPU"
    print(f"{device}; {cores} cores, torch {torch.__version__} with {torch.get_num_threads()} threads; ", end="")
    with autocast("auto", bench.device):
        print("precision auto is", "bfloat16" if torch.is_autocast_enabled(bench.device.type) else "float32")
    rates = matrix_rate(bench, torch.float32), matrix_rate(bench, torch.bfloat16)
    print(f"products of {bench.matrix} x {bench.matrix} matrices: ", end="")
    print("{:.2f} TFLOP/s in float32, {:.2f} in bfloat16".format(*rates), flush=True)
    for frames in arguments.frames:
        print_steps(bench, frames, rates, all_kinds=frames == arguments.frames[0])
    print_loading(bench, arguments.workers)
    print_losses(bench)
    print(f"\nthe benchmark took {time.perf_counter() - started:.0f} s")


def matrix_rate(bench: Bench, dtype: torch.dtype) -> float:
    """TFLOP/s of the product of two large matrices with the defaults of torch."""
    left, right = (torch.randn(bench.matrix, bench.matrix, device=bench.device, dtype=dtype) for _ in range(2))
    return 2e-12 * bench.matrix**3 / bench.measure(lambda: left @ right, times=10).seconds


def flops_of_a_clip(settings: PretrainingSettings, frames: int) -> float:
    """Floating-point operations of the forward and backward pass: 43e9 for R3D-18 at 16x112x112.

    That is less than three forward passes (49e9), because the gradient with respect to the clip is not computed.
    """
    with torch.device("meta"):
        model = ResNet3D(settings.depth, settings.embedding_dim, settings.width)
        clips = torch.empty(2, 3, frames, settings.crop_size, settings.crop_size)
    with FlopCounterMode(display=False) as counter:
        model(clips).sum().backward()
    return counter.get_total_flops() / len(clips)


def plain_step(bench: Bench, batch: int, frames: int) -> Callable[[], float]:
    """The baseline: a plain step of the instance objective."""
    settings, rows = bench.settings, torch.arange(batch, device=bench.device)
    model = bench.model()
    optimizer = torch.optim.SGD(
        model.parameters(), settings.lr, settings.momentum, weight_decay=settings.weight_decay, foreach=False
    )
    clips, generator = bench.random_clips(batch, frames).contiguous(), torch.Generator(bench.device)

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
    learner, clips, rows = bench.learner(objective, **changed), bench.random_clips(batch, frames), list(range(batch))
    return lambda: learner.step(clips, rows, 0, 0)


def print_steps(bench: Bench, frames: int, rates: tuple[float, float], all_kinds: bool) -> None:
    """Prints the speed of training steps on clips of `frames` frames that are on the device.

    The columns "of" are fractions of the `rates` of matrix products. MiB is memory in addition to weights and clips.
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
    print(f"\nsteps on loaded clips of {frames} x {bench.settings.crop_size} x {bench.settings.crop_size}, ", end="")
    print(f"{flops / 1e9:.3g} GFLOP per clip and step")
    print(
        f"{'':26}{'batch':>6}{'clips/s':>9}{'x plain':>9}{'ms':>8}{'TFLOP/s':>9}{'of f32':>8}{'of bf16':>9}{'MiB':>8}"
    )
    for name, step in kinds.items():
        torch.backends.cudnn.benchmark = "cudnn" in name
        fitted, cost = measure_largest_batch(bench, step, batch)
        speed = fitted / cost.seconds
        plain = plain or speed
        rate = speed * flops / 1e12
        of_f32, of_bf16 = (rate / best for best in rates)
        print(f"{name:26}{fitted:6}{speed:9.4g}{speed / plain:9.2f}{1e3 * cost.seconds:8.0f}{rate:9.3g}", end="")
        print(f"{of_f32:8.0%}{of_bf16:9.0%}{cost.mebibytes:8.0f}", flush=True)


def measure_largest_batch(bench: Bench, step: Callable[[int], Callable[[], object]], batch: int) -> tuple[int, Cost]:
    """The cost of a step, and its batch, which is halved until it fits in the memory of the GPU."""
    while True:
        try:
            return batch, bench.measure(step(batch))
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        gc.collect()
        torch.cuda.empty_cache()
        print(f"a batch of {batch} does not fit in memory")
        batch //= 2


def generate_frames(number: int) -> Iterator[np.ndarray]:
    """Frames 320x240 of a textured scene with a drifting camera and noise."""
    draw = np.random.default_rng(number)
    scene = textured_image(draw, 400, 300)
    for t in range(STORED_FRAMES):
        grain = draw.normal(scale=8, size=(240, 320, 3))
        yield np.clip(scene[t : t + 240, 2 * t : 2 * t + 320] + grain, 0, 255).astype(np.uint8)


def make_store(path: Path, n_videos: int) -> FrameStore:
    settings, names = FramesSettings(), [f"video{number}" for number in range(n_videos)]
    results = ((name, encode_frames(generate_frames(number), settings)) for number, name in enumerate(names))
    write_frames(path, settings, "benchmark", results, dict.fromkeys(names, 25.0))
    return FrameStore([path])


@dataclass(frozen=True)
class LoadingSpeed:
    """Clips per second, and the fraction of the time of training that is spent waiting for the next batch."""

    cropped: float  # read and cropped by one core
    resized: float  # on the device
    loaded: float
    trained: float  # loaded and trained on
    waiting: float


def loading_speed(bench: Bench, workers: int) -> LoadingSpeed:
    """Measures loading clips from a store of generated videos, and training on them."""
    settings, device, batch = bench.settings, bench.device, bench.settings.batch_size
    before, counted = (10, 40) if bench.on_gpu else (1, 4)  # batches, after those that are loaded while processes start
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "frames.h5", bench.n_stored)
        names = [store.video_ids[row % bench.n_stored] for row in range((before + counted) * batch)]
        clips = DrawnClips(
            store, names, settings.clip_length, functools.partial(draw_training, 0, 0), settings.frame_interval
        )
        batches = consecutive(len(names), batch)

        def clips_per_second(learner: Learner | None) -> tuple[float, float]:
            """Clips per second, and the fraction of the time spent waiting for the next batch."""
            inputs, started, waiting = load_inputs(clips, batches, settings.crop_size, device, workers), 0.0, 0.0
            for number, rows in enumerate(batches):
                if number == before:
                    bench.wait()
                    started, waiting = time.perf_counter(), 0.0
                waiting_since = time.perf_counter()
                batch_inputs = next(inputs)
                waiting += time.perf_counter() - waiting_since
                if learner is not None:
                    learner.step(batch_inputs, rows, 0, number)
            bench.wait()
            duration = time.perf_counter() - started
            return counted * batch / duration, waiting / duration

        sample = range(min(CLIPS_AT_ONCE, len(names)))
        crop_seconds = bench.measure(lambda: [clips[row] for row in sample], times=5).seconds / len(sample)
        squares = collate([clips[row][0] for row in sample])
        squares = squares._replace(frames=squares.frames.to(device))
        resize = bench.measure(lambda: to_input(squares, settings.crop_size, device), times=5)
        loaded, _ = clips_per_second(None)
        trained, waiting = clips_per_second(bench.learner("local_aggregation"))
    return LoadingSpeed(1 / crop_seconds, len(sample) / resize.seconds, loaded, trained, waiting)


def print_loading(bench: Bench, workers: int) -> None:
    """Prints the speed of loading clips from a store, and of training on them."""
    speed = loading_speed(bench, workers)
    loaders = f"by {workers} processes" if bench.on_gpu else "by a thread beside the training"
    print(f"\n{bench.n_stored} videos of {STORED_FRAMES} frames, 320x240; ", end="")
    print(f"clips of {bench.settings.clip_length} frames")
    print(f"read and cropped, one core {speed.cropped:9.4g} clips/s")
    print(f"resized on the device      {speed.resized:9.4g} clips/s")
    print(f"loaded only                {speed.loaded:9.4g} clips/s, {loaders}")
    print(f"loaded and trained on      {speed.trained:9.4g} clips/s, local aggregation, ", end="")
    print(f"batch {bench.settings.batch_size}; {speed.waiting:.1%} of the time waiting for data", flush=True)


def loss_works(bench: Bench) -> dict[str, Callable[[], object]]:
    """The losses of LOSS_BATCH clips over the bank with their gradients, the top-k alone, and an update of the bank."""
    settings, bank = bench.settings, bench.bank.rows
    rows = torch.randperm(bench.n_videos)[:LOSS_BATCH].to(bench.device)
    embeddings = normalised(torch.randn(LOSS_BATCH, settings.embedding_dim, device=bench.device)).requires_grad_()
    negatives = draw_negatives(rows, bench.n_videos, settings.negatives, torch.Generator(bench.device))
    exponents = similarities(embeddings, bank, settings.temperature).detach()
    options = {"temperature": settings.temperature, "neighbours": settings.neighbours}
    return {
        "instance, with gradient": lambda: instance_loss(
            embeddings, bank, rows, temperature=settings.temperature, negatives=negatives
        ).backward(),
        "local aggregation, with gradient": lambda: local_aggregation_loss(
            embeddings, bank, rows, bench.labels, **options
        ).backward(),
        "  of which top-k": lambda: exponents.topk(settings.neighbours, dim=1, sorted=False),
        "update of the bank": lambda: bench.bank.update(rows, embeddings.detach(), settings.bank_momentum),
    }


def print_losses(bench: Bench) -> None:
    """Prints time and memory of the losses over the bank and of the bank."""
    settings, bank = bench.settings, bench.bank.rows
    print(f"\nloss of {LOSS_BATCH} clips, N = {bench.n_videos:,} x {settings.embedding_dim}, ", end="")
    print(f"{settings.negatives} negatives or neighbours, m = {settings.m}, K = {settings.k}")
    print(f"{'':34}{'ms':>9}{'extra MiB':>12}")
    for name, work in loss_works(bench).items():
        cost = bench.measure(work, times=20 if bench.on_gpu else 3)
        print(f"{name:34}{1e3 * cost.seconds:9.4g}{cost.mebibytes:12.0f}", flush=True)
    mebibytes = bank.nbytes / 2**20, bench.labels.nbytes / 2**20
    print(f"the bank {mebibytes[0]:.1f} MiB, its {settings.m} clusterings {mebibytes[1]:.1f} MiB; ", end="")
    print(f"peak of this benchmark {bench.peak:.0f} MiB")


if __name__ == "__main__":
    main()
