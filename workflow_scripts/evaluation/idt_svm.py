"""Stage: a linear SVM on the IDT sketches of a split, the hand-made representation that networks are compared with.

Paper 4.8 quotes IDT + Fisher vectors + linear SVM (C = 100) from the literature; here it is computed on the
count sketch (2000,) of the Fisher vector that the pretraining uses as its prior, L2-normalised, one SVM per class
against the rest.

Inputs: splits.tsv, the encoding shards. Output: `svm.json`, a record (see `results`) of run `idt`.
"""

import dataclasses
import logging
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from workflow_scripts import identity
from workflow_scripts.evaluation import results
from workflow_scripts.evaluation.metrics import class_scores
from workflow_scripts.evaluation.settings import VERSION, EvaluationSettings, settings_of
from workflow_scripts.evaluation.split import l2_normalised, read_sketches, read_split
from workflow_scripts.stage import command_line

log = logging.getLogger(__name__)


def idt_svm(
    encodings: list[Path],
    splits: Path,
    split: int,
    output: Path,
    dataset: str,
    settings: EvaluationSettings,
    seed: int = 0,
) -> None:
    """Trains a linear SVM on the sketches of a split's training videos and tests it on the others.

    encodings: the dataset's encoding shards; dataset: its name, for the record; seed: of the solver.
    Raises StageError if a video of the split is in no shard, or only one class is left to train on.
    """
    status, sketches = read_sketches(encodings)
    parts = read_split(splits, split, status)
    train, test = (
        l2_normalised(np.stack([sketches[video_id] for video_id in videos]).astype(np.float64))
        for videos in (parts.train, parts.test)
    )
    machine = LinearSVC(C=settings.svm_c, random_state=int(identity.rng(seed, "svm").integers(2**31)), max_iter=10_000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(train, parts.targets(parts.train))
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        log.warning("the SVM did not converge within 10,000 iterations; a smaller svm_c (now %g) helps", settings.svm_c)
    record = results.write_record(
        output,
        parts,
        class_scores(machine, test, len(parts.classes)),
        run="idt",
        seed=seed,
        dataset=dataset,
        number=split,
        protocol="svm",
        settings=settings_of("svm", dataclasses.asdict(settings)),
        version=VERSION,
    )
    log.info("idt + SVM on %s split %d: %s", dataset, split, results.in_words(record))


if __name__ == "__main__":
    command_line(idt_svm)
