"""The protocols that evaluate a representation, by the name that the config and the records use.

To add a protocol, write a stage in a new file and its rule in `rules/evaluation.smk`, and add an entry here. This
module imports no stage, so that Snakemake can read it without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate a representation on a split."""

    title: str  # in the tables
    input: str  # frames (trains the network), features (of the frozen network) or encodings (IDT, no network)
    settings: tuple[str, ...]  # prefixes of its keys in the section `evaluation`
    record: Mapping[str, type] = field(default_factory=dict)  # keys that only its record has, with their types


PROTOCOLS = {
    "finetune": Protocol("finetuned", "frames", ("clips", "finetune_"), {"history": list}),
    "linear": Protocol("linear, all shots", "features", ("clips", "linear_"), {"shots": dict, "shots_n_train": dict}),
    "knn": Protocol("nearest neighbours", "features", ("clips", "knn_"), {"neighbours": int}),
    "svm": Protocol("linear SVM", "encodings", ("svm_",)),
}

# The protocols that evaluate networks: the values of `evaluation.protocols`.
NETWORK_PROTOCOLS = tuple(name for name, protocol in PROTOCOLS.items() if protocol.input != "encodings")


def settings_of(protocol: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `settings` that the protocol reads. The others do not change its result."""
    return {key: value for key, value in settings.items() if key.startswith(PROTOCOLS[protocol].settings)}
