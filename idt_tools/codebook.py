"""The codebook: all that turns the descriptors of a video into its sketch (paper 3.3).

Fitted once on a sample of descriptors (`workflow_scripts.encoding.fit_codebook`), kept in one HDF5 file, and applied
here to any number of videos: PCA, Fisher vector under the Gaussian mixture, signed square root, L2 norm, count
sketch. `Codebook.load(path).encode(descriptors)` needs numpy alone beside the file's reader.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idt_tools.attributes import write_attributes
from idt_tools.count_sketch import count_sketch
from idt_tools.fisher_vector import Floats, fisher_vector, fixed_blocks, l2_normalise, power_normalise

MEANING = {  # the datasets of a codebook file; each is an attribute of Codebook
    "pca_mean": "mean of the sampled descriptors, (426,)",
    "pca_components": "principal axes by falling variance, unit length, (D, 426)",
    "gmm_weights": "mixing probabilities, (K,), sum 1",
    "gmm_means": "means of the components in the space of the principal axes, (K, D)",
    "gmm_variances": "diagonal variances of the components, (K, D)",
    "sketch_hash": "place in the sketch of each entry of the Fisher vector, (2KD,)",
    "sketch_sign": "sign, -1 or 1, with which it is added there, (2KD,)",
}


@dataclass(frozen=True, eq=False)
class Codebook:
    """PCA, diagonal Gaussian mixture and count sketch; shapes and meaning of the arrays as in `MEANING`."""

    pca_mean: NDArray[np.float32]
    pca_components: NDArray[np.float32]
    gmm_weights: NDArray[np.float64]
    gmm_means: NDArray[np.float64]
    gmm_variances: NDArray[np.float64]
    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int = 2000

    def __post_init__(self) -> None:
        k, d = self.gmm_means.shape
        shapes = {
            "pca_mean": self.pca_components.shape[1:],
            "pca_components": (d, len(self.pca_mean)),
            "gmm_weights": (k,),
            "gmm_variances": (k, d),
            "sketch_hash": (2 * k * d,),
            "sketch_sign": (2 * k * d,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} of a codebook has shape {getattr(self, name).shape}, expected {shape}")

    def check_values(self) -> None:
        """Raises ValueError where a number is not finite or out of its range."""
        if not all(np.isfinite(getattr(self, name)).all() for name in MEANING):
            raise ValueError("it holds numbers that are not finite")
        if not ((self.gmm_weights > 0).all() and (self.gmm_variances > 0).all()):
            raise ValueError("a weight or variance of its mixture is not positive")
        if not 0 < self.sketch_dimension <= 2**20:
            raise ValueError(f"its sketch has {self.sketch_dimension} dimensions")
        if not ((self.sketch_hash >= 0) & (self.sketch_hash < self.sketch_dimension)).all():
            raise ValueError("its sketch_hash names a place that the sketch does not have")
        if not (np.abs(self.sketch_sign) == 1).all():
            raise ValueError("its sketch_sign is not -1 or 1")

    def project(self, descriptors: Floats) -> NDArray[np.float32]:
        """A block of descriptors (n, 426) in the space of the principal axes (n, D).

        Rounded to float16 first, as trajectories are kept: a video encoded straight from the tracker and one encoded
        from the file give the same numbers.
        """
        if descriptors.ndim != 2 or descriptors.shape[1] != len(self.pca_mean):
            raise ValueError(f"descriptors must be (n, {len(self.pca_mean)}), not {descriptors.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            centred: NDArray[np.float32] = descriptors.astype(np.float16, copy=False).astype(np.float32) - self.pca_mean
            projected: NDArray[np.float32] = centred @ self.pca_components.T
            return projected

    def fisher(self, descriptors: Floats | Iterable[Floats]) -> NDArray[np.float32]:
        """Fisher vector (2KD,) of a video, after signed square root and L2 norm.

        `descriptors`: array (n, 426) or an iterable of blocks of such rows, of any lengths; the result depends on the
        rows and their order alone, and memory does not grow with n. Not finite where a descriptor is not. Raises
        ValueError where there is none.
        """
        blocks: Iterator[Floats] = (self.project(block) for block in fixed_blocks(descriptors))
        average = fisher_vector(blocks, self.gmm_weights, self.gmm_means, self.gmm_variances)
        return l2_normalise(power_normalise(average)).astype(np.float32)

    def encode(self, descriptors: Floats | Iterable[Floats]) -> NDArray[np.float32]:
        """The sketch (2000,) of a video: its normalised Fisher vector (see `fisher`), count-sketched."""
        fisher = self.fisher(descriptors)
        return count_sketch(fisher, self.sketch_hash, self.sketch_sign, self.sketch_dimension).astype(np.float32)

    def digest(self) -> str:
        """16 hexadecimal digits of the content: equal for codebooks that encode alike, whatever their files."""
        content = hashlib.blake2b(str(self.sketch_dimension).encode(), digest_size=8)
        for name in MEANING:
            array = np.ascontiguousarray(getattr(self, name))
            content.update(f"{name}{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return content.hexdigest()

    def write(self, file: Any) -> None:
        """Adds the arrays, with their meaning, to an open h5py file or group."""
        file.attrs["sketch_dimension"] = self.sketch_dimension
        for name, meaning in MEANING.items():
            array = getattr(self, name)
            data = file.create_dataset(name, data=array, chunks=True, fletcher32=True, track_times=False)
            write_attributes(data, {"meaning": meaning})

    def save(self, path: str | Path) -> None:
        """Writes the codebook to an HDF5 file of its own."""
        import h5py  # not at the top: `import idt_tools` must not need it

        with h5py.File(path, "w") as file:
            self.write(file)

    @classmethod
    def load(cls, path: str | Path) -> "Codebook":
        """The codebook in the HDF5 file at `path`. Raises ValueError where the file is none."""
        from idt_tools.untrusted_hdf5 import checked_array, opened_hdf5  # it needs h5py

        try:
            with opened_hdf5(Path(path)) as file:
                arrays = {name: checked_array(file, name) for name in MEANING}
                codebook = cls(**arrays, sketch_dimension=int(file.attrs["sketch_dimension"]))
            codebook.check_values()
        except ValueError as error:
            raise ValueError(f"{path} is not a codebook that can be read: {error}") from error
        return codebook
