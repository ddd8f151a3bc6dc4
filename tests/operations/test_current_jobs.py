"""The jobs that belong to a config."""

from typing import Any

import pytest

from workflow_scripts.operations.current_jobs import is_job_of


@pytest.mark.parametrize(
    ("job", "belongs"),
    [
        ("videos/a", True),
        ("videos/c", False),
        ("persons/a/hog/000of002", True),
        ("persons/a/detectron2/000of002", False),
        ("trajectories/b/idt/000of001", True),
        ("trajectories/b/idt/000of016", False),
        ("codebook/a/idt/joint", True),
        ("encoding/a/idt/fisher/001of002", True),
        ("encoding/a/old/001of002", False),
        ("frames/a/240/000of002", True),
        ("evaluation/la/seed0/b/features", True),
        ("frames/a/96/000of002", False),
        ("clusters/a/idt/all/kmeans_k9_m3_s0", True),
        ("clusters/a/idt/all/kmeans_k8_m3_s0", False),
        ("pretraining/videos/idt/all", True),
        ("pretraining/ir/seed0", True),
        ("pretraining/other/seed0", False),
        ("pretraining/ir/seed1", False),
        ("evaluation/la/seed0/b/split1/finetune", True),
        ("evaluation/la/seed0/clusters", True),
        ("evaluation/ir/seed0/b/split1/finetune", False),
    ],
)
def test_is_job_of_excludes_jobs_of_earlier_configs(config: dict[str, Any], job: str, belongs: bool) -> None:
    assert is_job_of(config)(tuple(job.split("/"))) == belongs
