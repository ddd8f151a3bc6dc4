"""Batches: every video once an epoch, whoever loads them."""

import hypothesis.strategies as st
import torch
from hypothesis import given

from workflow_scripts.frames.clips import FrameStore
from workflow_scripts.pretraining.dataset import EpochClips, epoch_batches, load_batches


@given(st.integers(2, 500), st.integers(2, 64), st.integers(0, 5))
def test_an_epoch_has_every_video_once_in_batches_of_nearly_equal_size(n, batch, epoch):
    batches = epoch_batches(n, batch, 0, epoch)
    sizes = {len(part) for part in batches}
    assert sorted(index for part in batches for index in part) == list(range(n))
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 2
    assert max(sizes) <= max(batch, 3)


def test_order_changes_with_epoch_and_seed():
    orders = {str(epoch_batches(50, 10, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


def test_clips_are_the_same_whoever_loads_them(frames_files, video_ids, tiny):
    batches = epoch_batches(12, 4, 0, 3)

    def loaded(workers: int, first: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        clips = EpochClips(FrameStore(frames_files), video_ids, tiny, 0, 3)
        return list(load_batches(clips, batches[first:], workers))

    here, there = loaded(0, 0), loaded(2, 1)
    assert here[0][0].shape == (4, 8, 32, 32, 3) and here[0][0].dtype == torch.uint8
    for mine, other in zip(here[1:], there, strict=True):
        assert torch.equal(mine[0], other[0]) and torch.equal(mine[1], other[1])
