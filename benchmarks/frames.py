"""Speed of reading random clips from the frames store and from video files, and the size of the store.

    make benchmark-frames                      # generated videos: 340x256, 10 s, H.264, as Kinetics is often stored
    python -m benchmarks.frames VIDEO ...      # videos of your own

A clip is 16 consecutive frames from a random time of a random video. The baseline seeks to the key frame before it with
PyAV, decodes and resizes. A training clip is a crop, and only its part of each frame is decoded. All use one core.

The last table says where the time of a training clip goes. Its unit is the time of cv2.imdecode for the clip's whole
frames, without reading them. The two sides alternate, and the fastest of some rounds counts (CPU time).
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import cv2
import numpy as np
import torch

import idt_tools
from benchmarks.measure import seconds, textured_image
from workflow_scripts.frames import jpeg
from workflow_scripts.frames.clips import FrameStore, resize
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, stored_size, write_frames
from workflow_scripts.pretraining.augmentation import Draw, cut_square, draw_training
from workflow_scripts.pretraining.dataset import CLIPS_AT_ONCE
from workflow_scripts.pretraining.inputs import collate, to_input

CLIP = 16  # frames
CROP_SIZE = 112  # pixels, of the network's input
PLAIN = [cv2.IMWRITE_JPEG_QUALITY, FramesSettings().jpeg_quality]  # a JPEG file without restart markers
ROUNDS = 5  # of the parts of a training clip's time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--short-sides", type=int, nargs="+", default=[128, 240], help="pixels (default: 128 240)")
    parser.add_argument("--clips", type=int, default=100, help="per way of reading (default: %(default)s)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        videos = arguments.videos or [generate(Path(folder) / f"{n}.mp4", seed=n) for n in range(4)]
        for short_side in arguments.short_sides:
            result = compare(videos, Path(folder) / f"{short_side}.h5", short_side, arguments.clips)
            print(f"short side {short_side}, one core:")
            print(
                f"  {result.from_store:.0f} clips/s from the store, {result.from_videos:.1f} from the files; ", end=""
            )
            print(f"ratio {result.ratio:.1f}; mean difference {result.difference:.1f} of 255")
            print(f"  {result.crops:.0f} clips/s from the store, cropped as in training")
            print(f"  {result.megabytes:.3f} MB per second of video, the files {result.video_megabytes:.3f}; ", end="")
            print(f"written at {result.written:.0f} frames/s")
            print_parts(FrameStore([Path(folder) / f"{short_side}.h5"]), arguments.clips)


@dataclass(frozen=True)
class Comparison:
    """Clips per second on one core from the store and from the video files, and the size of the store."""

    from_store: float
    crops: float  # from the store, cropped as in training
    from_videos: float
    megabytes: float  # size of the store per second of video
    video_megabytes: float  # size of the files per second of video
    written: float  # frames per second
    difference: float  # mean between the clips of the two, caused by JPEG if the time stamps of the files are right

    @property
    def ratio(self) -> float:
        return self.from_store / self.from_videos


def compare(videos: list[Path], path: Path, short_side: int, clips: int, seed: int = 0) -> Comparison:
    """Writes the frames of videos to a store, and reads the same random clips from it and from the videos.

    Args:
        videos: The video files.
        path: The store.
        short_side: Short side of the stored frames, in pixels.
        clips: Number of clips.
        seed: Seed of the random clips.
    """
    settings = FramesSettings(short_side=short_side)
    info = {str(number): idt_tools.probe_video(video) for number, video in enumerate(videos)}
    fps = {name: video.fps for name, video in info.items()}

    def write() -> None:
        results = ((name, encode_frames(idt_tools.read_video(videos[int(name)]), settings)) for name in info)
        write_frames(path, settings, "benchmark", results, fps)

    write_seconds = seconds(write)
    store = FrameStore([path])
    n_frames = {name: store.n_frames(name) for name in info}
    video_seconds = sum(n_frames[name] / fps[name] for name in info)
    draw = np.random.default_rng(seed)
    starts = []
    for name in draw.choice(list(info), clips):
        starts.append((name, int(draw.integers(0, max(1, n_frames[name] - CLIP + 1)))))
    stored: list[np.ndarray] = []
    decoded: list[np.ndarray] = []
    store_seconds = seconds(lambda: stored.extend(store.read_clip(name, start, CLIP) for name, start in starts))
    draws = [
        (name, *draw_training(seed, number, name, n_frames[name], CLIP)) for number, (name, _) in enumerate(starts)
    ]
    crop_seconds = seconds(lambda: [cut_square(store, name, crop, CLIP) for name, crop in draws])
    decode_seconds = seconds(
        lambda: decoded.extend(decode_clip(videos[int(name)], start, CLIP, short_side) for name, start in starts)
    )
    return Comparison(
        clips / store_seconds,
        clips / crop_seconds,
        clips / decode_seconds,
        path.stat().st_size / video_seconds / 1e6,
        sum(video.stat().st_size for video in videos) / video_seconds / 1e6,
        sum(n_frames.values()) / write_seconds,
        float(np.mean([cv2.absdiff(a, b).mean() for a, b in zip(stored, decoded, strict=True)])),
    )


def print_parts(store: FrameStore, clips: int) -> None:
    """Prints where the time of a training clip goes, on one core and relative to `cv2.imdecode` of its whole frames."""
    names = [store.video_ids[clip % len(store.video_ids)] for clip in range(clips)]
    draws = [(name, *draw_training(0, clip, name, store.n_frames(name), CLIP)) for clip, name in enumerate(names)]
    rounds = [parts_of_time(store, draws) for _ in range(ROUNDS)]
    parts = {part: min(seconds_of[part] for seconds_of in rounds) for part in rounds[0]}
    whole = parts.pop("cv2.imdecode of whole frames")
    print("  a training clip, relative to cv2.imdecode of its whole frames:")
    for part, spent in parts.items():
        print(f"    {part:42}{spent / whole:6.2f}")
    cropped, loaded = (sum(list(parts.values())[:n]) for n in (3, 5))
    print(f"    read and cropped: {whole / cropped:.2f} x of its clips/s; with the copies {whole / loaded:.2f} x")


def parts_of_time(store: FrameStore, draws: list[tuple[str, Draw]]) -> dict[str, float]:
    """The CPU seconds of the parts of loading training clips, and of decoding their whole frames."""
    spent: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        started = time.process_time()
        yield
        spent[part] = spent.get(part, 0) + time.process_time() - started

    def clock(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed_work(*arguments: Any) -> Any:
            with timed(part):
                return work(*arguments)

        return timed_work

    for first in range(0, len(draws), CLIPS_AT_ONCE):
        some = draws[first : first + CLIPS_AT_ONCE]
        frames = [store.read_clip(name, draw.start, CLIP) for name, draw in some]
        files = [cv2.imencode(".jpg", frame, PLAIN)[1] for clip in frames for frame in clip]
        with timed("cv2.imdecode of whole frames"):
            for file in files:
                cv2.imdecode(file, cv2.IMREAD_COLOR)
        with (
            patch.object(jpeg, "decode", clock("decode", jpeg.decode)),
            patch.object(jpeg, "decode_clip", clock("decode_clip", jpeg.decode_clip)),
            timed("cut"),
        ):
            clips = [(cut_square(store, name, draw, CLIP), draw) for name, draw in some]
        with timed("copying into a batch"):
            squares = collate(clips)
        with timed("handing over to the training process"):  # as the queue of a DataLoader does
            sent = ForkingPickler.dumps(squares)
        del sent
        with timed("resizing on a CPU (a GPU does it too)"):
            to_input(squares, CROP_SIZE)
    return {
        "reading HDF5": spent["cut"] - spent["decode_clip"],
        "cutting out the crop's blocks": spent["decode_clip"] - spent["decode"],
        "decoding them (Huffman, IDCT, colour)": spent["decode"],
        **{part: spent[part] for part in spent if part not in ("cut", "decode", "decode_clip")},
    }


def decode_clip(path: Path, start: int, length: int, short_side: int) -> np.ndarray:
    """Decodes frames `start` to `start + length` of a video with constant frame rate: (length, H, W, 3) uint8 RGB."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        time_base, rate = Fraction(stream.time_base), Fraction(stream.average_rate)
        first = (stream.start_time or 0) + round(start / rate / time_base)  # presentation time
        container.seek(first, stream=stream)
        from_start = itertools.dropwhile(
            lambda frame: frame.pts < first - 0.5 / rate / time_base, container.decode(stream)
        )
        clip = []
        for frame in itertools.islice(from_start, length):
            picture = frame.to_ndarray(format="rgb24")
            clip.append(resize(picture, *stored_size(frame.width, frame.height, short_side)))
    return np.stack(clip)


def generate(path: Path, seed: int = 0, n_frames: int = 300, size: tuple[int, int] = (340, 256)) -> Path:
    """Writes a video with a drifting camera, a textured scene, a part that moves, and noise."""
    width, height = size
    draw = np.random.default_rng(seed)
    scene = textured_image(draw, 2 * width, 2 * height)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(n_frames):
            x, y = (round(side / 2 * (1 + np.sin(t / pace + seed))) for side, pace in ((width, 40), (height, 60)))
            picture = scene[y : y + height, x : x + width].copy()
            top, left = height // 4, round(width / 4 * (1 + np.sin(t / 10)))
            picture[top : top + height // 2, left : left + width // 4] = scene[: height // 2, : width // 4]
            picture += draw.normal(scale=8, size=picture.shape)
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


if __name__ == "__main__":
    main()
