"""The protocols that evaluate a representation, by the name that the config and the records use.

A new protocol is one stage in a file of its own, its rule in `rules/evaluation.smk`, and one entry here. This module
imports no stage, so that Snakemake can read it without torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate a representation on a split.

    title: in the tables; input: what it reads, frames (it trains the network), features (the network is frozen) or
    encodings (IDT, no network); settings: prefixes of its keys in the section `evaluation`; record: what its record has
    beside the keys of all records (see `results`), with their types.
    """

    title: str
    input: str
    settings: tuple[str, ...]
    record: Mapping[str, type] = field(default_factory=dict)


PROTOCOLS = {
    "finetune": Protocol("finetuned", "frames", ("clips", "finetune_"), {"history": list}),
    "linear": Protocol("linear, all shots", "features", ("clips", "linear_"), {"shots": dict, "shots_n_train": dict}),
    "knn": Protocol("nearest neighbours", "features", ("clips", "knn_"), {"neighbours": int}),
    "svm": Protocol("linear SVM", "encodings", ("svm_",)),
}

# Those that evaluate networks, which `evaluation.protocols` chooses from.
NETWORK_PROTOCOLS = tuple(name for name, protocol in PROTOCOLS.items() if protocol.input != "encodings")


def settings_of(protocol: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `settings` that the protocol reads. The others do not change its result."""
    return {key: value for key, value in settings.items() if key.startswith(PROTOCOLS[protocol].settings)}
