"""Speed of detecting people, in frames of video per second, by each detector that is installed.

    make benchmark-persons                        # generated videos; ARGS="VIDEO ..." for your own
    python -m benchmarks.persons --detectors hog detectron2 --threads 4
    python -m benchmarks.persons --detectors torchvision --model fasterrcnn_mobilenet_v3_large_320_fpn

`plain` is the simplest program: it decodes one video after the other and calls the detector as its documentation shows,
on every frame and with all cores (hog: OpenCV's detectMultiScale; detectron2: its DefaultPredictor; torchvision: the
network in float32). The other rows are the persons stage with persons.stride k. `decoding` is the fraction of the time
of the threads that decoding takes. `GPU idle` is the fraction of the time in which the GPU waits for frames. Networks
have random weights and detect no persons, so the time is that of the forward passes.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import idt_tools
from benchmarks.measure import seconds
from workflow_scripts.ground.process_shard import process_shard
from workflow_scripts.ground.record_file import Result
from workflow_scripts.persons.detect_persons import boxes_of
from workflow_scripts.persons.detectors import Detector, make_detector
from workflow_scripts.persons.models import DEFAULT_MODELS
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.settings import GeneratedSettings

STRIDES = (1, 5, 10)
DETECTORS = ("hog", "torchvision", "detectron2")
Plain = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Speed:
    """Frames of video per second, and fractions of the time, 0..1. `gpu_idle` is NaN without a GPU."""

    frames_per_second: float
    decoding: float
    gpu_idle: float = np.nan

    def __str__(self) -> str:
        idle = "" if np.isnan(self.gpu_idle) else f"{100 * self.gpu_idle:11.0f} %"
        return f"{self.frames_per_second:9.2f} {100 * self.decoding:9.1f} %{idle}"


class Decoding:
    """Decodes frames in one thread, and measures the seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.n_frames = 0

    def frames(self, path: str) -> Iterator[np.ndarray]:
        frames = idt_tools.read_video(path)
        while True:
            start = time.perf_counter()
            frame = next(frames, None)
            self.seconds += time.perf_counter() - start
            if frame is None:
                return
            self.n_frames += 1
            yield frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", help="default: generated, 340x256")
    importable = [name for name in DETECTORS if name == "hog" or find_spec(name)]
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=importable)
    parser.add_argument("--model", default="", help="persons.model of a network (default: the detector's)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the stage (default: %(default)s)")
    parser.add_argument("--n-videos", type=int, help="generated (default: 2, on a GPU 16)")
    parser.add_argument("--n-frames", type=int, help="per video (default: 300; 11 for a network without a GPU)")
    parser.add_argument("--n-plain", type=int, help="frames of `plain` (default: 200; 4 for a network without a GPU)")
    arguments = parser.parse_args()
    device, on_gpu = find_device()
    for name in arguments.detectors:
        slow = name != "hog" and not on_gpu
        n_frames, n_plain = arguments.n_frames or (11 if slow else 300), arguments.n_plain or (4 if slow else 200)
        with tempfile.TemporaryDirectory() as folder:
            videos = arguments.videos or generate(Path(folder), arguments.n_videos or (16 if on_gpu else 2), n_frames)
            detector, plain = make_hog() if name == "hog" else make_network(name, Path(folder), arguments.model)
            where = f"{os.cpu_count()} cores" if name == "hog" else device
            print(f"\n{name} on {where}; {len(videos)} videos, {arguments.threads} threads")
            print("   k    frames/s   decoding" + ("    GPU idle" if on_gpu and name != "hog" else ""))
            print(f"plain{plain_speed(videos, plain, n_plain)}", flush=True)
            for stride in STRIDES:
                print(f"{stride:5}{stage_speed(videos, detector, stride, arguments.threads)}", flush=True)


def find_device() -> tuple[str, bool]:
    """The name of the device of the networks, and whether it is a GPU."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), True
    return f"{os.cpu_count()} cores", False


def generate(folder: Path, n_videos: int, n_frames: int) -> list[str]:
    """Generates videos of a size and frame rate that is common for Kinetics. Returns their paths."""
    from workflow_scripts.synthetic.generate import generate_videos  # it needs PyAV

    settings = GeneratedSettings(per_pair=-(-n_videos // 36), frames=n_frames, width=340, height=256, fps=30)
    if n_videos <= 6:
        settings = GeneratedSettings(motions=("walk",), per_pair=1, frames=n_frames, width=340, height=256, fps=30)
    return [str(folder / row["path"]) for row in generate_videos(folder, settings)[:n_videos]]


def make_hog() -> tuple[Detector, Plain]:
    plain = cv2.HOGDescriptor()
    plain.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
    return make_detector("hog", PersonsSettings()), plain.detectMultiScale


def make_network(name: str, folder: Path, model: str = "") -> tuple[Detector, Plain]:
    """The detector of the stage with random weights, and the plain call of the same network."""
    import torch

    torch.manual_seed(0)
    model = model or DEFAULT_MODELS[name]
    weights, device = str(folder / "random.pth"), "cuda" if torch.cuda.is_available() else "cpu"
    if name == "torchvision":
        from torchvision.models import get_model

        network = get_model(model, weights=None, weights_backbone=None).to(device).eval()
        torch.save(network.state_dict(), weights)

        def plain(frame: np.ndarray) -> object:
            with torch.no_grad():
                return network([torch.as_tensor(frame).to(device).permute(2, 0, 1) / 255])

    else:
        from detectron2 import model_zoo
        from detectron2.checkpoint import DetectionCheckpointer
        from detectron2.config import get_cfg
        from detectron2.engine import DefaultPredictor

        config = get_cfg()
        config.merge_from_file(model_zoo.get_config_file(model))
        config.MODEL.DEVICE, config.MODEL.WEIGHTS = device, ""
        predictor: Any = DefaultPredictor(config)
        DetectionCheckpointer(predictor.model, str(folder)).save("random")

        def plain(frame: np.ndarray) -> object:
            return predictor(frame[..., ::-1])

    return make_detector(name, PersonsSettings(model=model, weights=weights)), plain


def plain_speed(videos: list[str], plain: Plain, n_frames: int) -> Speed:
    """Detects people in the first `n_frames` of the videos, one after the other, on all cores."""
    import torch

    cores, decoding = os.cpu_count() or 1, Decoding()
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(cores)
    cv2.setNumThreads(cores)

    def detect() -> None:
        frames = (frame for video in videos for frame in decoding.frames(video))
        for frame in islice(frames, n_frames):
            plain(frame)

    plain(next(idt_tools.read_video(videos[0])))  # warms up
    duration = seconds(detect)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    return Speed(min(decoding.n_frames, n_frames) / duration, decoding.seconds / duration)


def stage_speed(videos: list[str], detector: Detector, stride: int, threads: int) -> Speed:
    """Detects people in all frames of the videos, as the persons stage does."""
    decodings: list[Decoding] = []
    thread_seconds: list[float] = []

    def compute(video: str) -> Result:
        decoding, start = Decoding(), time.perf_counter()
        result = boxes_of(decoding.frames(video), detector, stride)
        decodings.append(decoding)
        thread_seconds.append(time.perf_counter() - start)
        return result

    detector.detect([next(idt_tools.read_video(videos[0]))])
    batches = getattr(detector, "batches", None)
    busy = batches.busy if batches else np.nan
    with tempfile.TemporaryDirectory() as folder:
        keys = dict.fromkeys(videos, "")
        shard = process_shard(Path(folder) / "store", keys, compute, stage="persons", threads=threads)
        duration = seconds(lambda: list(shard))
    n_frames = sum(decoding.n_frames for decoding in decodings)
    idle = 1 - (batches.busy - busy) / duration if batches else np.nan
    return Speed(n_frames / duration, sum(decoding.seconds for decoding in decodings) / sum(thread_seconds), idle)


if __name__ == "__main__":
    main()
