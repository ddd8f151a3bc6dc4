"""What a run is called, in which order runs are shown, and which colour they keep on the whole page."""

from dataclasses import dataclass

from workflow_scripts.report.inputs import Run

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
}
# The order in which clusterings are compared: networks without the prior, the prior, networks with it.
CLUSTERED = ["scratch", "instance", "network", "idt_svm", "idt", "joint", "supervised"]


@dataclass(frozen=True)
class Method:
    """A row of the tables: a run by its name in the config, and what it is in the paper's words."""

    run: str
    kind: str  # a key of _LOOK

    @property
    def title(self) -> str:
        return _LOOK[self.kind][0]

    @property
    def color(self) -> str:
        return _LOOK[self.kind][1]

    @property
    def learned(self) -> bool:
        """Whether this is a network trained without labels: those the paper compares."""
        return self.kind in ("instance", "network", "idt", "joint")


def _kind(run: str, trained: Run | None) -> str:
    if trained is None:
        return {"scratch": "scratch", "idt": "idt_svm"}.get(run, "instance")
    return trained.clusters if trained.objective == "local_aggregation" else trained.objective


def methods_of(names: list[str], runs: list[Run]) -> list[Method]:
    """The methods of these runs in the order of the paper's table 1: scratch, IR, LA, with prior, supervised, IDT."""
    trained = {run.name: run for run in runs}
    methods = [Method(name, _kind(name, trained.get(name))) for name in set(names)]
    order = list(_LOOK)
    return sorted(methods, key=lambda method: (order.index(method.kind), method.run))
