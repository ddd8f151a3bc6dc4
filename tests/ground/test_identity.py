"""Ids, shards, digests and random generators."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.ground.identity import digest, rng, shard_of, video_id

paths = st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1), min_size=1).map("/".join)


@given(paths)
def test_video_id_has_safe_characters_and_depends_on_the_path(path: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", video_id(path))
    assert video_id(path) == video_id(path)


@given(paths, paths)
def test_video_id_differs_between_paths(a: str, b: str) -> None:
    assert (video_id(a) == video_id(b)) == (a == b)


def test_video_id_contains_the_name_and_accepts_names_that_are_not_utf8() -> None:
    assert video_id("walk/walk_city_01.mp4").startswith("walk_city_01-")
    assert video_id("walk/\udcff.mp4") != video_id("walk/\udcfe.mp4")


def test_shard_of_is_even() -> None:
    counts = Counter(shard_of(f"video-{i}", 8) for i in range(8000))
    assert sorted(counts) == [f"{i:03d}of008" for i in range(8)]
    assert max(counts.values()) < 1.2 * min(counts.values())
    assert shard_of("video-7", 10_000).endswith("of10000")


@dataclass(frozen=True)
class _Settings:
    k: int = 3
    drops: tuple[int, ...] = (1, 2)


def test_digest_depends_only_on_values() -> None:
    assert digest({"a": 1, "b": Path("x")}) == digest({"b": "x", "a": 1})
    assert digest(_Settings(k=4)) == digest({"k": 4}) != digest(_Settings())
    assert digest(np.float64(0.5)) == digest(0.5)
    with pytest.raises(TypeError, match="ndarray"):
        digest(np.zeros(2))


def test_digest_of_settings_ignores_a_new_default() -> None:
    @dataclass(frozen=True)
    class Newer(_Settings):
        added: str = ""

    for settings in ({}, {"k": 4}):
        assert digest(Newer(**settings)) == digest(_Settings(**settings))
    assert digest(Newer(added="x")) != digest(_Settings())


def test_rng_repeats_by_name() -> None:
    first, again, other = (rng(0, *name).random(3) for name in [("sample", "a"), ("sample", "a"), ("sample", "b")])
    assert (first == again).all() and (first != other).all()
