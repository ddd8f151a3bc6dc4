"""The stage that fits the codebook."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.decomposition import PCA
from trajectories_file import SMALL, Videos, write_trajectories

from idt_tools.attributes import read_attributes, write_attributes
from idt_tools.codebook import Codebook
from idt_tools.columns import HOF, HOG
from workflow_scripts.encoding.fit_codebook import fit_codebook, fit_pca, sample_descriptors
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.ground.artifacts import dataset, write_columns, write_hdf5
from workflow_scripts.ground.stage import StageError


def test_fit_codebook_does_not_depend_on_shards_and_threads(
    tmp_path: Path, videos: Videos, sample: Path, codebook: Path
) -> None:
    names = sorted(videos)
    shards = [
        write_trajectories(tmp_path / "b.h5", {name: videos[name] for name in names[::-2]}),
        write_trajectories(tmp_path / "a.h5", {name: videos[name] for name in names[-2::-2]}),
    ]
    fit_codebook(sample, shards, tmp_path / "again.h5", SMALL, threads=2)
    assert (tmp_path / "again.h5").read_bytes() == codebook.read_bytes()


def test_fit_codebook_describes_its_file(codebook: Path) -> None:
    with h5py.File(codebook) as file:
        assert read_attributes(file)["stage"] == "encoding.fit_codebook"
        assert read_attributes(file)["digest"] == Codebook.load(codebook).digest()
        assert file.attrs["pca_kept_variance"] >= 0.9
        assert file["gmm_means"].shape == (4, file["pca_components"].shape[0])
        assert file["sketch_hash"].shape == (2 * file["gmm_means"].size,)


def test_sample_descriptors_of_a_video_do_not_depend_on_other_videos(tmp_path: Path, videos: Videos) -> None:
    path = write_trajectories(tmp_path / "all.h5", videos)
    of_all = sample_descriptors(list(videos), [path], SMALL)
    assert list(of_all) == sorted(set(videos) - {"broken"})
    assert {name: len(rows) for name, rows in of_all.items()} == {f"video-{i}": min(50, 20 + 40 * i) for i in range(6)}
    alone = sample_descriptors(["video-5"], [path], SMALL)
    np.testing.assert_array_equal(alone["video-5"], of_all["video-5"])
    other = sample_descriptors(["video-5"], [path], EncodingSettings(sample_descriptors=50, seed=1))
    assert not np.array_equal(other["video-5"], alone["video-5"])


def test_sample_descriptors_are_uniform(tmp_path: Path) -> None:
    numbers = np.zeros((400, 426))
    numbers[:, 0] = np.arange(400)
    path = write_trajectories(tmp_path / "all.h5", {f"v{i}": numbers for i in range(60)})
    sampled = sample_descriptors([f"v{i}" for i in range(60)], [path], SMALL)
    counts = np.bincount(np.concatenate([rows[:, 0] for rows in sampled.values()]).astype(int), minlength=400)
    assert all(len(np.unique(rows[:, 0])) == 50 for rows in sampled.values())
    assert np.sum((counts - 7.5) ** 2 / 7.5) < 500  # chi squared with 399 degrees of freedom: 400 expected


def test_fit_pca_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 20)) @ np.diag(1 / np.arange(1, 21)) @ rng.normal(size=(20, 40)) + 3
    mean, axes, kept_variance = fit_pca(np.array_split(rows, 7), 0.9)
    theirs = PCA(0.9, svd_solver="full").fit(rows)
    assert axes.shape == theirs.components_.shape
    np.testing.assert_allclose(kept_variance, theirs.explained_variance_ratio_.sum())
    np.testing.assert_allclose(mean, theirs.mean_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(axes * theirs.components_, axis=1)), 1, atol=1e-5)
    assert np.all(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] > 0)
    assert len(fit_pca([rows], 1.0)[1]) == np.linalg.matrix_rank(rows - rows.mean(axis=0))


def test_sketches_do_not_depend_on_channels_that_are_not_chosen(tmp_path: Path, sample: Path, videos: Videos) -> None:
    book = tmp_path / "motion.h5"
    trajectories = write_trajectories(tmp_path / "motion_trajectories.h5", videos)
    fit_codebook(sample, [trajectories], book, replace(SMALL, channels=("hof", "mbh")))
    codebook = Codebook.load(book)
    rows = np.asarray(videos["video-5"], np.float32)
    other = rows.copy()
    other[:, : HOG.stop] = 0  # trajectory and HOG
    np.testing.assert_array_equal(codebook.encode([rows]), codebook.encode([other]))
    other[:, HOF] = 0
    assert not np.array_equal(codebook.encode([rows]), codebook.encode([other]))


def test_fit_codebook_refuses_too_few_or_equal_descriptors(tmp_path: Path, videos: Videos, sample: Path) -> None:
    failed = write_trajectories(tmp_path / "failed.h5", dict.fromkeys(videos, "no_trajectories"))
    with pytest.raises(StageError, match=r"7 videos give 0 descriptors, too few for encoding.components = 4"):
        fit_codebook(sample, [failed], tmp_path / "codebook.h5", SMALL)
    equal = write_trajectories(tmp_path / "equal.h5", dict.fromkeys(videos, np.ones((5, 426))))
    with pytest.raises(StageError, match="all descriptors of the sample are equal"):
        fit_codebook(sample, [equal], tmp_path / "codebook.h5", SMALL)
    some = write_trajectories(tmp_path / "some.h5", {"video-1": np.ones((5, 426))})
    with pytest.raises(StageError, match=r"6 videos of the sample are in no trajectories file, such as \['broken'"):
        fit_codebook(sample, [some], tmp_path / "codebook.h5", SMALL)
    assert not (tmp_path / "codebook.h5").exists()


@pytest.mark.parametrize("persons", ["masked", "not masked"])
def test_fit_codebook_states_whether_persons_were_masked(persons: str, tmp_path: Path) -> None:
    trajectories = tmp_path / "t.h5"
    with write_hdf5(trajectories, stage="trajectories", version=1, parameters={"persons": persons}) as file:
        group = file.create_group("v")
        write_attributes(group, {"status": "ok", "reason": "", "key": "1"})
        dataset(group, "descriptors", np.random.default_rng(0).random((200, 426)).astype(np.float16))
    write_columns(tmp_path / "sample.tsv", [{"video_id": "v"}], ["video_id"])
    fit_codebook(tmp_path / "sample.tsv", [trajectories], tmp_path / "c.h5", EncodingSettings(components=2))
    with h5py.File(tmp_path / "c.h5") as file:
        assert read_attributes(file)["persons"] == persons
