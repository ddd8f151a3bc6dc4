"""How long the codebook's fit takes at the paper's size, in how much memory, and how good it is by a public baseline.

    make benchmark-codebook                              # 3,500 videos x 500 descriptors
    python -m benchmarks.codebook --rows 100000          # fewer of them

The descriptors are generated (`descriptors` says how) and go through the function that the stage calls. The baseline is
scikit-learn's GaussianMixture, float64, on a slice that both can hold and from the same start.
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

STEPS = 20  # of EM on the slice
PER_VIDEO = 500  # descriptors
MOTIONS = 300  # clusters that the generated descriptors lie in
BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3500 * PER_VIDEO, help="descriptors (default: %(default)s)")
    parser.add_argument("--components", type=int, default=EncodingSettings().components)
    parser.add_argument("--slice", type=int, default=30_000, help="rows that scikit-learn sees (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    settings = EncodingSettings(components=chosen.components)

    blocks = descriptors(chosen.rows)
    size = sum(block.nbytes for block in blocks) / 2**30
    print(f"{chosen.rows:,} descriptors of {blocks[0].shape[1]} columns, {size:.2f} GiB; {chosen.threads} threads")
    log_times()
    spent = seconds(lambda: fit(blocks, settings, chosen.threads))
    print(f"whole fit: {spent / 60:.2f} minutes (asked for: at most 12), {peak_memory() / 1024:.2f} GiB (at most 4)")
    logging.disable()

    result = against_scikit_learn(blocks, settings, chosen.slice, chosen.threads)
    print(f"\n{result.rows:,} rows, {result.columns} columns after PCA, {STEPS} EM steps from the same start")
    print(f"a step: {result.seconds:.3f} s, scikit-learn {result.their_seconds:.3f} s; ratio {result.ratio:.3f}")
    print(f"log-likelihood: {result.score:.4f}, scikit-learn {result.their_score:.4f} nats a row; ", end="")
    print(f"worse by {result.worse:.4%} (asked for: at most 0.1 %)")


@dataclass(frozen=True)
class Comparison:
    """Our EM beside scikit-learn's: seconds a step, and the mean log-likelihood (nats) that it reaches."""

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
        """By which share the log-likelihood is lower than scikit-learn's; below 0 where it is higher."""
        return (self.their_score - self.score) / abs(self.their_score)


def against_scikit_learn(
    blocks: list[NDArray[np.float16]], settings: EncodingSettings, rows: int, threads: int
) -> Comparison:
    """Both on the same `rows`, from all over the blocks, from the same start: `STEPS` steps each."""
    some = [block[:: max(1, sum(map(len, blocks)) // rows)] for block in blocks]
    mean, axes, _ = fit_pca(some, settings.pca_variance)
    x = project(some, mean, axes)[:rows]
    started = DiagonalGMM(settings.components, max_iter=1, random_state=settings.seed).fit(x)
    start = (started.weights_, started.means_, started.covariances_)
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
        spent, theirs_spent = seconds(lambda: ours.fit(x)), seconds(lambda: theirs.fit(wide))
    their_score = theirs.score(wide)
    # The same judge for both.
    theirs.weights_, theirs.means_, theirs.covariances_ = ours.weights_, ours.means_, ours.covariances_
    theirs.precisions_cholesky_ = ours.covariances_**-0.5
    return Comparison(*x.shape, spent / STEPS, theirs_spent / STEPS, theirs.score(wide), their_score)


def descriptors(n: int, seed: int = 0) -> list[NDArray[np.float16]]:
    """`n` made-up descriptors (426 columns), in blocks of a video's, much like real ones.

    The columns of a histogram are square roots of shares whose sum is 1. The logarithms of the shares are those of a
    motion, of which a video shows a few, and noise about it; both have a spectrum that falls by a power law. So PCA
    keeps about 125 columns for 90 % of the variance, and EM takes some 90 steps, as on 60 clips of UT-Interaction.
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
    """Shows what the fit logs, each line with the seconds since the one before."""

    class Seconds(logging.Handler):
        last = time.time()

        def emit(self, record: logging.LogRecord) -> None:
            print(f"{record.created - self.last:8.1f} s  {record.getMessage()}", flush=True)
            self.last = record.created

    logging.basicConfig(level=logging.INFO, handlers=[Seconds()])


if __name__ == "__main__":
    main()
