"""The measurements of `benchmarks.gpu_report`, each of which can run alone and prints the rows of a Markdown table.

    python -m benchmarks.gpu_parts steps:18:16:112       # R3D-18 on clips of 16 frames of 112 pixels
    python -m benchmarks.gpu_parts kmeans --short        # a small size, on any machine
    python -m benchmarks.gpu_parts hours --rates build/gpu_report.json

A part after which others need its result writes it to the file `--rates`. Lines that are not rows are remarks.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import clusters
from benchmarks.measure import seconds, textured_image
from benchmarks.pretraining import (
    Bench,
    flops_of_a_clip,
    generate_frames,
    loading_speed,
    loss_works,
    matrix_rate,
    measure_largest_batch,
    our_step,
    plain_step,
)
from workflow_scripts.clusters.kmeans import draw_start, kmeans
from workflow_scripts.frames import jpeg
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.ground.stage import first_line
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.pretraining.precision import autocast
from workflow_scripts.pretraining.settings import PretrainingSettings, clips_per_pass

KINETICS_FRAMES = 70_000_000


class Part:
    """The arguments of a part, its rows, and the file with results for other parts."""

    def __init__(self, short: bool, rates: Path | None) -> None:
        self.short, self._file = short, rates
        self.rates: dict[str, Any] = json.loads(rates.read_text()) if rates and rates.exists() else {}

    def row(self, *cells: object) -> None:
        print(f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |", flush=True)

    def save(self, name: str, value: object) -> None:
        """Stores a result for other parts."""
        self.rates[name] = value
        if self._file:
            self._file.write_text(json.dumps(self.rates, indent=1))

    def bench(self, **changed: Any) -> Bench:
        """The device, with `changed` settings. On a GPU, ten calls of each work are timed, on a CPU one."""
        bench = Bench(argparse.Namespace(batch=None, compile=False, short=self.short))
        bench.settings, bench.times = replace(bench.settings, **changed), 10 if bench.on_gpu else 1
        return bench


def device(part: Part) -> None:
    """Prints the versions, and the rate of products of large matrices."""
    bench = part.bench()
    if bench.on_gpu:
        card = torch.cuda.get_device_properties(0)
        part.row("device", f"{card.name}, {card.total_memory / 2**30:.0f} GiB, capability {card.major}.{card.minor}")
        part.row("driver", driver_version())
        part.row("CUDA, cuDNN of torch", f"{torch.version.cuda}, {torch.backends.cudnn.version()}")
    else:
        part.row("device", f"no GPU: this CPU ({platform.machine()}), {torch.get_num_threads()} threads of torch")
    part.row("cores", len(os.sched_getaffinity(0)))
    part.row("Python", platform.python_version())
    for package in ("torch", "torchvision", "faiss-gpu", "faiss-cpu", "numpy", "opencv-python-headless", "h5py"):
        try:
            part.row(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            part.row(package, "not installed")
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    for name, dtype in kinds.items():
        rate = matrix_rate(bench, dtype)
        part.save(name, rate)
        part.row(f"products of {bench.matrix} x {bench.matrix} matrices, {name}", f"{rate:.3g} TFLOP/s")
    torch.backends.cuda.matmul.allow_tf32 = True
    if bench.on_gpu:
        part.row("the same, TF32 (float32 convolutions use it)", f"{matrix_rate(bench, torch.float32):.3g} TFLOP/s")


def driver_version() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown: {reason_of(error)}"
    return done.stdout.strip().split("\n")[0] or "unknown"


def fitting_batch(settings: PretrainingSettings, frames: int) -> int:
    """The batch size, halved until one pass of the network can hold it (`clips_per_pass`)."""
    batch, limit = settings.batch_size, clips_per_pass(replace(settings, clip_length=frames, micro_batch="auto"))
    while batch > limit:
        batch //= 2
    return batch


def forward_pass(bench: Bench, batch: int, frames: int) -> Callable[[], object]:
    """The pass of evaluation, in bfloat16."""
    model, clips = bench.learner("instance", precision="bfloat16").model.eval(), bench.random_clips(batch, frames)

    def forward() -> object:
        with torch.no_grad(), autocast("bfloat16", bench.device):
            return model(clips)

    return forward


def steps(part: Part, depth: int, frames: int, size: int, compiled: bool = False) -> None:
    """Prints the speed of training steps of the objective instance, each kind with all that the kinds above have."""
    bench = part.bench(depth=depth, crop_size=size)
    kinds: dict[str, Callable[[int], Callable[[], object]]] = {
        "float32, eager": lambda batch: plain_step(bench, batch, frames),
        "+ channels last": lambda batch: our_step(bench, batch, frames, "instance", precision="float32"),
        "+ bfloat16": lambda batch: our_step(bench, batch, frames, "instance", precision="bfloat16"),
        "forward only, bfloat16": lambda batch: forward_pass(bench, batch, frames),
    }
    if compiled:
        kinds = {
            "+ compiled": lambda batch: our_step(bench, batch, frames, "instance", precision="bfloat16", compile=True)
        }
    clip_seconds: dict[str, float] = {}
    flops, name = flops_of_a_clip(bench.settings, frames), f"R3D-{depth}, {frames} x {size} x {size}"
    for kind, step in kinds.items():
        try:
            batch, cost = measure_largest_batch(bench, step, fitting_batch(bench.settings, frames))
        except Exception as error:
            traceback.print_exc()
            part.row(name, kind, f"failed: {reason_of(error)}", *[""] * 5)
            continue
        finally:
            gc.collect()
            if bench.on_gpu:
                torch.cuda.empty_cache()
        speed, rate = batch / cost.seconds, flops * batch / cost.seconds / 1e12
        clip_seconds[kind] = 1 / speed
        amounts = [f"{speed:.4g}", f"{1e3 * cost.seconds:.4g}"]
        of_matrices = f"{rate / part.rates['bfloat16']:.0%}" if "bfloat16" in part.rates else ""
        amounts += ["", ""] if kind.startswith("forward") else [f"{rate:.3g}", of_matrices]
        part.row(name, kind, batch, *amounts, f"{cost.mebibytes / 1024:.2g}")
    forward = clip_seconds.pop("forward only, bfloat16", None)
    if clip_seconds and not compiled:
        trained = min(clip_seconds.values())
        network = {"depth": depth, "width": bench.settings.width, "frames": frames, "size": size}
        measured = {**network, "trained": trained, "forward": forward or trained / 3}
        part.save("networks", [*part.rates.get("networks", []), measured])


def compiled_steps(part: Part, depth: int, frames: int, size: int) -> None:
    steps(part, depth, frames, size, compiled=True)


def losses(part: Part) -> None:
    """Prints time and memory of the losses over the bank."""
    bench = part.bench()
    for name, work in loss_works(bench).items():
        cost = bench.measure(work)
        part.row(name.strip(), f"{bench.n_videos:,}", f"{1e3 * cost.seconds:.4g}", f"{cost.mebibytes:.0f}")


def k_means(part: Part) -> None:
    """Prints the time of K-means by each backend, from the same centroids."""
    n, dimension, k, iterations = (
        (2000, 50, 20, 2) if part.short else (clusters.VIDEOS, clusters.DIMENSION, clusters.K, 4)
    )
    points, target = clusters.sketches(n, dimension), "cuda" if torch.cuda.is_available() else "cpu"
    start, size = draw_start(points, k, seed=0), f"{n:,} x {dimension:,}, K = {k:,}"
    for backend in ("torch", "faiss"):
        if backend == "faiss" and (problem := faiss_problem(target)):
            part.row(backend, size, f"skipped: {problem}", "", "", "")
            continue
        try:
            kmeans(points[:1000], 10, iterations=1, backend=backend, device=target)  # loads the libraries
            before = torch.cuda.max_memory_allocated() if target == "cuda" else 0
            results = []
            duration = seconds(
                lambda backend=backend, results=results: results.append(
                    kmeans(points, k, iterations=iterations, backend=backend, device=target, start=start)
                )
            )
        except Exception as error:
            traceback.print_exc()
            part.row(backend, size, f"failed: {reason_of(error)}", "", "", "")
            continue
        each = duration / (iterations + 1)  # the last assigns the points once more
        rate = 2e-12 * n * dimension * k / each
        memory = f"{(torch.cuda.max_memory_allocated() - before) / 2**30:.2g}" if target == "cuda" else ""
        memory = memory if backend == "torch" else ""
        whole = f"{each * (clusters.ITERATIONS + 1):.3g}"
        part.row(backend, size, whole, f"{rate:.3g}", f"{results[0].objective[-1]:.6g}", memory)


def faiss_problem(target: str) -> str:
    """Why faiss cannot compute on a device, or nothing."""
    try:
        import faiss
    except ImportError:
        return "faiss is not installed"
    return "the installed faiss has no GPU support" if target == "cuda" and not faiss.get_num_gpus() else ""


def loading(part: Part) -> None:
    """Prints clips per second of the loaders with frames of 240 pixels, and of decoding on the GPU."""
    bench, cores = part.bench(), len(os.sched_getaffinity(0))
    bench.n_stored = 4 if part.short else 16
    workers = max(1, cores - 1)
    speed = loading_speed(bench, workers)
    part.row("read and cropped by one core", f"{speed.cropped:.4g}", "")
    part.row("resized on the device", f"{speed.resized:.4g}", "")
    loaders = f"{workers} processes" if bench.on_gpu else "this process"
    part.row(f"loaded by {loaders}", f"{speed.loaded:.4g}", "")
    waiting = f"{speed.waiting:.1%} of the time waiting for clips"
    part.row(f"loaded and trained on, R3D-{bench.settings.depth}, local aggregation", f"{speed.trained:.4g}", waiting)
    for network in part.rates.get("networks", [])[:1]:
        needed = 1 / network["trained"] / speed.cropped
        part.row(f"cores that load as fast as R3D-{network['depth']} learns", "", f"{needed:.3g}")
    try:
        clips, difference = decoding_on_the_gpu(bench)
        part.row(
            "decoded by torchvision on the GPU, whole frames", f"{clips:.4g}", f"differs by {difference:.2g} of 255"
        )
    except Exception as error:
        part.row("decoded by torchvision on the GPU", f"skipped: {reason_of(error)}", "")


def decoding_on_the_gpu(bench: Bench) -> tuple[float, float]:
    """Clips per second that nvJPEG decodes, and the mean difference from OpenCV's pixels.

    Raises ImportError without torchvision, and RuntimeError without a GPU or nvJPEG.
    """
    from torchvision.io import ImageReadMode, decode_jpeg

    if not bench.on_gpu:
        raise RuntimeError("there is no GPU")
    encoded = [jpeg.encode(frame, FramesSettings().jpeg_quality).ravel() for frame in generate_frames(0)]
    files = [torch.from_numpy(content) for content in encoded] * 8
    cost = bench.measure(lambda: decode_jpeg(files, mode=ImageReadMode.RGB, device="cuda"))
    ours = torch.from_numpy(jpeg.decode(encoded[0])).float()
    theirs = decode_jpeg(files[:1], mode=ImageReadMode.RGB, device="cuda")[0].permute(1, 2, 0).cpu().float()
    return len(files) / cost.seconds / bench.settings.clip_length, float((ours - theirs).abs().mean())


def detector(part: Part) -> None:
    """Prints frames per second of torchvision's detectors with random weights, without decoding of videos."""
    from benchmarks.persons import make_network
    from workflow_scripts.persons.models import DEFAULT_MODELS

    bench, frame = part.bench(), textured_image(np.random.default_rng(0), 340, 256).astype(np.uint8)
    for model in (DEFAULT_MODELS["torchvision"], "fasterrcnn_mobilenet_v3_large_320_fpn"):
        with tempfile.TemporaryDirectory() as folder:
            network: Any = make_network("torchvision", Path(folder), model)[0]
        for batch in (1,) if part.short else (1, PersonsSettings().batch_size):
            pictures = [network.picture(frame) for _ in range(batch)]
            cost = bench.measure(
                lambda network=network, pictures=pictures: network.boxes_of(pictures), times=1 if part.short else 10
            )
            hours = KINETICS_FRAMES * cost.seconds / batch / 3600
            part.row(model, batch, f"{batch / cost.seconds:.4g}", f"{hours:,.0f}", f"{hours / 5:,.0f}")


def hours(part: Part) -> None:
    """Prints the hours of the tables of the paper."""
    from benchmarks.paper_hours import print_hours

    print_hours(part)


def reason_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


PARTS: dict[str, Callable[..., None]] = {
    "device": device,
    "steps": steps,
    "compiled": compiled_steps,
    "losses": losses,
    "kmeans": k_means,
    "loading": loading,
    "detector": detector,
    "hours": hours,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", help=f"{', '.join(PARTS)}; steps and compiled take :DEPTH:FRAMES:PIXELS")
    parser.add_argument("--rates", type=Path, help="a JSON file with the results that other parts need")
    parser.add_argument("--short", action="store_true", help="small sizes")
    arguments = parser.parse_args()
    name, *numbers = arguments.part.split(":")
    try:
        PARTS[name](Part(arguments.short, arguments.rates), *map(int, numbers))
    except Exception as error:
        traceback.print_exc()
        print(reason_of(error), file=sys.stderr)  # the last line, which the report shows
        sys.exit(1)


if __name__ == "__main__":
    main()
