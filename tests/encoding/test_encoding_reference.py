"""The encoding of real descriptors agrees with scikit-learn (PCA, mixture) and scikit-image (Fisher vector)."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.feature import fisher_vector as skimage_fisher_vector
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from idt_tools.codebook import ChannelCodebook, Codebook
from idt_tools.columns import CHANNELS
from idt_tools.count_sketch import count_sketch
from idt_tools.fisher_vector import fisher_vector
from workflow_scripts.encoding.fit_codebook import fit_codebook
from workflow_scripts.encoding.gmm import DiagonalGMM
from workflow_scripts.encoding.settings import EncodingSettings
from workflow_scripts.ground.artifacts import write_columns

pytestmark = pytest.mark.slow  # fits codebooks to real videos

K = 16
Clips = dict[str, NDArray[np.float16]]


@pytest.fixture(scope="module")
def clips(shared: Path) -> Clips:
    """The original extractor's descriptors of four runs, (702 to 2864, 426) each."""
    files = sorted((shared / "idt_reference").glob("*.npz"))
    return {file.stem: np.load(file)["descriptors"] for file in files}


def fitted(clips: Clips, folder: Path, per_channel: bool = False) -> Path:
    with h5py.File(folder / "shard.h5", "w") as file:
        for name, descriptors in clips.items():
            file[f"{name}/descriptors"] = descriptors
            file[name].attrs["status"] = "ok"
    write_columns(folder / "sample.tsv", [{"video_id": name} for name in clips], ["video_id"])
    settings = EncodingSettings(components=K, sample_descriptors=10_000, em_iterations=30, per_channel=per_channel)
    fit_codebook(folder / "sample.tsv", [folder / "shard.h5"], folder / "codebook.h5", settings)
    return folder / "codebook.h5"


@pytest.fixture(scope="module")
def codebook(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Codebook:
    loaded = Codebook.load(fitted(clips, tmp_path_factory.mktemp("reference")))
    assert isinstance(loaded, Codebook)
    return loaded


def test_fit_codebook_agrees_with_scikit_learn_and_scikit_image(clips: Clips, codebook: Codebook) -> None:
    rows = np.concatenate([clips[name] for name in sorted(clips)]).astype(np.float64)
    pca = PCA(0.9, svd_solver="full").fit(rows)
    d = len(pca.components_)
    assert codebook.pca_components.shape == (d, 426)
    signs = np.sign(np.sum(pca.components_ * codebook.pca_components, axis=1))
    projected = pca.transform(rows) * signs
    start = DiagonalGMM(K, random_state=0, max_iter=0).fit((rows - pca.mean_) @ (pca.components_.T * signs))
    # Thirty steps from the same start, with products in float64 instead of float32.
    mixture = GaussianMixture(
        K,
        covariance_type="diag",
        max_iter=30,
        reg_covar=0,  # by default 1e-6 is added to each variance, here 0.2 % of the smallest one
        weights_init=start.weights_,
        means_init=start.means_,
        precisions_init=1 / start.covariances_,
    )
    with pytest.warns(UserWarning, match="did not converge"):
        mixture.fit(projected)
    np.testing.assert_allclose(codebook.gmm_weights, mixture.weights_, atol=1e-5)
    np.testing.assert_allclose(codebook.gmm_means, mixture.means_, atol=1e-4)
    np.testing.assert_allclose(codebook.gmm_variances, mixture.covariances_, rtol=1e-3)

    for name, descriptors in clips.items():
        gradients = skimage_fisher_vector(pca.transform(descriptors.astype(np.float64)) * signs, mixture)
        of_means, of_variances = gradients[K:].reshape(2, K, d)
        theirs = np.concatenate([of_means, -of_variances], axis=1).ravel()
        theirs = np.sign(theirs) * np.sqrt(np.abs(theirs))
        theirs /= np.linalg.norm(theirs)
        ours = codebook.fisher(descriptors)
        assert ours @ theirs > 0.99999, name


def test_fisher_vector_agrees_with_scikit_image_on_real_descriptors(clips: Clips, codebook: Codebook) -> None:
    """Equations 5-6 on real descriptors, with the same mixture."""
    mixture = GaussianMixture(K, covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = (
        codebook.gmm_weights,
        codebook.gmm_means,
        codebook.gmm_variances,
    )
    mixture.precisions_cholesky_ = 1 / np.sqrt(codebook.gmm_variances)
    for descriptors in clips.values():
        x = codebook.project(descriptors)
        gradients = skimage_fisher_vector(x.astype(np.float64), mixture)
        of_means, of_variances = gradients[K:].reshape(2, *codebook.gmm_means.shape)
        ours = fisher_vector(x, mixture.weights_, mixture.means_, mixture.covariances_)
        np.testing.assert_allclose(ours, np.concatenate([of_means, -of_variances], axis=1).ravel(), atol=1e-5)


def test_fit_codebook_per_channel_is_that_of_wang_and_schmid(clips: Clips, tmp_path: Path) -> None:
    """The PCA of each channel agrees with scikit-learn, its Fisher vector with scikit-image in float64."""
    path = fitted(clips, tmp_path, per_channel=True)
    book = Codebook.load(path)
    assert isinstance(book, ChannelCodebook) and book.digest() == ChannelCodebook(**vars(book)).digest()
    with h5py.File(path) as file:
        assert [name for name in file if isinstance(file[name], h5py.Group)] == sorted(CHANNELS)
        assert all(file[name].attrs["pca_kept_variance"] > 0.5 for name in CHANNELS)
    rows = np.concatenate([clips[name] for name in sorted(clips)]).astype(np.float64)
    halves = {"trajectory": 15, "hog": 48, "hof": 54, "mbhx": 48, "mbhy": 48}
    spaces = {}
    for channel, half in halves.items():
        ours = book.channels[channel]
        pca = PCA(half, svd_solver="full").fit(rows[:, CHANNELS[channel]])
        signs = np.sign(np.sum(pca.components_ * ours.pca_components, axis=1))
        np.testing.assert_allclose(ours.pca_components, pca.components_ * signs[:, None], atol=1e-4)
        mixture = GaussianMixture(K, covariance_type="diag")
        mixture.weights_, mixture.means_, mixture.covariances_ = ours.gmm_weights, ours.gmm_means, ours.gmm_variances
        mixture.precisions_cholesky_ = 1 / np.sqrt(ours.gmm_variances)
        spaces[channel] = (pca, signs, mixture)
    for descriptors in clips.values():
        parts = []
        for channel, (pca, signs, mixture) in spaces.items():
            x = pca.transform(descriptors[:, CHANNELS[channel]].astype(np.float64)) * signs
            gradients = skimage_fisher_vector(x, mixture)
            of_means, of_variances = gradients[K:].reshape(2, K, halves[channel])
            psi = np.concatenate([of_means, -of_variances], axis=1).ravel()
            psi = np.sign(psi) * np.sqrt(np.abs(psi))
            parts.append(psi / np.linalg.norm(psi))
        theirs = np.concatenate(parts)
        ours = book.fisher(descriptors)
        assert ours.shape == (2 * K * 213,)
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
        assert ours @ theirs > 5 * 0.99999  # five vectors of unit length
        np.testing.assert_array_equal(book.fisher(iter(np.array_split(descriptors, [1, 300, 301]))), ours)
        sketch = count_sketch(theirs, book.sketch_hash, book.sketch_sign, book.sketch_dimension)
        np.testing.assert_allclose(book.encode(descriptors), sketch, atol=5e-3)
