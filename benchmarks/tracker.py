"""Speed of the tracker compared with a public baseline in the same process, and its memory.

    make benchmark                              # a generated video
    python -m benchmarks.tracker VIDEO          # your own video, preferably 320x240 as in UCF101

The baseline is OpenCV's calcOpticalFlowFarneback, once per frame, in one thread and with the parameters of the tracker.
The tracker computes two such flows per frame, in addition to all other work.
"""

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

import idt_tools
from benchmarks.measure import peak_memory, seconds
from idt_tools import _core
from idt_tools.camera_motion import camera_motion
from idt_tools.tracker import BLOCK_ROWS, make_tracker

REPEATS = 5
SIZES = [(160, 120), (320, 240), (340, 256), (640, 480), (1280, 720)]
SHORT = 40  # frames, for measurements that do not depend on the length
KINETICS_VIDEOS, KINETICS_FRAMES = 235_000, 300  # 10 seconds at 30 frames per second
KINETICS_SIZE = (340, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", nargs="?", type=Path)
    parser.add_argument("--memory-of", type=int, metavar="FRAMES", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.memory_of:
        print(*memory_of(arguments.memory_of))
        return
    frames = (
        np.stack([grey(frame) for frame in idt_tools.read_video(arguments.video)]) if arguments.video else drift(160)
    )
    source = arguments.video.name if arguments.video else "a generated video: a drifting texture"
    print(f"{source}, {len(frames)} frames; {processor()}, built for {_core.INSTRUCTION_SETS[0]}")
    frames_320 = resized(frames, (320, 240))
    against_farneback(frames_320)
    print_stages(frames_320)
    by_size(frames)
    by_length(frames_320)
    two_workers(frames_320)
    memory()


def against_farneback(frames: np.ndarray) -> None:
    """Prints the speed of extraction and of one Farneback flow, measured in turns, so that other load slows both."""
    rows = [(seconds(lambda: farneback(frames)), seconds(lambda: idt_tools.extract(frames))) for _ in range(REPEATS)]
    ratios = [ours / theirs for theirs, ours in rows]
    theirs, ours = (statistics.median(times) / len(frames) * 1000 for times in zip(*rows, strict=True))
    print(f"\n320x240, one thread, median of {REPEATS}: {1000 / ours:.1f} frames/s")
    print(f"extract {ours:.2f} ms per frame, calcOpticalFlowFarneback {theirs:.2f} ms")
    print(f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}); the original's is 4.4 to 6")


def farneback(frames: np.ndarray) -> None:
    for previous, current in itertools.pairwise(frames):
        cv2.calcOpticalFlowFarneback(
            previous, current, None, 0.5**0.5, 6, 10, 2, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN
        )


def print_stages(frames: np.ndarray) -> None:
    """Prints the milliseconds per frame in each stage of the core."""
    tracker = make_tracker(frames.shape[2], frames.shape[1])
    info, descriptors = np.empty((BLOCK_ROWS, 10), np.float32), np.empty((BLOCK_ROWS, 426), np.float32)
    points = np.empty((0, 16, 2), np.float32)
    camera, rows = 0.0, 0

    def run() -> None:
        nonlocal camera, rows
        for frame in frames:
            if tracker.start(frame):
                before = time.perf_counter()
                homography = camera_motion(tracker)
                camera += time.perf_counter() - before
                tracker.compensate(homography)
                tracker.finish()
            while tracker.finished:
                rows += tracker.take(info, descriptors, points)

    total = seconds(run)
    print(f"\nstage, 320x240, {rows} trajectories, {tracker.live_tracks} live tracks at the end   ms/frame   part")
    stages = {**tracker.stage_seconds, "camera motion": camera}
    stages["the rest"] = total - sum(stages.values())
    for name, duration in sorted(stages.items(), key=lambda item: -item[1]):
        print(f"  {name:24} {duration / len(frames) * 1000:6.2f}   {duration / total:6.1%}")


def by_size(frames: np.ndarray) -> None:
    print("\nsize       frames/s   ms/frame   ns/pixel")
    for size in SIZES:
        clip = resized(frames[:SHORT], size)
        duration = min(seconds(lambda clip=clip: idt_tools.extract(clip)) for _ in range(2)) / len(clip)
        per_pixel = duration * 1e9 / size[0] / size[1]
        print(f"{size[0]:5}x{size[1]:<4} {1 / duration:9.1f} {duration * 1000:10.2f} {per_pixel:10.1f}")
        if size == KINETICS_SIZE:
            days = KINETICS_VIDEOS * KINETICS_FRAMES * duration / 86400
    print(
        f"Kinetics, {KINETICS_VIDEOS:,} videos of {KINETICS_FRAMES} frames at 340x256, decoding not counted: ", end=""
    )
    print(f"{days:.1f} core-days")


def by_length(frames: np.ndarray) -> None:
    print("\nframes   ms/frame")
    for n in (SHORT, 2 * SHORT, 4 * SHORT, 8 * SHORT):
        looped = [frames[i % len(frames)] for i in range(n)]
        print(f"{n:6} {seconds(lambda looped=looped: consume(idt_tools.stream(looped))) / n * 1000:10.2f}")


def two_workers(frames: np.ndarray) -> None:
    """Prints the throughput of two threads and of two processes, relative to one."""
    print(f"\n2 workers on {os.cpu_count()} cores, throughput against 1 worker")
    kinds: list[tuple[str, type[Executor]]] = [("threads", ThreadPoolExecutor), ("processes", ProcessPoolExecutor)]
    for name, kind in kinds:
        times = []
        for workers in (1, 2):
            with kind(workers) as pool:  # type: ignore[call-arg]
                list(pool.map(count_rows, [frames[:20]] * workers))  # starts the workers
                times.append(min(seconds(lambda p=pool: list(p.map(count_rows, [frames] * 4))) for _ in range(3)))
        print(f"  {name:24} {times[0] / times[1]:.2f} x")
    clip = np.concatenate([frames, frames])
    ratios = []
    for _ in range(3):
        one, two = (seconds(lambda n=n: consume(idt_tools.stream(clip, threads=n))) for n in (1, 2))
        ratios.append(one / two)
    print(f"  {'2 threads for one video':24} {statistics.median(ratios):.2f} x")


def count_rows(frames: np.ndarray) -> int:
    cv2.setNumThreads(1)
    return len(idt_tools.extract(frames))


def memory() -> None:
    """Prints the peak memory in addition to imports and frames, each in a separate process."""
    print("\n1280x720, textured everywhere     peak live tracks   additional peak MiB")
    for n in (SHORT, 4 * SHORT):
        command = [sys.executable, "-m", "benchmarks.tracker", "--memory-of", str(n)]
        live, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(f"{n:6} frames {live:>35} {float(peak):18.0f}")


def memory_of(n: int) -> tuple[int, float]:
    """The peaks of live tracks and of memory in MiB of streaming `n` frames of 1280x720 that move by 1 pixel each."""
    peak_tracks = 0

    class Counted(_core.Tracker):
        def finish(self) -> None:
            nonlocal peak_tracks
            super().finish()
            peak_tracks = max(peak_tracks, self.live_tracks)

    _core.Tracker = Counted  # type: ignore[misc]
    scene = drift(1, (1280, 720))[0]
    before = peak_memory()
    moving = (np.roll(scene, t, 1) for t in range(n))
    consume(idt_tools.stream(moving, homographies=np.tile(np.eye(3), (n, 1, 1)), n_frames=n))
    return peak_tracks, peak_memory() - before


def consume(blocks: Iterator[idt_tools.Trajectories]) -> None:
    for _ in blocks:
        pass


def drift(n: int, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """A textured scene that moves by (2, 1) pixels per frame, (n, height, width) uint8."""
    noise = np.random.default_rng(0).normal(size=(size[1], size[0])).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    scene = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.stack([np.roll(scene, (t, 2 * t), (0, 1)) for t in range(n)])


def resized(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if frames.shape[:0:-1] == size:
        return frames
    shrinking = size[0] < frames.shape[2]
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, size, interpolation=interpolation) for frame in frames])


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
