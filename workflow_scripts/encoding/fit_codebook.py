"""Fits the codebook: PCA and Gaussian mixture on a sample of descriptors, and the drawn sketch (paper 3.3, 4.2).

In:  sample.tsv (column video_id) and the dataset's trajectories, /{video_id}/descriptors (n, 426) float16 per shard.
Out: codebook/{descriptors}/joint.h5, the arrays of `idt_tools.codebook.MEANING`; or per_channel.h5, a group each.
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
    """`settings.sample_descriptors` rows (m, 426) of each video, sorted by id; all rows of a shorter one.

    Drawn without replacement, uniform over the video's trajectories, by the seed and the video's id alone: neither
    the other videos nor the shards matter. Videos whose trajectories failed are left out. Raises StageError for
    videos that are in none of the files.
    """
    drawn: dict[str, NDArray[np.float16]] = {}
    missing = set(video_ids)
    for path in tqdm(trajectories, "sampling descriptors", unit="shard"):
        with read_hdf5(path) as shard:
            for video_id in sorted(missing.intersection(shard)):
                missing.discard(video_id)
                if read_attributes(shard[video_id])["status"] != "ok":
                    continue
                rows: NDArray[np.float16] = shard[video_id]["descriptors"][:]
                if len(rows) > settings.sample_descriptors:
                    draw = rng(settings.seed, "descriptors", video_id)
                    rows = rows[np.sort(draw.choice(len(rows), settings.sample_descriptors, replace=False))]
                drawn[video_id] = rows[np.isfinite(rows).all(axis=1)]
    if missing:
        raise StageError(
            f"{len(missing)} videos of the sample are in no trajectories file, such as {sorted(missing)[:3]}: "
            "make the trajectories of the same index, or draw the sample anew (encoding.resample)"
        )
    return dict(sorted(drawn.items()))


def fit_pca(
    blocks: Sequence[NDArray[np.floating]], variance: float, most: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Mean (d,), principal axes (D, d) by falling variance, and the share of variance that they keep.

    D is the least number of axes, and at most `most`, that keep at least the share `variance` of that of all rows of
    `blocks` (each (n, d)). The sign of an axis is such that its largest entry is positive. Exact, from the covariance
    matrix in float64, block by block. Raises ValueError where the rows do not vary.
    """
    n = sum(len(block) for block in blocks)
    mean = sum(block.sum(axis=0, dtype=np.float64) for block in blocks) / n
    covariance = np.zeros((len(mean), len(mean)))
    with threadpool_limits(1):  # the same bytes on any number of cores
        for block in blocks:
            centred = block.astype(np.float64) - mean
            covariance += centred.T @ centred
        variances, axes = np.linalg.eigh(covariance / n)
    variances, axes = np.maximum(variances[::-1], 0), axes.T[::-1]
    if variances.sum() == 0:
        raise ValueError("all descriptors of the sample are equal")
    kept = np.cumsum(variances) / variances.sum()
    size = min(int(np.searchsorted(kept, variance - 1e-12)) + 1, int(np.count_nonzero(variances)), most or len(axes))
    axes = axes[:size]
    largest = axes[np.arange(size), np.abs(axes).argmax(axis=1)]
    return (
        mean.astype(np.float32),
        (axes * np.sign(largest)[:, None]).astype(np.float32),
        float(kept[size - 1]),
    )


def project(
    blocks: Sequence[NDArray[np.floating]], mean: NDArray[np.float32], axes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """All rows of the blocks (n, d), one after the other, in the space of the axes: (sum of n, D)."""
    projected = np.empty((sum(len(rows) for rows in blocks), len(axes)), np.float32)
    first = 0
    with threadpool_limits(1):
        for rows in blocks:
            np.matmul(rows.astype(np.float32) - mean, axes.T, out=projected[first : first + len(rows)])
            first += len(rows)
    return projected


Facts = dict[str, int | float]  # what is worth knowing of a fit


def fit(
    blocks: Sequence[NDArray[np.float16]], settings: EncodingSettings, threads: int = 1
) -> tuple[Codebook | ChannelCodebook, dict[str, Facts]]:
    """The codebook of the sampled descriptors, blocks (n, 426) each, and facts of its fit, by channel where it has any.

    With `settings.per_channel`, each channel has a PCA to half its columns and a mixture of its own (Wang and Schmid,
    ICCV 2013, section 3.2). The same to the last bit for any number of `threads`. Raises ValueError where the
    descriptors, or those of a channel, are all equal.
    """
    fits: dict[str, tuple[Mixture, Facts]] = {}
    if settings.per_channel:
        for name, columns in CHANNELS.items():
            of_channel, half = [rows[:, columns] for rows in blocks], (columns.stop - columns.start) // 2
            fits[name] = _fit_mixture(name, fit_pca(of_channel, 1.0, half), of_channel, settings, threads)
    else:
        pca = _pca_of_channels(blocks, settings.channels, settings.pca_variance)
        fits[""] = _fit_mixture("codebook", pca, blocks, settings, threads)
    mixtures = {name: mixture for name, (mixture, _) in fits.items()}
    length = sum(2 * mixture.gmm_means.size for mixture in mixtures.values())
    places, signs = draw_sketch(length, settings.sketch_dim, rng(settings.seed, "sketch"))
    sketch: dict[str, Any] = {"sketch_hash": places, "sketch_sign": signs, "sketch_dimension": settings.sketch_dim}
    joint = mixtures.get("")
    codebook = Codebook(**vars(joint), **sketch) if joint else ChannelCodebook(mixtures, **sketch)
    return codebook, {name: facts for name, (_, facts) in fits.items()}


def _pca_of_channels(
    blocks: Sequence[NDArray[np.float16]], channels: Sequence[str], variance: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """`fit_pca` of the columns of these channels, with axes (D, 426) that are 0 in all other columns."""
    parts = [part for name, part in CHANNELS.items() if name in channels or name.rstrip("xy") in channels]
    columns = np.concatenate([np.arange(part.start, part.stop) for part in parts])
    of_channels, axes, kept = fit_pca([rows[:, columns] for rows in blocks], variance)
    width = blocks[0].shape[1]
    mean, all_axes = np.zeros(width, np.float32), np.zeros((len(axes), width), np.float32)
    mean[columns], all_axes[:, columns] = of_channels, axes
    return mean, all_axes, kept


def _fit_mixture(
    name: str,
    pca: tuple[NDArray[np.float32], NDArray[np.float32], float],
    blocks: Sequence[NDArray[np.float16]],
    settings: EncodingSettings,
    threads: int,
) -> tuple[Mixture, Facts]:
    """The mixture of descriptors (n, d) in the space of their PCA, as `fit_pca` gives it."""
    mean, axes, kept = pca
    log.info("%s: %d principal axes keep %.1f %% of the variance", name, len(axes), 100 * kept)
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
        "pca_kept_variance": kept,
        "gmm_log_likelihood": mixture.lower_bound_,
        "gmm_iterations": mixture.n_iter_,
    }


def masking(trajectories: Path) -> str:
    """`masked` where people were left out of the camera's motion in a trajectories file, else `not masked`.

    It becomes an attribute of the codebook, by which `idt encode` knows whether new videos need boxes.
    """
    with read_hdf5(trajectories) as file:
        return str(json.loads(read_attributes(file).get("parameters", "{}")).get("persons", "not masked"))


def fit_codebook(
    sample: Path, trajectories: list[Path], output: Path, settings: EncodingSettings, threads: int = 1
) -> None:
    """Fits PCA and Gaussian mixture to descriptors of the videos in `sample`, and draws the sketch.

    `sample`: table with a column video_id; `trajectories`: the shards' files, in any order. The result is the same
    for any number of shards and of `threads`. Raises StageError where the sample has too few descriptors.
    """
    video_ids = [row["video_id"] for row in read_columns(sample)]
    drawn = sample_descriptors(video_ids, trajectories, settings)
    n = sum(len(rows) for rows in drawn.values())
    log.info(
        "codebook: %d descriptors of %d videos, %d of them failed",
        n,
        len(video_ids),
        len(video_ids) - len(drawn),
    )
    if n < settings.components or n < 2:
        raise StageError(
            f"{sample}: its {len(video_ids)} videos give {n} descriptors, too few for encoding.components = "
            f"{settings.components}: sample more or longer videos, or set fewer components"
        )
    try:
        codebook, facts = fit([rows for rows in drawn.values() if len(rows)], settings, threads)
    except ValueError as error:
        raise StageError(f"{sample}: {error}, so there is nothing to describe: use other videos") from error
    with write_hdf5(
        output,
        stage="encoding.fit_codebook",
        version=VERSIONS["fit_codebook"],
        parameters=vars(settings),
        sample=digest(sorted(video_ids)),
    ) as file:
        codebook.write(file)
        write_attributes(file, {"digest": codebook.digest(), "persons": masking(trajectories[0])})
        for channel, of_channel in facts.items():
            file[channel or "/"].attrs.update(of_channel)


if __name__ == "__main__":
    command_line(fit_codebook)
