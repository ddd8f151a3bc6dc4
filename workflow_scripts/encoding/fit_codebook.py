"""Stage: fits PCA and Gaussian mixture to a sample of descriptors and draws the sketch (paper 3.3, 4.2).

In:  sample.tsv (column video_id), and trajectories/{descriptors}/{shard}.h5 with /{video_id}/descriptors (n, 426)
     float16.
Out: codebook/{descriptors}/joint.h5 with the arrays of `idt_tools.codebook.MEANING`, or per_channel.h5 with a group of
     them per channel.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from idt_tools.attributes import read_attributes, write_attributes
from idt_tools.codebook import ChannelCodebook, Codebook, Mixture
from idt_tools.columns import CHANNELS
from idt_tools.count_sketch import draw_sketch
from workflow_scripts.encoding.gmm import DiagonalGMM
from workflow_scripts.encoding.settings import VERSIONS, EncodingSettings
from workflow_scripts.ground.artifacts import read_columns, read_hdf5, write_hdf5
from workflow_scripts.ground.identity import digest, rng
from workflow_scripts.ground.stage import StageError, command_line

log = logging.getLogger(__name__)


def sample_descriptors(
    video_ids: Sequence[str], trajectories: list[Path], settings: EncodingSettings
) -> dict[str, NDArray[np.float16]]:
    """Draws descriptors of each video, uniformly and without replacement.

    The draw depends on the seed and the video's id, not on the other videos or the shards.

    Args:
        video_ids: The sampled videos.
        trajectories: The trajectories of the shards, in any order.
        settings: `sample_descriptors` is the number of rows per video; a video with fewer rows gives all of them.

    Returns:
        Rows (m, 426) by video id, sorted by id. Videos whose trajectories failed are left out.

    Raises:
        StageError: A video is in none of the files.
    """
    sampled: dict[str, NDArray[np.float16]] = {}
    missing = set(video_ids)
    for path in tqdm(trajectories, "sampling descriptors", unit="shard"):
        with read_hdf5(path) as shard:
            for video_id in sorted(missing.intersection(shard)):
                missing.discard(video_id)
                if read_attributes(shard[video_id])["status"] != "ok":
                    continue
                rows: NDArray[np.float16] = shard[video_id]["descriptors"][:]
                if len(rows) > settings.sample_descriptors:
                    generator = rng(settings.seed, "descriptors", video_id)
                    rows = rows[np.sort(generator.choice(len(rows), settings.sample_descriptors, replace=False))]
                sampled[video_id] = rows[np.isfinite(rows).all(axis=1)]
    if missing:
        raise StageError(
            f"{len(missing)} videos of the sample are in no trajectories file, such as {sorted(missing)[:3]}; "
            "compute the trajectories for the same index, or draw a new sample (encoding.resample)"
        )
    return dict(sorted(sampled.items()))


def fit_pca(
    blocks: Sequence[NDArray[np.floating]], variance: float, max_axes: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Fits a PCA with the covariance matrix, which is summed in float64 block by block.

    This is not scikit-learn's PCA(svd_solver="covariance_eigh"): with 200,000 rows of 426 columns, that takes twice the
    time and 487 MiB of memory (this function: 8 MiB), and its float32 axes of nearly equal variances are inaccurate.

    Args:
        blocks: The rows, in blocks (n, d).
        variance: The fraction of the variance to keep, 0 to 1. The fewest axes that keep it are returned.
        max_axes: The largest number of axes; None: d.

    Returns:
        The mean (d,), the axes (D, d) in descending order of variance, and the fraction of the variance that they keep.
        The entry of an axis with the largest absolute value is positive.

    Raises:
        ValueError: All rows are equal.
    """
    n = sum(len(block) for block in blocks)
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks) / n
    covariance = np.zeros((len(mean), len(mean)))
    with threadpool_limits(1):  # so that the bytes do not depend on the number of cores
        for block in blocks:
            centred = block.astype(np.float64) - mean
            covariance += centred.T @ centred
        variances, axes = np.linalg.eigh(covariance / n)
    variances, axes = np.maximum(variances[::-1], 0), axes.T[::-1]
    if variances.sum() == 0:
        raise ValueError("all descriptors of the sample are equal")
    fractions = np.cumsum(variances) / variances.sum()
    n_needed = int(np.searchsorted(fractions, variance - 1e-12)) + 1
    n_axes = min(n_needed, int(np.count_nonzero(variances)), max_axes or len(axes))
    axes = axes[:n_axes]
    signs = np.sign(axes[np.arange(n_axes), np.abs(axes).argmax(axis=1)])
    return mean.astype(np.float32), (axes * signs[:, None]).astype(np.float32), float(fractions[n_axes - 1])


def project(
    blocks: Sequence[NDArray[np.floating]], mean: NDArray[np.float32], axes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Projects the rows of all blocks (n, d) on the axes (D, d) and concatenates them: (sum of n, D)."""
    projected = np.empty((sum(len(rows) for rows in blocks), len(axes)), np.float32)
    first = 0
    with threadpool_limits(1):
        for rows in blocks:
            np.matmul(rows.astype(np.float32) - mean, axes.T, out=projected[first : first + len(rows)])
            first += len(rows)
    return projected


FitSummary = dict[str, int | float]


def fit(
    blocks: Sequence[NDArray[np.float16]], settings: EncodingSettings, threads: int = 1
) -> tuple[Codebook | ChannelCodebook, dict[str, FitSummary]]:
    """Fits a codebook to descriptors. The result does not depend on the number of threads.

    With `settings.per_channel`, each channel has its own PCA to half of its columns and its own mixture (Wang and
    Schmid, ICCV 2013, section 3.2).

    Args:
        blocks: Descriptors, in blocks (n, 426).
        settings: How the codebook is fitted.
        threads: How many cores are used.

    Returns:
        The codebook, and a summary of the fit by channel; without channels, by the empty name.

    Raises:
        ValueError: All descriptors, or all those of a channel, are equal.
    """
    fits: dict[str, tuple[Mixture, FitSummary]] = {}
    if settings.per_channel:
        for name, columns in CHANNELS.items():
            channel_blocks, half = [rows[:, columns] for rows in blocks], (columns.stop - columns.start) // 2
            fits[name] = _fit_mixture(name, fit_pca(channel_blocks, 1.0, half), channel_blocks, settings, threads)
    else:
        pca = _pca_of_channels(blocks, settings.channels, settings.pca_variance)
        fits[""] = _fit_mixture("codebook", pca, blocks, settings, threads)
    mixtures = {name: mixture for name, (mixture, _) in fits.items()}
    length = sum(2 * mixture.gmm_means.size for mixture in mixtures.values())
    buckets, signs = draw_sketch(length, settings.sketch_dim, rng(settings.seed, "sketch"))
    sketch: dict[str, Any] = {"sketch_hash": buckets, "sketch_sign": signs, "sketch_dimension": settings.sketch_dim}
    sketch["normalisation"] = settings.normalisation
    joint = mixtures.get("")
    codebook = Codebook(**vars(joint), **sketch) if joint else ChannelCodebook(mixtures, **sketch)
    return codebook, {name: summary for name, (_, summary) in fits.items()}


def _pca_of_channels(
    blocks: Sequence[NDArray[np.float16]], channels: Sequence[str], variance: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """`fit_pca` of the columns of these channels, with axes (D, 426) that are 0 in all other columns."""
    parts = [part for name, part in CHANNELS.items() if name in channels or name.rstrip("xy") in channels]
    columns = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    of_channels, axes, variance_share = fit_pca([rows[:, columns] for rows in blocks], variance)
    width = blocks[0].shape[1]
    mean, all_axes = np.zeros(width, np.float32), np.zeros((len(axes), width), np.float32)
    mean[columns], all_axes[:, columns] = of_channels, axes
    return mean, all_axes, variance_share


def _fit_mixture(
    name: str,
    pca: tuple[NDArray[np.float32], NDArray[np.float32], float],
    blocks: Sequence[NDArray[np.float16]],
    settings: EncodingSettings,
    threads: int,
) -> tuple[Mixture, FitSummary]:
    """Fits a mixture to descriptors (n, d), projected by what `fit_pca` returned."""
    mean, axes, kept_variance = pca
    log.info("%s: %d principal axes keep %.1f %% of the variance", name, len(axes), 100 * kept_variance)
    projected = project(blocks, mean, axes)
    log.info("%s: %d descriptors projected", name, len(projected))
    mixture = DiagonalGMM(
        settings.components,
        max_iter=settings.em_iterations,
        tol=settings.em_tolerance,
        variance_floor=settings.variance_floor,
        random_state=settings.seed,
        n_jobs=threads,
    ).fit(projected)
    return Mixture(mean, axes, mixture.weights_, mixture.means_, mixture.covariances_), {
        "n_descriptors": len(projected),
        "pca_kept_variance": kept_variance,
        "gmm_log_likelihood": mixture.lower_bound_,
        "gmm_iterations": mixture.n_iter_,
    }


def _persons_of(trajectories: Path) -> str:
    """Returns `masked` if persons were masked in the estimate of the camera's motion, else `not masked`.

    By this attribute of the codebook, `idt encode` knows whether new videos need boxes.
    """
    with read_hdf5(trajectories) as file:
        return str(json.loads(read_attributes(file).get("parameters", "{}")).get("persons", "not masked"))


def fit_codebook(
    sample: Path, trajectories: list[Path], output: Path, settings: EncodingSettings, threads: int = 1
) -> None:
    """Fits PCA and Gaussian mixture to descriptors of the sampled videos, and draws the sketch.

    The result does not depend on the number of shards and threads.

    Args:
        sample: Table of the sampled videos, with a column video_id.
        trajectories: The trajectories of the shards, in any order.
        output: The HDF5 file to write.
        settings: How the codebook is fitted.
        threads: How many cores are used.

    Raises:
        StageError: The sample has too few descriptors, or all are equal.
    """
    video_ids = [row["video_id"] for row in read_columns(sample)]
    descriptors = sample_descriptors(video_ids, trajectories, settings)
    n, n_failed = sum(len(rows) for rows in descriptors.values()), len(video_ids) - len(descriptors)
    log.info("codebook: %d descriptors of %d videos, %d of them failed", n, len(video_ids), n_failed)
    if n < settings.components or n < 2:
        raise StageError(
            f"{sample}: its {len(video_ids)} videos give {n} descriptors, too few for encoding.components = "
            f"{settings.components}; sample more or longer videos, or set fewer components"
        )
    try:
        codebook, summaries = fit([rows for rows in descriptors.values() if len(rows)], settings, threads)
    except ValueError as error:
        raise StageError(f"{sample}: no codebook can be fitted ({error}); use other videos") from error
    with write_hdf5(
        output,
        stage="encoding.fit_codebook",
        version=VERSIONS["fit_codebook"],
        parameters=vars(settings),
        sample=digest(sorted(video_ids)),
    ) as file:
        codebook.write(file)
        write_attributes(file, {"digest": codebook.digest(), "persons": _persons_of(trajectories[0])})
        for channel, summary in summaries.items():
            file[channel or "/"].attrs.update(summary)


if __name__ == "__main__":
    command_line(fit_codebook)
