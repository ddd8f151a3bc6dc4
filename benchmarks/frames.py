"""How fast random clips come from the frames store, against decoding the video files, and the store's size on disk.

    make benchmark-frames                      # generated clips: 340x256, 10 s, H.264, as Kinetics is often kept
    python -m benchmarks.frames VIDEO ...      # videos of your own

A clip is 16 consecutive frames from a random time of a random video. The baseline seeks to the key frame before it with
PyAV, decodes up to it, and resizes. A training's clip is a crop, of which no more is decoded than it needs. One core
for all.
"""

import argparse
import itertools
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch

import idt_tools
from benchmarks.measure import seconds
from workflow_scripts.frames.clips import FrameStore, resize
from workflow_scripts.frames.settings import FramesSettings
from workflow_scripts.frames.store_frames import encode_frames, stored_size, write_frames
from workflow_scripts.pretraining.augmentation import cut_square, draw_training

CLIP = 16  # frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--short-sides", type=int, nargs="+", default=[128, 240], help="pixels (default: 128 240)")
    parser.add_argument("--clips", type=int, default=100, help="read of each kind (default: %(default)s)")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        videos = chosen.videos or [generate(Path(folder) / f"{n}.mp4", seed=n) for n in range(4)]
        for short_side in chosen.short_sides:
            result = compare(videos, Path(folder) / f"{short_side}.h5", short_side, chosen.clips)
            print(f"short side {short_side}, one core:")
            print(
                f"  {result.from_store:.0f} clips/s from the store, {result.from_videos:.1f} from the files; ", end=""
            )
            print(f"ratio {result.ratio:.1f}; mean difference {result.difference:.1f} of 255")
            print(f"  {result.crops:.0f} clips/s from the store as training crops them")
            print(f"  {result.megabytes:.3f} MB a second of video, the files {result.of_videos:.3f}; ", end="")
            print(f"made at {result.made:.0f} frames/s")


@dataclass(frozen=True)
class Comparison:
    """Clips a second of one core from the store and from the video files, and what the store takes."""

    from_store: float
    crops: float  # from the store, cropped as in training
    from_videos: float
    megabytes: float  # a second of video in the store
    of_videos: float  # a second of video in its file
    made: float  # frames a second, when the store is made
    difference: float  # mean, between the clips of the two: what JPEG changes, if the files' time stamps are right

    @property
    def ratio(self) -> float:
        return self.from_store / self.from_videos


def compare(videos: list[Path], path: Path, short_side: int, clips: int, seed: int = 0) -> Comparison:
    """Writes the videos' frames to the file `path`, and reads the same random `clips` from it and from the videos."""
    settings = FramesSettings(short_side=short_side)
    info = {str(number): idt_tools.probe_video(video) for number, video in enumerate(videos)}
    fps = {name: of_video.fps for name, of_video in info.items()}

    def write() -> None:
        results = ((name, encode_frames(idt_tools.read_video(videos[int(name)]), settings)) for name in info)
        write_frames(path, settings, "benchmark", results, fps)

    spent = seconds(write)
    store = FrameStore([path])
    n_frames = {name: store.n_frames(name) for name in info}
    lasting = sum(n_frames[name] / fps[name] for name in info)
    draw = np.random.default_rng(seed)
    wanted = []
    for name in draw.choice(list(info), clips):
        wanted.append((name, int(draw.integers(0, max(1, n_frames[name] - CLIP + 1)))))
    stored: list[np.ndarray] = []
    decoded: list[np.ndarray] = []
    stored_in = seconds(lambda: stored.extend(store.read_clip(name, start, CLIP) for name, start in wanted))
    draws = [
        (name, *draw_training(seed, number, name, n_frames[name], CLIP)) for number, (name, _) in enumerate(wanted)
    ]
    cropped_in = seconds(lambda: [cut_square(store, name, of_clip, CLIP) for name, of_clip in draws])
    decoded_in = seconds(
        lambda: decoded.extend(decode_clip(videos[int(name)], start, CLIP, short_side) for name, start in wanted)
    )
    return Comparison(
        clips / stored_in,
        clips / cropped_in,
        clips / decoded_in,
        path.stat().st_size / lasting / 1e6,
        sum(video.stat().st_size for video in videos) / lasting / 1e6,
        sum(n_frames.values()) / spent,
        float(np.mean([cv2.absdiff(a, b).mean() for a, b in zip(stored, decoded, strict=True)])),
    )


def decode_clip(path: Path, start: int, length: int, short_side: int) -> np.ndarray:
    """Frames `start` to `start + length` of a video of constant frame rate as (length, H, W, 3) uint8 RGB."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        time_base, rate = Fraction(stream.time_base), Fraction(stream.average_rate)
        first = (stream.start_time or 0) + round(start / rate / time_base)  # its presentation time
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
    """Writes a video of a textured scene that the camera drifts over while a part of it moves, with grain."""
    width, height = size
    draw = np.random.default_rng(seed)
    scene = sum(
        cv2.resize(draw.normal(size=(side, side, 3)).astype(np.float32), (2 * width, 2 * height)) / side**0.5
        for side in (4, 16, 64, 256)
    )
    scene = cv2.normalize(scene, None, 10, 245, cv2.NORM_MINMAX)
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
