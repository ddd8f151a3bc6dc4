"""The codebook turns the descriptors of a video into its sketch (paper 3.3).

The steps are PCA, Fisher vector under a Gaussian mixture, its normalisation and count sketch. A codebook is
fitted once on a sample of descriptors and stored in an HDF5 file. A `Codebook` describes all columns of a descriptor
together, as the paper does. A `ChannelCodebook` describes each channel separately, as Wang and Schmid do (reference
[42], the IDT of the paper's table 4); its file has a group per channel. Loading and encoding need only numpy and h5py.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idt_tools.attributes import read_attributes, write_attributes
from idt_tools.columns import CHANNELS
from idt_tools.count_sketch import count_sketch
from idt_tools.fisher_vector import NORMALISATIONS, FisherSums, Floats, fixed_blocks

MIXTURE_ARRAYS = {  # the datasets of a codebook file or of a channel's group in it, and the fields of Mixture
    "pca_mean": "mean of the sampled descriptors, (426,), or as many as the channel has columns",
    "pca_components": "principal axes by falling variance, unit length, (D, 426)",
    "gmm_weights": "mixing probabilities, (K,), sum 1",
    "gmm_means": "means of the components in the space of the principal axes, (K, D)",
    "gmm_variances": "diagonal variances of the components, (K, D)",
}
SKETCH_ARRAYS = {
    "sketch_hash": "place in the sketch of each entry of the Fisher vector, (2KD,) of all channels",
    "sketch_sign": "sign, -1 or 1, with which it is added there, (2KD,)",
}
MEANING = MIXTURE_ARRAYS | SKETCH_ARRAYS
DEFAULT_NORMALISATION = "power"  # the paper's; files of codebooks did not always name it


@dataclass(frozen=True, eq=False)
class Mixture:
    """PCA and diagonal Gaussian mixture of descriptors; shapes and meaning of the arrays as in `MIXTURE_ARRAYS`."""

    pca_mean: NDArray[np.float32]
    pca_components: NDArray[np.float32]
    gmm_weights: NDArray[np.float64]
    gmm_means: NDArray[np.float64]
    gmm_variances: NDArray[np.float64]

    def __post_init__(self) -> None:
        k, d = self.gmm_means.shape
        shapes = {
            "pca_mean": self.pca_components.shape[1:],
            "pca_components": (d, len(self.pca_mean)),
            "gmm_weights": (k,),
            "gmm_variances": (k, d),
        }
        _check_shapes(self, shapes)

    def check_mixture(self) -> None:
        """Raises ValueError if a number is not finite or out of its range."""
        if not all(np.isfinite(getattr(self, name)).all() for name in MIXTURE_ARRAYS):
            raise ValueError("it holds numbers that are not finite")
        if not ((self.gmm_weights > 0).all() and (self.gmm_variances > 0).all()):
            raise ValueError("a weight or variance of its mixture is not positive")

    def project(self, descriptors: Floats) -> NDArray[np.float32]:
        """Returns the projections (n, D) of descriptors (n, 426), or of a channel's columns, on the principal axes.

        Descriptors are first rounded to float16, as in files of trajectories. A video encoded straight from the tracker
        and one encoded from its file therefore get the same numbers.
        """
        if descriptors.ndim != 2 or descriptors.shape[1] != len(self.pca_mean):
            raise ValueError(f"descriptors must be (n, {len(self.pca_mean)}), not {descriptors.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            centred: NDArray[np.float32] = descriptors.astype(np.float16, copy=False).astype(np.float32) - self.pca_mean
            projected: NDArray[np.float32] = centred @ self.pca_components.T
            return projected

    def sums(self) -> FisherSums:
        """Returns empty Fisher sums for projected descriptors."""
        return FisherSums(self.gmm_weights, self.gmm_means, self.gmm_variances)


class Encoder(ABC):
    """The base class of both kinds of codebook."""

    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int
    normalisation: str  # a name in NORMALISATIONS

    @abstractmethod
    def mixtures(self) -> Mapping[str, Mixture]:
        """Returns the mixtures by channel. The mixture of all columns together has an empty name."""

    @property
    def parameters(self) -> dict[str, int]:
        """The number of Gaussian components, and the number of principal axes of all mixtures."""
        mixtures = self.mixtures().values()
        components = max(len(mixture.gmm_weights) for mixture in mixtures)
        return {"components": components, "axes": sum(len(mixture.pca_components) for mixture in mixtures)}

    def fisher(self, descriptors: Floats | Iterable[Floats]) -> NDArray[np.float32]:
        """Returns the normalised Fisher vector (2KD,) of a video.

        The Fisher vectors of channels are normalised one by one and concatenated. `descriptors` is an array (n, 426) or
        an iterable of blocks of such rows. The lengths of the blocks do not change the result, and memory does not grow
        with n. The result is not finite if a descriptor is not. Raises ValueError if there is no descriptor.
        """
        sums = {name: mixture.sums() for name, mixture in self.mixtures().items()}
        width = sum(len(mixture.pca_mean) for mixture in self.mixtures().values())
        for block in fixed_blocks(descriptors):
            if block.ndim != 2 or block.shape[1] != width:
                raise ValueError(f"descriptors must be (n, {width}), not {block.shape}")
            for name, mixture in self.mixtures().items():
                sums[name].add(mixture.project(block[:, CHANNELS[name]] if name else block))
        normalise = NORMALISATIONS[self.normalisation]
        parts = [
            normalise(sums[name].average().reshape(len(mixture.gmm_weights), -1)).ravel()
            for name, mixture in self.mixtures().items()
        ]
        return np.concatenate(parts).astype(np.float32)

    def encode(self, descriptors: Floats | Iterable[Floats]) -> NDArray[np.float32]:
        """Returns the sketch (2000,) of a video: the count sketch of its normalised Fisher vector (see `fisher`)."""
        fisher = self.fisher(descriptors)
        return count_sketch(fisher, self.sketch_hash, self.sketch_sign, self.sketch_dimension).astype(np.float32)

    def digest(self) -> str:
        """Returns 16 hexadecimal digits that identify the content. The layout of the file does not change them."""
        content = hashlib.blake2b(str(self.sketch_dimension).encode(), digest_size=8)
        if self.normalisation != DEFAULT_NORMALISATION:  # files that do not name it keep their digest
            content.update(self.normalisation.encode())
        for name, array in self._arrays():
            array = np.ascontiguousarray(array)
            content.update(f"{name}{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return content.hexdigest()

    def write(self, file: Any) -> None:
        """Writes the arrays, with their meaning, and the attributes to an open h5py file or group."""
        file.attrs["sketch_dimension"] = self.sketch_dimension
        write_attributes(file, {"normalisation": self.normalisation})
        for name, array in self._arrays():
            data = file.create_dataset(name, data=array, chunks=True, fletcher32=True, track_times=False)
            write_attributes(data, {"meaning": MEANING[name.rpartition("/")[2]]})

    def save(self, path: str | Path) -> None:
        """Writes the codebook to an HDF5 file."""
        import h5py  # not at the top: `import idt_tools` must not need it

        with h5py.File(path, "w") as file:
            self.write(file)

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yields the arrays with their names in the file."""
        for channel, mixture in self.mixtures().items():
            for name in MIXTURE_ARRAYS:
                yield f"{channel}/{name}" if channel else name, getattr(mixture, name)
        for name in SKETCH_ARRAYS:
            yield name, getattr(self, name)

    def check_values(self) -> None:
        """Raises ValueError if a number of a mixture or of the sketch is not finite or out of its range."""
        for mixture in self.mixtures().values():
            mixture.check_mixture()
        if self.normalisation not in NORMALISATIONS:
            raise ValueError(f"its normalisation {self.normalisation!r:.40} is not known")
        if not 0 < self.sketch_dimension <= 2**20:
            raise ValueError(f"its sketch has {self.sketch_dimension} dimensions")
        if not ((self.sketch_hash >= 0) & (self.sketch_hash < self.sketch_dimension)).all():
            raise ValueError("its sketch_hash holds an index that the sketch does not have")
        if not (np.abs(self.sketch_sign) == 1).all():
            raise ValueError("its sketch_sign holds numbers other than -1 and 1")

    def _check_sketch(self) -> None:
        length = sum(2 * mixture.gmm_means.size for mixture in self.mixtures().values())
        _check_shapes(self, dict.fromkeys(SKETCH_ARRAYS, (length,)))


@dataclass(frozen=True, eq=False)
class Codebook(Encoder, Mixture):
    """PCA, diagonal Gaussian mixture and count sketch; shapes and meaning of the arrays as in `MEANING`."""

    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int = 2000
    normalisation: str = DEFAULT_NORMALISATION

    def __post_init__(self) -> None:
        Mixture.__post_init__(self)
        self._check_sketch()

    def mixtures(self) -> Mapping[str, Mixture]:
        """Returns itself under an empty name."""
        return {"": self}

    @staticmethod
    def load(path: str | Path) -> "Codebook | ChannelCodebook":
        """Returns the codebook of either kind in the HDF5 file at `path`.

        Raises ValueError if the file is not a codebook, and ReadingFailed.
        """
        from idt_tools.untrusted_hdf5 import checked_array, opened_hdf5  # needs h5py

        codebook: Codebook | ChannelCodebook
        try:
            with opened_hdf5(Path(path)) as file:
                sketch: dict[str, Any] = {name: checked_array(file, name) for name in SKETCH_ARRAYS}
                sketch["sketch_dimension"] = int(file.attrs["sketch_dimension"])
                sketch["normalisation"] = str(read_attributes(file).get("normalisation", DEFAULT_NORMALISATION))
                if "pca_mean" in file:
                    mixture: dict[str, Any] = {name: checked_array(file, name) for name in MIXTURE_ARRAYS}
                    codebook = Codebook(**mixture, **sketch)
                else:
                    channels = {
                        channel: Mixture(**{name: checked_array(file, f"{channel}/{name}") for name in MIXTURE_ARRAYS})
                        for channel in CHANNELS
                    }
                    codebook = ChannelCodebook(channels, **sketch)
            codebook.check_values()
        except ValueError as error:
            raise ValueError(f"{path} is not a readable codebook: {error}") from error
        return codebook


@dataclass(frozen=True, eq=False)
class ChannelCodebook(Encoder):
    """A PCA and mixture for each of `idt_tools.columns.CHANNELS`, in that order, and one count sketch for all."""

    channels: Mapping[str, Mixture]
    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int = 2000
    normalisation: str = DEFAULT_NORMALISATION

    def __post_init__(self) -> None:
        for channel, columns in CHANNELS.items():
            width = columns.stop - columns.start
            if self.channels[channel].pca_mean.shape != (width,):
                raise ValueError(f"the PCA of channel {channel} must have a mean of {width} numbers")
        self._check_sketch()

    def mixtures(self) -> Mapping[str, Mixture]:
        """Returns the mixtures of the channels in the order of their columns."""
        return {channel: self.channels[channel] for channel in CHANNELS}


def _check_shapes(holder: object, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if getattr(holder, name).shape != shape:
            raise ValueError(f"{name} of a codebook has shape {getattr(holder, name).shape}, expected {shape}")
