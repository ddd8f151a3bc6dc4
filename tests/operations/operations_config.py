"""A config of two datasets and three runs."""

from typing import Any

CONFIG: dict[str, Any] = {
    "datasets": {"a": {"layout": "folder", "shards": 2}, "b": {"layout": "folder", "shards": 1}},
    "descriptors": {"idt": {"boxes": "hog"}},
    "pretraining": {
        "dataset": "a",
        "runs": {
            "ir": {"objective": "instance", "epochs": 3},
            "la": {"objective": "local_aggregation", "clusters": "idt", "init": "ir", "k": 9},
            "other": {"objective": "instance"},
        },
    },
    "evaluation": {"datasets": ["b"], "runs": ["la", "idt"]},
}
