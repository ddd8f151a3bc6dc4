"""The stages fit_codebook and encode_shard on trajectories files of the agreed layout."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

import workflow_scripts.encoding.encode_shard as stage
from idt_tools.attributes import read_attributes, write_attributes
from idt_tools.codebook import Codebook
from idt_tools.columns import HOF, HOG
from idt_tools.count_sketch import count_sketch
from workflow_scripts.encoding.encode_shard import encode_shard
from workflow_scripts.encoding.fit_codebook import fit_codebook, fit_pca, sample_descriptors
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.ground.artifacts import dataset, write_columns, write_hdf5
from workflow_scripts.ground.stage import StageError
from workflow_scripts.trajectories.settings import TrajectoriesSettings

SMALL = EncodingSettings(components=4, sample_descriptors=50, sketch_dim=64, em_iterations=10)

Videos = dict[str, NDArray[np.floating] | str]  # descriptors, or the status of a video that failed


def write_trajectories(path: Path, videos: Videos, key: str = "1") -> Path:
    with h5py.File(path, "w") as file:
        for video_id, descriptors in videos.items():
            group = file.create_group(video_id)
            failed = isinstance(descriptors, str)
            group["descriptors"] = np.empty((0, 426), np.float16) if failed else descriptors.astype(np.float16)
            group.attrs["status"] = descriptors if failed else "ok"
            group.attrs["reason"] = "for the test" if failed else ""
            group.attrs["key"] = key + video_id
    return path


@pytest.fixture(scope="module")
def videos() -> Videos:
    """Six videos of 20 to 220 descriptors, and one that could not be read."""
    draw = np.random.default_rng(0)
    basis = draw.normal(size=(12, 426)) / np.arange(1, 13)[:, None]
    made: Videos = {f"video-{i}": draw.normal(size=(20 + 40 * i, 12)) @ basis * 0.1 for i in range(6)}
    return made | {"broken": "corrupted"}


@pytest.fixture
def sample(tmp_path: Path, videos: Videos) -> Path:
    write_columns(tmp_path / "sample.tsv", [{"video_id": video_id} for video_id in videos], ["video_id"])
    return tmp_path / "sample.tsv"


@pytest.fixture
def codebook(tmp_path: Path, videos: Videos, sample: Path) -> Path:
    fit_codebook(sample, [write_trajectories(tmp_path / "all.h5", videos)], tmp_path / "codebook.h5", SMALL)
    return tmp_path / "codebook.h5"


def test_shards_and_cores_change_no_bit_of_the_codebook(
    tmp_path: Path, videos: Videos, sample: Path, codebook: Path
) -> None:
    names = sorted(videos)
    shards = [
        write_trajectories(tmp_path / "b.h5", {name: videos[name] for name in names[::-2]}),
        write_trajectories(tmp_path / "a.h5", {name: videos[name] for name in names[-2::-2]}),
    ]
    fit_codebook(sample, shards, tmp_path / "again.h5", SMALL, threads=2)
    assert (tmp_path / "again.h5").read_bytes() == codebook.read_bytes()


def test_codebook_file_tells_what_it_is(codebook: Path) -> None:
    with h5py.File(codebook) as file:
        assert read_attributes(file)["stage"] == "encoding.fit_codebook"
        assert read_attributes(file)["digest"] == Codebook.load(codebook).digest()
        assert file.attrs["pca_kept_variance"] >= 0.9
        assert file["gmm_means"].shape == (4, file["pca_components"].shape[0])
        assert file["sketch_hash"].shape == (2 * file["gmm_means"].size,)


def test_a_video_draws_the_same_rows_whatever_is_beside_it(tmp_path: Path, videos: Videos) -> None:
    path = write_trajectories(tmp_path / "all.h5", videos)
    together = sample_descriptors(list(videos), [path], SMALL)
    assert list(together) == sorted(set(videos) - {"broken"})
    assert {name: len(rows) for name, rows in together.items()} == {
        f"video-{i}": min(50, 20 + 40 * i) for i in range(6)
    }
    alone = sample_descriptors(["video-5"], [path], SMALL)
    np.testing.assert_array_equal(alone["video-5"], together["video-5"])
    other = sample_descriptors(["video-5"], [path], EncodingSettings(sample_descriptors=50, seed=1))
    assert not np.array_equal(other["video-5"], alone["video-5"])


def test_rows_are_drawn_uniformly(tmp_path: Path) -> None:
    numbers = np.zeros((400, 426))
    numbers[:, 0] = np.arange(400)
    path = write_trajectories(tmp_path / "all.h5", {f"v{i}": numbers for i in range(60)})
    drawn = sample_descriptors([f"v{i}" for i in range(60)], [path], SMALL)
    counts = np.bincount(np.concatenate([rows[:, 0] for rows in drawn.values()]).astype(int), minlength=400)
    assert all(len(np.unique(rows[:, 0])) == 50 for rows in drawn.values())
    assert np.sum((counts - 7.5) ** 2 / 7.5) < 500  # chi squared with 399 degrees of freedom: 400 expected


def test_pca_is_that_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(500, 20)) @ np.diag(1 / np.arange(1, 21)) @ draw.normal(size=(20, 40)) + 3
    mean, axes, kept = fit_pca(np.array_split(rows, 7), 0.9)
    theirs = PCA(0.9, svd_solver="full").fit(rows)
    assert axes.shape == theirs.components_.shape
    np.testing.assert_allclose(kept, theirs.explained_variance_ratio_.sum())
    np.testing.assert_allclose(mean, theirs.mean_, rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(axes * theirs.components_, axis=1)), 1, atol=1e-5)
    assert np.all(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] > 0)
    assert len(fit_pca([rows], 1.0)[1]) == np.linalg.matrix_rank(rows - rows.mean(axis=0))


def test_channels_that_are_not_chosen_change_no_sketch(tmp_path: Path, sample: Path, videos: Videos) -> None:
    chosen = replace(SMALL, channels=("hof", "mbh"))
    book = tmp_path / "motion.h5"
    fit_codebook(sample, [write_trajectories(tmp_path / "all.h5", videos)], book, chosen)
    codebook = Codebook.load(book)
    rows = np.asarray(videos["video-5"], np.float32)
    other = rows.copy()
    other[:, : HOG.stop] = 0  # trajectory and HOG
    np.testing.assert_array_equal(codebook.encode([rows]), codebook.encode([other]))
    other[:, HOF] = 0
    assert not np.array_equal(codebook.encode([rows]), codebook.encode([other]))


def test_too_few_or_equal_descriptors_are_said_clearly(tmp_path: Path, videos: Videos, sample: Path) -> None:
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


def test_every_video_has_its_row_and_failures_their_status(tmp_path: Path, videos: Videos, codebook: Path) -> None:
    bad = np.zeros((30, 426))
    bad[3, 7] = np.nan
    trajectories = write_trajectories(tmp_path / "shard.h5", videos | {"nan": bad, "empty": np.empty((0, 426))})
    encode_shard(trajectories, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    with h5py.File(tmp_path / "out.h5") as file:
        names = list(file["video_id"].asstr()[:])
        status = dict(zip(names, file["status"].asstr()[:], strict=True))
        sketch = dict(zip(names, file["sketch"][:], strict=True))
        counts = dict(zip(names, file["n_trajectories"][:], strict=True))
    assert names == sorted([*videos, "nan", "empty"])
    assert status == {name: "ok" for name in videos} | {
        "broken": "corrupted",
        "nan": "not_finite",
        "empty": "no_trajectories",
    }
    for name in names:
        if status[name] == "ok":
            expected = Codebook.load(codebook).encode(np.asarray(videos[name]))
            np.testing.assert_array_equal(sketch[name], expected)
            assert counts[name] == len(videos[name])
        else:
            assert not sketch[name].any() and counts[name] == 0


def test_fisher_vectors_are_what_the_sketches_are_made_of(tmp_path: Path, videos: Videos, codebook: Path) -> None:
    trajectories = write_trajectories(tmp_path / "shard.h5", videos)
    for name, fisher in (("sketch", False), ("fisher", True)):
        settings, store = TrajectoriesSettings(), tmp_path / name / "store"
        encode_shard(trajectories, codebook, tmp_path / f"{name}.h5", store, settings, fisher=fisher)
    book = Codebook.load(codebook)
    with h5py.File(tmp_path / "sketch.h5") as sketches, h5py.File(tmp_path / "fisher.h5") as file:
        assert "sketch" not in file and file["fisher"].shape == (7, 2 * book.gmm_means.size)
        for column in ("video_id", "status", "reason", "n_trajectories"):
            np.testing.assert_array_equal(file[column][:], sketches[column][:])
        for fisher, sketch in zip(file["fisher"][:], sketches["sketch"][:], strict=True):
            expected = count_sketch(fisher, book.sketch_hash, book.sketch_sign, book.sketch_dimension)
            np.testing.assert_allclose(sketch, expected, atol=1e-6)
        assert np.linalg.norm(file["fisher"][:], axis=1).round(5).tolist() == [0.0] + [1.0] * 6


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the videos that were really encoded, in order."""
    seen: list[str] = []
    kept_descriptors: Callable[[Path, str], Iterator[NDArray[np.floating]]] = stage.kept_descriptors

    def seen_descriptors(path: Path, video_id: str) -> Iterator[NDArray[np.floating]]:
        seen.append(video_id)
        return kept_descriptors(path, video_id)

    monkeypatch.setattr(stage, "kept_descriptors", seen_descriptors)
    return seen


def test_only_what_changed_is_encoded(
    tmp_path: Path, videos: Videos, sample: Path, codebook: Path, encoded: list[str]
) -> None:
    few = {name: videos[name] for name in sorted(videos)[:4]}
    shard = write_trajectories(tmp_path / "shard.h5", few)
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    first = (tmp_path / "out.h5").read_bytes()
    assert sorted(encoded) == sorted(few)

    encoded.clear()
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    assert encoded == [] and (tmp_path / "out.h5").read_bytes() == first

    shard = write_trajectories(tmp_path / "shard.h5", videos)  # videos were added
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings(), threads=2)
    assert sorted(encoded) == sorted(set(videos) - set(few))
    encode_shard(shard, codebook, tmp_path / "fresh.h5", tmp_path / "other-store", TrajectoriesSettings())
    assert (tmp_path / "fresh.h5").read_bytes() == (tmp_path / "out.h5").read_bytes()

    encoded.clear()
    with h5py.File(shard, "a") as file:
        file["video-2"].attrs["key"] = "its trajectories were computed anew"
    encode_shard(shard, codebook, tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    assert encoded == ["video-2"]

    encoded.clear()
    other = EncodingSettings(components=5, sketch_dim=64, em_iterations=5)
    fit_codebook(sample, [shard], tmp_path / "other.h5", other)
    encode_shard(shard, tmp_path / "other.h5", tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())
    assert sorted(encoded) == sorted(videos)


def test_a_codebook_that_cannot_be_read_is_said_clearly(tmp_path: Path, videos: Videos) -> None:
    shard = write_trajectories(tmp_path / "shard.h5", videos)
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(StageError, match=r"text.h5 is not a codebook that can be read"):
        encode_shard(shard, tmp_path / "text.h5", tmp_path / "out.h5", tmp_path / "store", TrajectoriesSettings())


@pytest.mark.parametrize("persons", ["masked", "not masked"])
def test_the_codebook_tells_whether_its_sample_was_masked(persons: str, tmp_path: Path) -> None:
    trajectories = tmp_path / "t.h5"
    with write_hdf5(trajectories, stage="trajectories", version=1, parameters={"persons": persons}) as file:
        group = file.create_group("v")
        write_attributes(group, {"status": "ok", "reason": "", "key": "1"})
        dataset(group, "descriptors", np.random.default_rng(0).random((200, 426)).astype(np.float16))
    write_columns(tmp_path / "sample.tsv", [{"video_id": "v"}], ["video_id"])
    fit_codebook(tmp_path / "sample.tsv", [trajectories], tmp_path / "c.h5", EncodingSettings(components=2))
    with h5py.File(tmp_path / "c.h5") as file:
        assert read_attributes(file)["persons"] == persons
