"""Durations as text."""

import pytest

from workflow_scripts.ground.durations import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (4.2, "4.2 s"), (42, "42 s"), (720, "12 min"), (12600, "3.5 h"), (360000, "4.2 days")],
)
def test_in_words_of_a_duration(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
