"""The supervised baseline: cross-entropy of the class head's scores with the videos' labels."""

from torch import Tensor
from torch.nn import functional

from workflow_scripts.pretraining.objectives.batch import Batch


def loss(batch: Batch) -> Tensor:
    """The loss of a batch: the mean cross-entropy."""
    assert batch.classes is not None
    return functional.cross_entropy(batch.outputs, batch.classes[batch.own_rows])
