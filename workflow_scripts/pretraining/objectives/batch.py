"""What the loss of an objective reads in one step of training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.ground.identity import digest
from workflow_scripts.pretraining.ranks import Ranks
from workflow_scripts.pretraining.settings import PretrainingSettings


@dataclass(frozen=True)
class Batch:
    """One step's outputs of this process, and the state that they are compared with. B clips, N videos.

    A process sees its part of the batch; `rows` are those of the whole batch, from which `ranks` takes its part.
    """

    outputs: Tensor  # (B, D) embeddings of unit length, or (B, classes) scores
    rows: Tensor  # int64, the video of each clip of the whole batch
    bank: Tensor  # (N, D) of unit length, constant
    classes: Tensor | None  # (N,) int64, for an objective that needs labels
    clusters: Tensor | None  # (m, N) int64, for an objective that needs clusters
    settings: PretrainingSettings
    ranks: Ranks
    random_key: tuple[int, int, int]  # seed, epoch and step

    @property
    def own_rows(self) -> Tensor:
        """The video (B,) int64 of each clip of this process."""
        return self.ranks.local_part(self.rows)

    def generator(self, name: str) -> torch.Generator:
        """A generator on the batch's device for the draws called `name`; all processes draw the same."""
        seed, epoch, step = self.random_key
        generator = torch.Generator(self.outputs.device)
        generator.manual_seed(int(digest(seed, name, epoch, step), 16) >> 1)
        return generator


def similarities(embeddings: Tensor, bank: Tensor, temperature: float) -> Tensor:  # (B, D), (N, D) -> (B, N)
    """d_j . d / tau of every clip and every video: the exponents of equation 2."""
    return (embeddings / temperature) @ bank.T  # dividing first is cheaper: (B, N) is the largest tensor
