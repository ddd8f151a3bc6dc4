"""What a run is called, in which order runs are shown, and which colour they keep on the whole page."""

from dataclasses import dataclass
from typing import Any

from workflow_scripts.ground.stage import StageError

# Okabe and Ito's palette, told apart by colour-blind readers and legible on light and dark ground. `INK`, `MUTED`
# and `LINE` stand for the page's own colours: the page replaces them, the figures by themselves keep them.
INK, MUTED, LINE = "#1d2129", "#697080", "#d9dce3"
MOTION, SCENE = "#0b7ab8", "#e08a00"
_LOOK = {
    "scratch": ("Scratch", "#8a8f99"),
    "instance": ("Video IR", "#c673a4"),
    "network": ("Video LA", "#0b7ab8"),
    "idt": ("Video LA + IDT prior", "#d9601a"),
    "joint": ("Video LA + IDT prior, joint space", "#e0a100"),
    "supervised": ("Supervised", INK),
    "idt_svm": ("IDT + linear SVM", "#0a9b72"),
    "idt_fisher": ("IDT, full Fisher vectors + linear SVM", "#06664b"),
}
# The order in which clusterings are compared: networks without the prior, the prior, networks with it.
CLUSTERED = ["scratch", "instance", "network", "idt_svm", "idt", "joint", "supervised"]


@dataclass(frozen=True)
class Method:
    """A row of the tables: a run by its name in the config, and what it is in the paper's words."""

    run: str
    kind: str  # a key of _LOOK; of local aggregation it says whose clusters: network, idt or joint
    init: str = ""  # the run whose weights it started from

    @property
    def title(self) -> str:
        return _LOOK[self.kind][0]

    @property
    def color(self) -> str:
        return _LOOK[self.kind][1]

    @property
    def learned(self) -> bool:
        """Whether this is a network trained without labels: those the paper compares."""
        return self.objective in ("instance", "local_aggregation")

    @property
    def objective(self) -> str:
        """What it was trained by, as the config calls it."""
        return "local_aggregation" if self.kind in ("network", "idt", "joint") else self.kind


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
        local = request["objective"] == "local_aggregation"
        kind = request.get("clusters") or "network" if local else request["objective"]
        methods.append(Method(name, kind, request.get("init") or ""))
    return sorted(methods, key=lambda method: (list(_LOOK).index(method.kind), list(known).index(method.run)))


def twins_of(method: Method, methods: list[Method]) -> list[str]:
    """The runs of the same kind as this one, which have its title and its colour."""
    return [other.run for other in methods if other.kind == method.kind]


def name_among(method: Method, methods: list[Method]) -> str:
    """The method's title, with the run's name where two runs share it."""
    return f"{method.title} ({method.run})" if len(twins_of(method, methods)) > 1 else method.title
