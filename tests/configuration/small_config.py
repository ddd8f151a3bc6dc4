"""A small config for tests."""

import copy
from typing import Any

SMALLEST = {"datasets": {"a": {"layout": "folder"}}, "pretraining": {"dataset": "a"}}


def config_with(path: str, value: Any) -> dict[str, Any]:
    """Returns the config with a value at a path of keys, like `pretraining.dataset`."""
    config: dict[str, Any] = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return config
