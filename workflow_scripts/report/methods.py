"""What each run is: its title, its color on the whole page, and the order in which runs are shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.objectives import OBJECTIVES, Style
from workflow_scripts.report.palette import FISHER, IDT, SCRATCH

Kind = tuple[str, str]  # objective (scratch, idt_svm and idt_fisher: none), and the space whose clusters it learns

SCRATCH_KIND, IDT_KIND = ("scratch", ""), ("idt_svm", "")
# In the order of the paper's table 1: scratch, the objectives, IDT.
STYLES: dict[Kind, Style] = {
    SCRATCH_KIND: Style("Scratch", SCRATCH),
    **{(name, clusters): style for name, one in OBJECTIVES.items() for clusters, style in one.styles.items()},
    IDT_KIND: Style("IDT + linear SVM", IDT),
    ("idt_fisher", ""): Style("IDT, full Fisher vectors + linear SVM", FISHER),
}
# The runs that the config does not list, and their objectives.
_ALWAYS = {"scratch": "scratch", "idt": "idt_svm", "idt_fisher": "idt_fisher"}
PRIOR = ("idt", "joint")  # the spaces of clusters that IDT has a part in


@dataclass(frozen=True)
class Method:
    """A row of the tables: a run by its name in the config, and how it was trained."""

    run: str
    objective: str
    clusters: str = ""  # the space whose clusters it learned: network, idt or joint
    init: str = ""  # the run whose weights it started from

    @property
    def kind(self) -> Kind:
        """What the run shares with runs that differ from it by parameters alone."""
        return self.objective, self.clusters

    @property
    def title(self) -> str:
        """The name of its kind in the tables."""
        return STYLES[self.kind].title

    @property
    def color(self) -> str:
        """The color of its kind."""
        return STYLES[self.kind].color

    @property
    def supervised(self) -> bool:
        """Whether it is a network that was pretrained with labels."""
        return self.objective in OBJECTIVES and OBJECTIVES[self.objective].labels

    @property
    def learned(self) -> bool:
        """Whether it is a network that was pretrained without labels: those that the paper compares."""
        return learns_without_labels(self.objective)

    @property
    def place_among_clusterings(self) -> int:
        """Clusterings are compared in this order: networks without the prior, the prior, networks with it, labels."""
        if self.supervised:
            return 3
        return 2 if self.clusters in PRIOR else 1 if self.kind == IDT_KIND else 0


def learns_without_labels(objective: str) -> bool:
    """Whether an objective trains a network, and without labels."""
    return objective in OBJECTIVES and not OBJECTIVES[objective].labels


def methods_of(runs: Iterable[str], trainings: dict[str, dict[str, Any]]) -> list[Method]:
    """The methods of these runs in the order of STYLES; those of one kind in the order of the config.

    trainings: the config's `pretraining.runs`. Raises StageError for a run that the config does not have.
    """
    known = {run: {"objective": objective} for run, objective in _ALWAYS.items()} | trainings
    methods = []
    for run in sorted(set(runs)):
        if run not in known:
            raise StageError(f"there are results of a run {run!r} that the config does not have; remove them or add it")
        training = known[run]
        objective = training["objective"]
        spaces = OBJECTIVES[objective].clusters if objective in OBJECTIVES else []
        clusters = training.get("clusters") or spaces[0] if spaces else ""
        methods.append(Method(run, objective, clusters, training.get("init") or ""))
    return sorted(methods, key=lambda method: (list(STYLES).index(method.kind), list(known).index(method.run)))


def twins_of(method: Method, methods: list[Method]) -> list[str]:
    """The runs of this method's kind. They share its title and its color."""
    return [other.run for other in methods if other.kind == method.kind]


def name_among(method: Method, methods: list[Method]) -> str:
    """The method's title, with the run's name if several runs share the title."""
    return f"{method.title} ({method.run})" if len(twins_of(method, methods)) > 1 else method.title
