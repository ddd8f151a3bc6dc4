"""The codebook: all that turns the descriptors of a video into its sketch (paper 3.3).

It is fitted once on a sample of descriptors, kept in one HDF5 file, and applied here to any number of videos: PCA,
Fisher vector under the Gaussian mixture, signed square root, L2 norm, count sketch. A `Codebook` describes all columns
of a descriptor together, as the paper does. A `ChannelCodebook` describes each channel by itself, as Wang and Schmid do
(reference [42], the IDT of the paper's table 4); its file has a group per channel.
`Codebook.load(path).encode(descriptors)` needs numpy alone beside the file's reader.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idt_tools.attributes import write_attributes
from idt_tools.columns import CHANNELS
from idt_tools.count_sketch import count_sketch
from idt_tools.fisher_vector import FisherSums, Floats, fixed_blocks, l2_normalise, power_normalise

OF_MIXTURE = {  # the datasets of a codebook file, or of each channel's group in it; each is an attribute of Mixture
    "pca_mean": "mean of the sampled descriptors, (426,), or as many as the channel has columns",
    "pca_components": "principal axes by falling variance, unit length, (D, 426)",
    "gmm_weights": "mixing probabilities, (K,), sum 1",
    "gmm_means": "means of the components in the space of the principal axes, (K, D)",
    "gmm_variances": "diagonal variances of the components, (K, D)",
}
OF_SKETCH = {
    "sketch_hash": "place in the sketch of each entry of the Fisher vector, (2KD,) of all channels",
    "sketch_sign": "sign, -1 or 1, with which it is added there, (2KD,)",
}
MEANING = OF_MIXTURE | OF_SKETCH


@dataclass(frozen=True, eq=False)
class Mixture:
    """PCA and diagonal Gaussian mixture of descriptors; shapes and meaning of the arrays as in `OF_MIXTURE`."""

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
        """Raises ValueError where a number is not finite or out of its range."""
        if not all(np.isfinite(getattr(self, name)).all() for name in OF_MIXTURE):
            raise ValueError("it holds numbers that are not finite")
        if not ((self.gmm_weights > 0).all() and (self.gmm_variances > 0).all()):
            raise ValueError("a weight or variance of its mixture is not positive")

    def project(self, descriptors: Floats) -> NDArray[np.float32]:
        """A block of descriptors (n, 426), or of the channel's columns, in the space of the principal axes (n, D).

        Rounded to float16 first, as trajectories are kept: a video encoded straight from the tracker and one encoded
        from the file give the same numbers.
        """
        if descriptors.ndim != 2 or descriptors.shape[1] != len(self.pca_mean):
            raise ValueError(f"descriptors must be (n, {len(self.pca_mean)}), not {descriptors.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            centred: NDArray[np.float32] = descriptors.astype(np.float16, copy=False).astype(np.float32) - self.pca_mean
            projected: NDArray[np.float32] = centred @ self.pca_components.T
            return projected

    def sums(self) -> FisherSums:
        """Sums, still empty, of projected descriptors."""
        return FisherSums(self.gmm_weights, self.gmm_means, self.gmm_variances)


class Encoder(ABC):
    """What both kinds of codebook do with their mixtures and the sketch."""

    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int

    @abstractmethod
    def mixtures(self) -> Mapping[str, Mixture]:
        """The mixtures by channel; that of all columns together has an empty name."""

    @property
    def parameters(self) -> dict[str, int]:
        """How many Gaussian components it has, and how many axes in all."""
        mixtures = self.mixtures().values()
        components = max(len(mixture.gmm_weights) for mixture in mixtures)
        return {"components": components, "axes": sum(len(mixture.pca_components) for mixture in mixtures)}

    def fisher(self, descriptors: Floats | Iterable[Floats]) -> NDArray[np.float32]:
        """Fisher vector (2KD,) of a video, after signed square root and L2 norm; those of channels are concatenated.

        `descriptors`: array (n, 426) or an iterable of blocks of such rows, of any lengths; the result depends on the
        rows and their order alone, and memory does not grow with n. Not finite where a descriptor is not. Raises
        ValueError where there is none.
        """
        sums = {name: mixture.sums() for name, mixture in self.mixtures().items()}
        width = sum(len(mixture.pca_mean) for mixture in self.mixtures().values())
        for block in fixed_blocks(descriptors):
            if block.ndim != 2 or block.shape[1] != width:
                raise ValueError(f"descriptors must be (n, {width}), not {block.shape}")
            for name, mixture in self.mixtures().items():
                sums[name].add(mixture.project(block[:, CHANNELS[name]] if name else block))
        parts = [l2_normalise(power_normalise(of_channel.average())) for of_channel in sums.values()]
        return np.concatenate(parts).astype(np.float32)

    def encode(self, descriptors: Floats | Iterable[Floats]) -> NDArray[np.float32]:
        """The sketch (2000,) of a video: its normalised Fisher vector (see `fisher`), count-sketched."""
        fisher = self.fisher(descriptors)
        return count_sketch(fisher, self.sketch_hash, self.sketch_sign, self.sketch_dimension).astype(np.float32)

    def digest(self) -> str:
        """16 hexadecimal digits of the content: equal for codebooks that encode alike, whatever their files."""
        content = hashlib.blake2b(str(self.sketch_dimension).encode(), digest_size=8)
        for name, array in self._arrays():
            array = np.ascontiguousarray(array)
            content.update(f"{name}{array.dtype.str}{array.shape}".encode() + array.tobytes())
        return content.hexdigest()

    def write(self, file: Any) -> None:
        """Adds the arrays, with their meaning, to an open h5py file or group."""
        file.attrs["sketch_dimension"] = self.sketch_dimension
        for name, array in self._arrays():
            data = file.create_dataset(name, data=array, chunks=True, fletcher32=True, track_times=False)
            write_attributes(data, {"meaning": MEANING[name.rpartition("/")[2]]})

    def save(self, path: str | Path) -> None:
        """Writes the codebook to an HDF5 file of its own."""
        import h5py  # not at the top: `import idt_tools` must not need it

        with h5py.File(path, "w") as file:
            self.write(file)

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Names, as in the file, and arrays."""
        for channel, mixture in self.mixtures().items():
            for name in OF_MIXTURE:
                yield f"{channel}/{name}" if channel else name, getattr(mixture, name)
        for name in OF_SKETCH:
            yield name, getattr(self, name)

    def check_values(self) -> None:
        """Raises ValueError where a number of a mixture or of the sketch is not finite or out of its range."""
        for mixture in self.mixtures().values():
            mixture.check_mixture()
        if not 0 < self.sketch_dimension <= 2**20:
            raise ValueError(f"its sketch has {self.sketch_dimension} dimensions")
        if not ((self.sketch_hash >= 0) & (self.sketch_hash < self.sketch_dimension)).all():
            raise ValueError("its sketch_hash names a place that the sketch does not have")
        if not (np.abs(self.sketch_sign) == 1).all():
            raise ValueError("its sketch_sign is not -1 or 1")

    def _check_sketch(self) -> None:
        length = sum(2 * mixture.gmm_means.size for mixture in self.mixtures().values())
        _check_shapes(self, dict.fromkeys(OF_SKETCH, (length,)))


@dataclass(frozen=True, eq=False)
class Codebook(Encoder, Mixture):
    """PCA, diagonal Gaussian mixture and count sketch; shapes and meaning of the arrays as in `MEANING`."""

    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int = 2000

    def __post_init__(self) -> None:
        Mixture.__post_init__(self)
        self._check_sketch()

    def mixtures(self) -> Mapping[str, Mixture]:
        """Itself, under an empty name."""
        return {"": self}

    @staticmethod
    def load(path: str | Path) -> "Codebook | ChannelCodebook":
        """The codebook in the HDF5 file at `path`, of either kind. Raises ValueError where the file is none, and
        ReadingFailed."""
        from idt_tools.untrusted_hdf5 import checked_array, opened_hdf5  # it needs h5py

        codebook: Codebook | ChannelCodebook
        try:
            with opened_hdf5(Path(path)) as file:
                sketch: dict[str, Any] = {name: checked_array(file, name) for name in OF_SKETCH}
                sketch["sketch_dimension"] = int(file.attrs["sketch_dimension"])
                if "pca_mean" in file:
                    mixture: dict[str, Any] = {name: checked_array(file, name) for name in OF_MIXTURE}
                    codebook = Codebook(**mixture, **sketch)
                else:
                    channels = {
                        channel: Mixture(**{name: checked_array(file, f"{channel}/{name}") for name in OF_MIXTURE})
                        for channel in CHANNELS
                    }
                    codebook = ChannelCodebook(channels, **sketch)
            codebook.check_values()
        except ValueError as error:
            raise ValueError(f"{path} is not a codebook that can be read: {error}") from error
        return codebook


@dataclass(frozen=True, eq=False)
class ChannelCodebook(Encoder):
    """A PCA and mixture for each of `idt_tools.columns.CHANNELS`, in that order, and one count sketch of them all."""

    channels: Mapping[str, Mixture]
    sketch_hash: NDArray[np.int32]
    sketch_sign: NDArray[np.int8]
    sketch_dimension: int = 2000

    def __post_init__(self) -> None:
        for channel, columns in CHANNELS.items():
            width = columns.stop - columns.start
            if self.channels[channel].pca_mean.shape != (width,):
                raise ValueError(f"the PCA of channel {channel} must have a mean of {width} numbers")
        self._check_sketch()

    def mixtures(self) -> Mapping[str, Mixture]:
        """Those of the channels, in the order of their columns."""
        return {channel: self.channels[channel] for channel in CHANNELS}


def _check_shapes(holder: object, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if getattr(holder, name).shape != shape:
            raise ValueError(f"{name} of a codebook has shape {getattr(holder, name).shape}, expected {shape}")
