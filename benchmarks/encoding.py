"""Time of encoding compared with tracking, and memory of encoding for videos of different length and number.

    python -m benchmarks.encoding VIDEO [VIDEO ...] [--components 256]

Each video is tracked and then encoded on one core, with a codebook that is fitted on all of them. The public baseline
is scikit-learn's GaussianMixture.predict_proba on the same rows, which computes the posteriors of a Fisher vector only.
Memory is that of an encoding job in a separate process, without stored trajectories (`trajectories.keep: sample`), for
a video of 10 seconds, a video of 10 minutes and a shard of 30 videos, all 160x120.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import idt_tools
from benchmarks.measure import peak_memory
from idt_tools.codebook import Codebook
from idt_tools.count_sketch import draw_sketch
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.encoding.fit_codebook import fit_pca
from workflow_scripts.encoding.gmm import DiagonalGMM
from workflow_scripts.ground.artifacts import write_hdf5
from workflow_scripts.trajectories.settings import TrajectoriesSettings
from workflow_scripts.videos.index_videos import index_videos
from workflow_scripts.videos.settings import DatasetSettings

FITTED_ROWS = 50_000
BASELINE_ROWS = 10_000
RATE = 30  # frames per second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--components", type=int, default=256)
    parser.add_argument("--memory-of", nargs=2, metavar=("FOLDER", "CODEBOOK"), type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(peak_of_encoding(*arguments.memory_of))
        return
    with threadpool_limits(1):
        codebook = print_times(arguments.videos, arguments.components)
    memory(codebook)


def print_times(videos: list[Path], components: int) -> Codebook:
    """Prints the seconds of tracking and of encoding per video. Returns the codebook."""
    tracked = [(path, *timed_tracking(path)) for path in videos]
    codebook = fit([descriptors for _, descriptors, _ in tracked], components)
    print(f"K = {components}, {len(codebook.pca_components)} axes; one core")
    print(f"{'video':40} {'trajectories':>12} {'tracking s':>11} {'encoding s':>11} {'ratio':>7}")
    for path, descriptors, tracking in tracked:
        encoding = min(encoding_seconds(codebook, descriptors) for _ in range(3))
        print(f"{path.name:40} {len(descriptors):12} {tracking:11.2f} {encoding:11.3f} {encoding / tracking:7.1%}")
    rows = np.concatenate([descriptors for _, descriptors, _ in tracked])[:BASELINE_ROWS]
    theirs = posterior_seconds(codebook, rows)
    ours = min(encoding_seconds(codebook, rows) for _ in range(3))
    print(f"{len(rows)} rows: encoding {ours:.3f} s, scikit-learn's posteriors only {theirs:.3f} s", end="")
    print(f", ratio {ours / theirs:.3f}")
    return codebook


def timed_tracking(path: Path) -> tuple[np.ndarray, float]:
    """The descriptors (n, 426) float16 of a video, and the CPU seconds of decoding and tracking."""
    start = time.process_time()
    blocks = [block.descriptors.astype(np.float16) for block in idt_tools.stream(idt_tools.read_video(path))]
    return np.concatenate(blocks), time.process_time() - start


def fit(descriptors: list[np.ndarray], components: int) -> Codebook:
    """A codebook after a few EM steps, which do not change its speed."""
    mean, axes, _ = fit_pca(descriptors, 0.9)
    rows = np.concatenate(descriptors)
    rows = rows[:: max(1, len(rows) // FITTED_ROWS)]
    mixture = DiagonalGMM(components, max_iter=5).fit((rows.astype(np.float32) - mean) @ axes.T)
    sketch = draw_sketch(2 * components * len(axes), 2000, np.random.default_rng(0))
    return Codebook(mean, axes, mixture.weights_, mixture.means_, mixture.covariances_, *sketch)


def encoding_seconds(codebook: Codebook, descriptors: np.ndarray) -> float:
    start = time.process_time()
    codebook.encode(descriptors)
    return time.process_time() - start


def posterior_seconds(codebook: Codebook, rows: np.ndarray) -> float:
    mixture = GaussianMixture(len(codebook.gmm_weights), covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = (
        codebook.gmm_weights,
        codebook.gmm_means,
        codebook.gmm_variances,
    )
    mixture.precisions_cholesky_ = 1 / np.sqrt(codebook.gmm_variances)
    projected = codebook.project(rows)
    start = time.process_time()
    mixture.predict_proba(projected)
    return time.process_time() - start


def memory(codebook: Codebook) -> None:
    """Prints the peak memory of encoding jobs by the number and length of their videos."""
    print("\nencoding during tracking, 160x120        peak MiB of the job")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        codebook.save(folder / "codebook.h5")
        for n_videos, length in ((1, 10), (1, 600), (30, 10)):
            case = folder / f"{n_videos}x{length}"
            (case / "videos").mkdir(parents=True)
            for number in range(n_videos):
                write_video(case / "videos" / f"{number}.mp4", length * RATE)
            command = [sys.executable, "-m", "benchmarks.encoding", "--memory-of", case, folder / "codebook.h5"]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            print(f"{n_videos:3} video(s) of {length:3} s {float(printed[-1]):27.0f}", flush=True)


def write_video(path: Path, n_frames: int) -> None:
    """Writes a video of a textured scene that drifts and shakes."""
    noise = np.random.default_rng(0).normal(size=(240, 320, 3)).astype(np.float32)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (160, 120))
    for t in range(n_frames):
        writer.write(np.roll(scene, (int(9 * np.sin(t / 9)), 2 * t), (0, 1))[:120, :160])
    writer.release()


def peak_of_encoding(folder: Path, codebook: Path) -> float:
    """The peak memory in MiB of encoding a shard without stored trajectories."""
    index_videos("benchmark", folder / "index" / "index.tsv", DatasetSettings(root=str(folder / "videos"), shards=1))
    (listed,) = (folder / "index" / "shards").glob("*.tsv")
    with write_hdf5(folder / "trajectories.h5", stage="trajectories", version=0, parameters={}):
        pass
    encode_shard(
        folder / "trajectories.h5", codebook, folder / "out.h5", folder / "store", TrajectoriesSettings(), videos=listed
    )
    return peak_memory()


if __name__ == "__main__":
    main()
