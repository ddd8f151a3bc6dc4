"""The title, the color and the order of the runs in the report."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflow_scripts.ground.stage import StageError
from workflow_scripts.pretraining.objectives import OBJECTIVES, Style
from workflow_scripts.report.palette import FISHER, IDT, SCRATCH

Kind = tuple[str, str]  # objective (scratch, idt_svm and idt_fisher train no network), space of the clusters

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
PRIOR = ("idt", "joint")  # the spaces that IDT is part of


@dataclass(frozen=True)
class Method:
    """A row of the tables: a run by its name in the config, and how it was trained."""

    run: str
    objective: str
    clusters: str = ""  # the space whose clusters it learned: network, idt or joint
    init: str = ""  # the run whose weights it started from

    @property
    def kind(self) -> Kind:
        """Its objective and the space of its clusters. Runs of one kind differ only in parameters."""
        return self.objective, self.clusters

    @property
    def title(self) -> str:
        """The name of its kind in tables."""
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
        """Whether it is a network that was pretrained without labels. The paper compares these."""
        return learns_without_labels(self.objective)

    @property
    def place_among_clusterings(self) -> int:
        """The sort key of clusterings: networks without the prior, the prior, networks with it, then labels."""
        if self.supervised:
            return 3
        return 2 if self.clusters in PRIOR else 1 if self.kind == IDT_KIND else 0


def learns_without_labels(objective: str) -> bool:
    """Whether an objective trains a network without labels."""
    return objective in OBJECTIVES and not OBJECTIVES[objective].labels


def methods_of(runs: Iterable[str], trainings: dict[str, dict[str, Any]]) -> list[Method]:
    """The methods of these runs in the order of STYLES; those of one kind in the order of the config.

    trainings: the config's `pretraining.runs`. Raises StageError for a run that is not in the config.
    """
    training_of = {run: {"objective": objective} for run, objective in _ALWAYS.items()} | trainings
    methods = []
    for run in sorted(set(runs)):
        if run not in training_of:
            raise StageError(
                f"there are results of the run {run!r}, which is not in the config; delete them, or add the run"
            )
        training = training_of[run]
        objective = training["objective"]
        spaces = OBJECTIVES[objective].clusters if objective in OBJECTIVES else []
        clusters = training.get("clusters") or spaces[0] if spaces else ""
        methods.append(Method(run, objective, clusters, training.get("init") or ""))
    return sorted(methods, key=lambda method: (list(STYLES).index(method.kind), list(training_of).index(method.run)))


def runs_of_kind(method: Method, methods: list[Method]) -> list[str]:
    """The runs of this method's kind, which share its title and its color."""
    return [other.run for other in methods if other.kind == method.kind]


def name_among(method: Method, methods: list[Method]) -> str:
    """The method's title, with the run's name if several runs share the title."""
    return f"{method.title} ({method.run})" if len(runs_of_kind(method, methods)) > 1 else method.title
