"""The supervised baseline: the cross-entropy of the class scores and the labels of the videos."""

from torch import Tensor
from torch.nn import functional

from workflow_scripts.pretraining.objectives.batch import Batch


def loss(batch: Batch) -> Tensor:
    """The loss of a batch: the mean cross-entropy."""
    assert batch.classes is not None
    return functional.cross_entropy(batch.outputs, batch.classes[batch.own_rows])
