"""The inputs of the loss of an objective."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.ground.identity import digest
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.settings import PretrainingSettings


@dataclass(frozen=True)
class Batch:
    """The outputs of this process in one training step, and the state of the training. B clips, N videos.

    `rows` are those of the whole batch. `ranks` gives the part of this process.
    """

    outputs: Tensor  # (B, D) embeddings of unit length, or (B, classes) scores
    rows: Tensor  # int64, the index of the video of each clip of the whole batch
    bank: Tensor  # (N, D) of unit length, constant
    classes: Tensor | None  # (N,) int64, for an objective that needs labels
    clusters: Tensor | None  # (m, N) int64, for an objective that needs clusters
    settings: PretrainingSettings
    ranks: Ranks
    random_key: tuple[int, int, int]  # seed, epoch and step

    @property
    def own_rows(self) -> Tensor:
        """The index (B,) int64 of the video of each clip of this process."""
        return self.ranks.local_part(self.rows)

    def generator(self, name: str) -> torch.Generator:
        """A generator on the device of the batch, for the draws called `name`. All processes draw the same numbers."""
        seed, epoch, step = self.random_key
        generator = torch.Generator(self.outputs.device)
        generator.manual_seed(int(digest(seed, name, epoch, step), 16) >> 1)
        return generator


def similarities(embeddings: Tensor, bank: Tensor, temperature: float) -> Tensor:  # (B, D), (N, D) -> (B, N)
    """d_j . d / tau of each clip and each video: the exponents of equation 2."""
    return (embeddings / temperature) @ bank.T  # cheaper than dividing the larger product
