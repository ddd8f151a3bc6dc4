"""The paths of artifacts, and of their logs, benchmarks and stores."""

import pytest

from workflow_scripts.configuration import paths


@pytest.mark.parametrize(
    ("artifact", "job"),
    [
        ("results/a/videos/index.tsv", "videos/a"),
        ("results/a/frames/40/000of002.h5", "frames/a/40/000of002"),
        ("results/a/encoding/idt/fisher/000of002.h5", "encoding/a/idt/fisher/000of002"),
        ("results/pretraining/videos/idt/all.tsv", "pretraining/videos/idt/all"),
        ("results/pretraining/ir/seed0/model.pt", "pretraining/ir/seed0"),
        ("results/evaluation/ir/seed0/a/split1/svm.json", "evaluation/ir/seed0/a/split1/svm"),
        ("results/report/index.html", "report"),
        ("results/config.yaml", "config"),
    ],
)
def test_log_and_benchmark_of_an_artifact(artifact: str, job: str) -> None:
    assert paths.log(artifact) == f"results/logs/{job}.log"
    assert paths.benchmark(artifact) == f"results/benchmarks/{job}.tsv"


def test_store_and_checkpoints_of_an_artifact() -> None:
    assert paths.store("results/a/frames/40/000of002.h5") == "results/a/frames/.store/40/000of002"
    assert paths.checkpoints("results/pretraining/ir/seed0/model.pt") == "results/pretraining/ir/seed0/checkpoints"


def test_result_keeps_the_other_wildcards() -> None:
    assert paths.result("svm") == "results/evaluation/{run}/seed{seed}/{dataset}/split{split}/svm.json"
