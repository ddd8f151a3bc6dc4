"""What a run is called, in which order runs are shown, and which colour they keep on the whole page."""

from dataclasses import dataclass
from typing import Any

from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.objectives import OBJECTIVES, Look

# Okabe and Ito's palette, told apart by colour-blind readers and legible on light and dark ground. `INK`, `MUTED`
# and `LINE` stand for the page's own colours: the page replaces them, the figures by themselves keep them.
INK, MUTED, LINE = "#1d2129", "#697080", "#d9dce3"
MOTION, SCENE = "#0b7ab8", "#e08a00"
# By kind: the clusters of a run that has any, else its objective.
_LOOK = {
    "scratch": Look("Scratch", "#8a8f99"),
    **{clusters or name: look for name, one in OBJECTIVES.items() for clusters, look in one.looks.items()},
    "idt_svm": Look("IDT + linear SVM", "#0a9b72"),
    "idt_fisher": Look("IDT, full Fisher vectors + linear SVM", "#06664b"),
}
# The order in which clusterings are compared: IDT comes after the networks without the prior.
CLUSTERED = [kind for kind in _LOOK if kind not in ("idt_svm", "idt_fisher")]
CLUSTERED.insert(CLUSTERED.index("idt"), "idt_svm")


@dataclass(frozen=True)
class Method:
    """A row of the tables: a run by its name in the config, and what it is in the paper's words."""

    run: str
    kind: str  # a key of _LOOK
    init: str = ""  # the run whose weights it started from

    @property
    def title(self) -> str:
        return _LOOK[self.kind].title

    @property
    def color(self) -> str:
        return _LOOK[self.kind].color

    @property
    def learned(self) -> bool:
        """Whether this is a network trained without labels, as those that the paper compares."""
        return learns_without_labels(self.objective)

    @property
    def objective(self) -> str:
        """The name of its objective in the config."""
        return next((name for name, one in OBJECTIVES.items() if self.kind in one.clusters), self.kind)


def learns_without_labels(objective: str) -> bool:
    """Whether an objective trains a network, and without labels."""
    return objective in OBJECTIVES and not OBJECTIVES[objective].labels


def methods_of(names: list[str], requests: dict[str, dict[str, Any]]) -> list[Method]:
    """The methods of these runs in the order of the paper's table 1: scratch, IR, LA, with prior, supervised, IDT;
    those of one kind in the config's.

    requests: the config's `pretraining.runs`. Raises StageError for a run that it does not have.
    """
    known = {"scratch": {"objective": "scratch"}, "idt": {"objective": "idt_svm"}}
    known |= {"idt_fisher": {"objective": "idt_fisher"}} | requests
    methods = []
    for name in sorted(set(names)):
        if name not in known:
            raise StageError(
                f"there are results of a run {name!r} that the config does not have; remove them or add it"
            )
        request = known[name]
        methods.append(Method(name, request.get("clusters") or request["objective"], request.get("init") or ""))
    return sorted(methods, key=lambda method: (list(_LOOK).index(method.kind), list(known).index(method.run)))


def twins_of(method: Method, methods: list[Method]) -> list[str]:
    """The runs of the same kind as this one, which have its title and its colour."""
    return [other.run for other in methods if other.kind == method.kind]


def name_among(method: Method, methods: list[Method]) -> str:
    """The method's title, with the run's name where two runs share it."""
    return f"{method.title} ({method.run})" if len(twins_of(method, methods)) > 1 else method.title
