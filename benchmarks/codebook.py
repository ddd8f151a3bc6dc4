"""Time, memory and quality of fitting the codebook at the size of the paper.

    make benchmark-codebook                              # 3,500 videos x 500 descriptors
    python -m benchmarks.codebook --rows 100000          # a smaller sample

The descriptors are generated (see `descriptors`). The fit is the function of the stage. The baseline is scikit-learn's
GaussianMixture, float64, on a sample that fits in memory and from the same start.
"""

import argparse
import logging
import os
import time
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from benchmarks.measure import peak_memory, seconds
from idt_tools import columns
from workflow_scripts.encoding.fit_codebook import fit, fit_pca, project
from workflow_scripts.encoding.gmm import DiagonalGMM
from workflow_scripts.encoding.settings import EncodingSettings

STEPS = 20  # EM steps on the sample
PER_VIDEO = 500  # descriptors
MOTIONS = 300  # clusters of the generated descriptors
BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3500 * PER_VIDEO, help="descriptors (default: %(default)s)")
    parser.add_argument("--components", type=int, default=EncodingSettings().components)
    parser.add_argument("--slice", type=int, default=30_000, help="rows for scikit-learn (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    settings = EncodingSettings(components=arguments.components)

    blocks = descriptors(arguments.rows)
    size = sum(block.nbytes for block in blocks) / 2**30
    print(
        f"{arguments.rows:,} descriptors of {blocks[0].shape[1]} columns, {size:.2f} GiB; {arguments.threads} threads"
    )
    log_times()
    duration = seconds(lambda: fit(blocks, settings, arguments.threads))
    print(f"whole fit: {duration / 60:.2f} minutes (limit: 12), {peak_memory() / 1024:.2f} GiB (limit: 4)")
    logging.disable()

    result = against_scikit_learn(blocks, settings, arguments.slice, arguments.threads)
    print(f"\n{result.rows:,} rows, {result.columns} columns after PCA, {STEPS} EM steps from the same start")
    print(f"per step: {result.seconds:.3f} s, scikit-learn {result.their_seconds:.3f} s; ratio {result.ratio:.3f}")
    print(f"log-likelihood: {result.score:.4f}, scikit-learn {result.their_score:.4f} nats per row; ", end="")
    print(f"worse by {result.worse:.4%} (limit: 0.1 %)")


@dataclass(frozen=True)
class Comparison:
    """Our EM and scikit-learn's: seconds per step, and the final mean log-likelihood in nats."""

    rows: int
    columns: int
    seconds: float
    their_seconds: float
    score: float
    their_score: float

    @property
    def ratio(self) -> float:
        return self.seconds / self.their_seconds

    @property
    def worse(self) -> float:
        """Fraction by which the log-likelihood is lower than scikit-learn's; negative if it is higher."""
        return (self.their_score - self.score) / abs(self.their_score)


def against_scikit_learn(
    blocks: list[NDArray[np.float16]], settings: EncodingSettings, rows: int, threads: int
) -> Comparison:
    """Compares both on evenly spaced `rows` of the blocks, from the same start, by `STEPS` steps each."""
    sample = [block[:: max(1, sum(map(len, blocks)) // rows)] for block in blocks]
    mean, axes, _ = fit_pca(sample, settings.pca_variance)
    x = project(sample, mean, axes)[:rows]
    initial = DiagonalGMM(settings.components, max_iter=1, random_state=settings.seed).fit(x)
    start = (initial.weights_, initial.means_, initial.covariances_)
    ours = DiagonalGMM(settings.components, max_iter=STEPS, tol=0, start=start, n_jobs=threads)
    theirs = GaussianMixture(
        settings.components,
        covariance_type="diag",
        max_iter=STEPS,
        tol=0,
        weights_init=start[0],
        means_init=start[1],
        precisions_init=1 / start[2],
    )
    wide = x.astype(np.float64)
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is fixed
        our_seconds, their_seconds = seconds(lambda: ours.fit(x)), seconds(lambda: theirs.fit(wide))
    their_score = theirs.score(wide)
    # scikit-learn computes both scores.
    theirs.weights_, theirs.means_, theirs.covariances_ = ours.weights_, ours.means_, ours.covariances_
    theirs.precisions_cholesky_ = ours.covariances_**-0.5
    return Comparison(*x.shape, our_seconds / STEPS, their_seconds / STEPS, theirs.score(wide), their_score)


def descriptors(n: int, seed: int = 0) -> list[NDArray[np.float16]]:
    """Generates `n` descriptors (426 columns), in blocks per video, that resemble real ones.

    The columns of a histogram are square roots of fractions whose sum is 1. The logarithms of the fractions are those
    of a motion plus noise, both with a spectrum that falls by a power law. A video has a few motions. So PCA keeps
    about 125 columns for 90 % of the variance, and EM takes about 90 steps, as on 60 clips of UT-Interaction.
    """
    draw = np.random.default_rng(seed)
    d = len(columns.DESCRIPTORS)
    spectrum = np.arange(1, d + 1, dtype=np.float32) ** -0.59
    axes = np.linalg.qr(draw.normal(size=(d, d)))[0].astype(np.float32) * spectrum[:, None] * 1.4
    motions = draw.normal(size=(MOTIONS, d)).astype(np.float32)
    blocks = []
    for first in range(0, n, PER_VIDEO):
        shown = draw.choice(draw.choice(MOTIONS, 8), min(PER_VIDEO, n - first))
        rows = (motions[shown] + 2.2 * draw.standard_normal((len(shown), d), np.float32)) @ axes
        for name, bins in BINS.items():
            cells = np.exp(rows[:, columns.CHANNELS[name]].reshape(len(rows), -1, bins))
            cells = np.sqrt(cells / cells.sum(axis=2, keepdims=True))
            rows[:, columns.CHANNELS[name]] = cells.reshape(len(rows), -1)
        rows[:, columns.TRAJECTORY] *= 0.05
        blocks.append(rows.astype(np.float16))
    return blocks


def log_times() -> None:
    """Prints each line that the fit logs, with the seconds since the line before it."""

    class Seconds(logging.Handler):
        last = time.time()

        def emit(self, record: logging.LogRecord) -> None:
            print(f"{record.created - self.last:8.1f} s  {record.getMessage()}", flush=True)
            self.last = record.created

    logging.basicConfig(level=logging.INFO, handlers=[Seconds()])


if __name__ == "__main__":
    main()
