"""The codebook as a file and as an encoder."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from idt_tools import ReadingFailed
from idt_tools.codebook import MEANING, Codebook
from idt_tools.count_sketch import draw_sketch
from idt_tools.fisher_vector import NORMALISATIONS, fisher_vector


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    draw = np.random.default_rng(0)
    k, d = 6, 10
    axes = np.linalg.qr(draw.normal(size=(426, d)))[0].T.astype(np.float32)
    mixture = (np.full(k, 1 / k), draw.normal(size=(k, d)), draw.uniform(0.5, 1, size=(k, d)))
    return Codebook(draw.normal(size=426).astype(np.float32), axes, *mixture, *draw_sketch(2 * k * d, 2000, draw))


@pytest.fixture(scope="module")
def descriptors() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(5000, 426)).astype(np.float32)


def test_load_returns_the_saved_codebook(codebook: Codebook, descriptors: NDArray[np.float32], tmp_path: Path) -> None:
    codebook.save(tmp_path / "codebook.h5")
    loaded = Codebook.load(tmp_path / "codebook.h5")
    assert loaded.digest() == codebook.digest()
    np.testing.assert_array_equal(loaded.encode(descriptors), codebook.encode(descriptors))
    with h5py.File(tmp_path / "codebook.h5") as file:
        assert set(file) == set(MEANING)
        assert all(file[name].attrs["meaning"] and file[name].fletcher32 for name in file)


def test_normalisation_is_stored_with_the_codebook(
    codebook: Codebook, descriptors: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NORMALISATIONS, "of_components", lambda psi: psi / np.linalg.norm(psi, axis=1, keepdims=True))
    other = replace(codebook, normalisation="of_components")
    assert other.digest() != codebook.digest()
    other.save(tmp_path / "codebook.h5")
    loaded = Codebook.load(tmp_path / "codebook.h5")
    assert loaded.digest() == other.digest()
    by_component = loaded.fisher(descriptors).reshape(len(codebook.gmm_weights), -1)
    np.testing.assert_allclose(np.linalg.norm(by_component, axis=1), 1, rtol=1e-6)


def test_load_takes_a_codebook_without_normalisation_for_power(codebook: Codebook, tmp_path: Path) -> None:
    codebook.save(tmp_path / "codebook.h5")
    with h5py.File(tmp_path / "codebook.h5", "r+") as file:
        del file.attrs["normalisation"]
    assert Codebook.load(tmp_path / "codebook.h5").normalisation == "power"


def test_load_refuses_an_unknown_normalisation(codebook: Codebook, tmp_path: Path) -> None:
    replace(codebook, normalisation="guess").save(tmp_path / "codebook.h5")
    with pytest.raises(ValueError, match="is not a readable codebook: its normalisation 'guess' is not known"):
        Codebook.load(tmp_path / "codebook.h5")


def test_encode_is_the_count_sketch_of_the_normalised_fisher_vector(
    codebook: Codebook, descriptors: NDArray[np.float32]
) -> None:
    projected = (descriptors.astype(np.float16) - codebook.pca_mean.astype(np.float64)) @ codebook.pca_components.T
    mixture = (codebook.gmm_weights, codebook.gmm_means, codebook.gmm_variances)
    psi = fisher_vector(projected, *mixture, dtype=np.float64)
    psi = np.sign(psi) * np.sqrt(np.abs(psi))
    psi /= np.linalg.norm(psi)
    sketch = codebook.encode(descriptors)
    assert sketch.shape == (2000,) and sketch.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(codebook.fisher(descriptors)), 1, rtol=1e-6)
    np.testing.assert_allclose(codebook.fisher(descriptors), psi, atol=1e-3)
    expected = np.zeros(2000)
    np.add.at(expected, codebook.sketch_hash, codebook.sketch_sign * psi)
    np.testing.assert_allclose(sketch, expected, atol=1e-3)


def test_encode_does_not_depend_on_blocks_and_precision(codebook: Codebook, descriptors: NDArray[np.float32]) -> None:
    whole = codebook.encode(descriptors)
    np.testing.assert_array_equal(codebook.encode(iter(np.split(descriptors, [1, 1, 300, 4097]))), whole)
    np.testing.assert_array_equal(codebook.encode(descriptors.astype(np.float16)), whole)


def test_digest_depends_on_the_arrays(codebook: Codebook) -> None:
    arrays = {name: getattr(codebook, name) for name in MEANING}
    assert Codebook(**arrays).digest() == codebook.digest()
    arrays["gmm_weights"] = codebook.gmm_weights[::-1] + 1e-9
    assert Codebook(**arrays).digest() != codebook.digest()


def test_encode_of_descriptors_that_are_not_finite_or_missing(codebook: Codebook) -> None:
    assert np.isnan(codebook.encode(np.full((3, 426), np.nan))).any()
    assert not np.isfinite(codebook.encode(np.full((3, 426), 1e6))).all()  # larger than float16 allows
    with pytest.raises(ValueError, match="at least one descriptor"):
        codebook.encode([])
    with pytest.raises(ValueError, match=r"must be \(n, 426\)"):
        codebook.encode(np.zeros((3, 436)))


def test_load_refuses_a_file_that_is_not_a_codebook(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("not HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["sketch"] = np.zeros(3)
    for name in ("text.h5", "other.h5"):
        with pytest.raises(ValueError, match=rf"{name} is not a readable codebook"):
            Codebook.load(tmp_path / name)
    with pytest.raises(ReadingFailed, match="there is no such file"):
        Codebook.load(tmp_path / "absent.h5")


def test_codebook_refuses_arrays_of_wrong_shapes(codebook: Codebook) -> None:
    arrays = {name: getattr(codebook, name) for name in MEANING}
    with pytest.raises(ValueError, match="sketch_sign of a codebook"):
        Codebook(**{**arrays, "sketch_sign": codebook.sketch_sign[:-1]})


def test_codebook_imports_without_the_packages_of_the_pipeline() -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(['h5py', 'torch', 'sklearn', 'scipy', 'pandas']))"
    subprocess.run([sys.executable, "-c", f"{blocked}; import idt_tools.codebook"], check=True)
