"""How many frames of video a second people are looked for in, by each detector that can be used on this machine.

    make benchmark-persons                        # generated videos; ARGS="VIDEO ..." for your own
    python -m benchmarks.persons --detectors hog detectron2 --threads 4

`plain` is what one would write first: each video decoded in turn, and the detector called as its project shows on every
frame, with all cores (hog: OpenCV's detectMultiScale; detectron2: its DefaultPredictor; torchvision: the network, in
float32). The other rows are the persons stage with persons.stride k. `decoding` is the part of the threads' time that
decoding takes; on a GPU, `GPU idle` is the part in which no frame was there for it. Networks have random weights, which
find nobody: the time is that of the forward passes.
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
from workflow_scripts.persons.settings import PersonsSettings
from workflow_scripts.synthetic.generate import generate_videos
from workflow_scripts.synthetic.settings import GeneratedSettings

STRIDES = (1, 5, 10)
DETECTORS = ("hog", "torchvision", "detectron2")
Plain = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Speed:
    """Frames of video a second, and parts of the time, 0..1; `gpu_idle` is NaN without one."""

    frames_per_second: float
    decoding: float
    gpu_idle: float = np.nan

    def __str__(self) -> str:
        idle = "" if np.isnan(self.gpu_idle) else f"{100 * self.gpu_idle:11.0f} %"
        return f"{self.frames_per_second:9.2f} {100 * self.decoding:9.1f} %{idle}"


class Decoding:
    """The frames of videos, and the seconds that it took to decode them; for one thread."""

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
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the stage (default: %(default)s)")
    parser.add_argument("--n-videos", type=int, help="generated (default: 2, on a GPU 16)")
    parser.add_argument("--n-frames", type=int, help="of each (default: 300; of a network without a GPU 11)")
    parser.add_argument("--n-plain", type=int, help="frames for the plain way (default: 200; likewise 4)")
    chosen = parser.parse_args()
    device, on_gpu = find_device()
    for name in chosen.detectors:
        slow = name != "hog" and not on_gpu
        n_frames, n_plain = chosen.n_frames or (11 if slow else 300), chosen.n_plain or (4 if slow else 200)
        with tempfile.TemporaryDirectory() as folder:
            videos = chosen.videos or generate(Path(folder), chosen.n_videos or (16 if on_gpu else 2), n_frames)
            detector, plain = make_hog() if name == "hog" else make_network(name, Path(folder))
            where = f"{os.cpu_count()} cores" if name == "hog" else device
            print(f"\n{name} on {where}; {len(videos)} videos, {chosen.threads} threads")
            print("   k    frames/s   decoding" + ("    GPU idle" if on_gpu and name != "hog" else ""))
            print(f"plain{plainly(videos, plain, n_plain)}", flush=True)
            for stride in STRIDES:
                print(f"{stride:5}{by_stage(videos, detector, stride, chosen.threads)}", flush=True)


def find_device() -> tuple[str, bool]:
    """The name of what networks run on, and whether it is a GPU."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), True
    return f"{os.cpu_count()} cores", False


def generate(folder: Path, n_videos: int, n_frames: int) -> list[str]:
    """The paths of so many generated videos, of a size and rate that Kinetics is often kept in."""
    settings = GeneratedSettings(per_pair=-(-n_videos // 36), frames=n_frames, width=340, height=256, fps=30)
    if n_videos <= 6:
        settings = GeneratedSettings(motions=("walk",), per_pair=1, frames=n_frames, width=340, height=256, fps=30)
    return [str(folder / row["path"]) for row in generate_videos(folder, settings)[:n_videos]]


def make_hog() -> tuple[Detector, Plain]:
    plain = cv2.HOGDescriptor()
    plain.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
    return make_detector("hog", PersonsSettings()), plain.detectMultiScale


def make_network(name: str, folder: Path) -> tuple[Detector, Plain]:
    """The stage's detector with random weights, and the plain call of the same network."""
    import torch

    torch.manual_seed(0)
    weights, device = str(folder / "random.pth"), "cuda" if torch.cuda.is_available() else "cpu"
    if name == "torchvision":
        from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

        network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).to(device).eval()
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
        config.merge_from_file(model_zoo.get_config_file(PersonsSettings().model))
        config.MODEL.DEVICE, config.MODEL.WEIGHTS = device, ""
        predictor: Any = DefaultPredictor(config)
        DetectionCheckpointer(predictor.model, str(folder)).save("random")

        def plain(frame: np.ndarray) -> object:
            return predictor(frame[..., ::-1])

    return make_detector(name, PersonsSettings(weights=weights)), plain


def plainly(videos: list[str], plain: Plain, n_frames: int) -> Speed:
    """The first `n_frames` of the videos, one after another, on all cores."""
    import torch

    cores, decoding = os.cpu_count() or 1, Decoding()
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(cores)
    cv2.setNumThreads(cores)

    def look() -> None:
        frames = (frame for video in videos for frame in decoding.frames(video))
        for frame in islice(frames, n_frames):
            plain(frame)

    plain(next(idt_tools.read_video(videos[0])))  # what is done once
    taken = seconds(look)
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])
    return Speed(min(decoding.n_frames, n_frames) / taken, decoding.seconds / taken)


def by_stage(videos: list[str], detector: Detector, stride: int, threads: int) -> Speed:
    """All frames of the videos, as the persons stage goes about it."""
    decoded: list[Decoding] = []
    of_threads: list[float] = []

    def compute(video: str) -> Result:
        decoding, start = Decoding(), time.perf_counter()
        result = boxes_of(decoding.frames(video), detector, stride)
        decoded.append(decoding)
        of_threads.append(time.perf_counter() - start)
        return result

    detector.detect([next(idt_tools.read_video(videos[0]))])
    batches = getattr(detector, "batches", None)
    busy = batches.busy if batches else np.nan
    with tempfile.TemporaryDirectory() as folder:
        keys = dict.fromkeys(videos, "")
        shard = process_shard(Path(folder) / "store", keys, compute, stage="persons", threads=threads)
        taken = seconds(lambda: list(shard))
    n_frames = sum(decoding.n_frames for decoding in decoded)
    idle = 1 - (batches.busy - busy) / taken if batches else np.nan
    return Speed(n_frames / taken, sum(decoding.seconds for decoding in decoded) / sum(of_threads), idle)


if __name__ == "__main__":
    main()
