"""The objectives against the paper's equations written out in plain loops, and their properties."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from workflow_scripts.pretraining.objectives import draw_negatives, instance_loss, local_aggregation_loss

TAU = 0.07


def unit_rows(n: int, dimensions: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, dimensions, generator=generator, dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True)


def problem(n: int, batch: int, m: int, k: int, seed: int):
    """Embeddings (B, 8), bank (N, 8), indices (B,) and labels (m, N), float64."""
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randperm(n, generator=generator)[:batch]
    labels = torch.randint(k, (m, n), generator=generator)
    return unit_rows(batch, 8, seed + 1), unit_rows(n, 8, seed + 2), indices, labels


def reference_instance(d, bank, i) -> float:
    """-log P(i | d), equation 2."""
    terms = [math.exp(float(bank[j] @ d) / TAU) for j in range(len(bank))]
    return -math.log(terms[i] / sum(terms))


def reference_local_aggregation(d, bank, i, labels, neighbours) -> float:
    """Equations 3 and 4, with the normaliser of equation 2 in place, and sets as sets."""
    terms = [math.exp(float(bank[j] @ d) / TAU) for j in range(len(bank))]
    probability = [term / sum(terms) for term in terms]
    nearest = sorted(range(len(bank)), key=lambda j: -float(bank[j] @ d))[:neighbours]
    background = {*nearest, i}
    close = {j for j in range(len(bank)) if any(run[j] == run[i] for run in labels.tolist())} | {i}
    return -math.log(sum(probability[j] for j in close & background) / sum(probability[j] for j in background))


sizes = {
    "n": st.integers(2, 40),
    "batch": st.integers(1, 6),
    "m": st.integers(1, 3),
    "k": st.integers(1, 12),
    "neighbours": st.integers(1, 50),
    "seed": st.integers(0, 2**20),
}


@settings(max_examples=60, deadline=None)
@given(**sizes)
def test_losses_are_the_equations(n, batch, m, k, neighbours, seed):
    batch = min(batch, n)
    d, bank, i, labels = problem(n, batch, m, k, seed)
    expected = sum(reference_instance(d[b], bank, int(i[b])) for b in range(batch)) / batch
    assert float(instance_loss(d, bank, i, temperature=TAU)) == pytest.approx(expected, rel=1e-10)
    expected = sum(reference_local_aggregation(d[b], bank, int(i[b]), labels, neighbours) for b in range(batch))
    found = float(local_aggregation_loss(d, bank, i, labels, temperature=TAU, neighbours=neighbours))
    assert found == pytest.approx(expected / batch, rel=1e-9, abs=1e-12)


def test_sampled_denominator_weighs_each_negative_by_those_it_stands_for():
    d, bank, i, _ = problem(30, 4, 1, 2, seed=7)
    negatives = draw_negatives(i, 30, 5, torch.Generator().manual_seed(0))
    terms = torch.exp(d @ bank.T / TAU)
    expected = 0.0
    for b in range(4):
        others = sum(float(terms[b, j]) for j in negatives[b]) * 29 / 5
        expected -= math.log(float(terms[b, i[b]]) / (float(terms[b, i[b]]) + others)) / 4
    found = float(instance_loss(d, bank, i, temperature=TAU, negatives=negatives))
    assert found == pytest.approx(expected, rel=1e-12)


def test_all_others_as_negatives_is_equation_2_itself():
    d, bank, i, _ = problem(17, 3, 1, 2, seed=3)
    others = torch.stack([torch.tensor([j for j in range(17) if j != own]) for own in i.tolist()])
    torch.testing.assert_close(
        instance_loss(d, bank, i, temperature=TAU, negatives=others), instance_loss(d, bank, i, temperature=TAU)
    )


def test_negatives_are_uniform_over_all_but_the_clips_own():
    indices = torch.tensor([0, 3, 9])
    negatives = draw_negatives(indices, 10, 20_000, torch.Generator().manual_seed(1))
    for row, own in zip(negatives, indices, strict=True):
        counts = torch.bincount(row, minlength=10)
        assert counts[own] == 0
        others = torch.cat([counts[:own], counts[own + 1 :]]).double()
        assert float(((others - 20_000 / 9) ** 2 / (20_000 / 9)).sum()) < 26.1  # chi-squared, 8 degrees, p = 0.001


@pytest.mark.parametrize("neighbours", [3, 40])
def test_gradients(neighbours):
    d, bank, i, labels = problem(12, 3, 2, 4, seed=11)
    d.requires_grad_()
    negatives = draw_negatives(i, 12, 4, torch.Generator().manual_seed(2))
    warm = 0.5  # finite differences through exp(. / 0.07) would lose their digits
    assert torch.autograd.gradcheck(lambda x: instance_loss(x, bank, i, temperature=warm, negatives=negatives), d)
    assert torch.autograd.gradcheck(lambda x: instance_loss(x, bank, i, temperature=warm), d)
    assert torch.autograd.gradcheck(
        lambda x: local_aggregation_loss(x, bank, i, labels, temperature=warm, neighbours=neighbours), d
    )


@settings(max_examples=40, deadline=None)
@given(**sizes)
def test_order_of_the_bank_and_names_of_clusters_do_not_matter(n, batch, m, k, neighbours, seed):
    d, bank, i, labels = problem(n, min(batch, n), m, k, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    moved = torch.empty_like(order)
    moved[order] = torch.arange(n)  # row j went to moved[j]
    renamed = (labels + 5) * 3
    options = {"temperature": TAU, "neighbours": neighbours}
    before = local_aggregation_loss(d, bank, i, labels, **options)
    torch.testing.assert_close(local_aggregation_loss(d, bank[order], moved[i], labels[:, order], **options), before)
    torch.testing.assert_close(local_aggregation_loss(d, bank, i, renamed, **options), before)
    torch.testing.assert_close(
        instance_loss(d, bank[order], moved[i], temperature=TAU), instance_loss(d, bank, i, temperature=TAU)
    )


def test_one_video_in_each_cluster_is_instance_recognition_among_the_background():
    d, bank, i, _ = problem(20, 5, 1, 2, seed=5)
    alone = torch.arange(20)[None]
    everyone = local_aggregation_loss(d, bank, i, alone, temperature=TAU, neighbours=4096)
    torch.testing.assert_close(everyone, instance_loss(d, bank, i, temperature=TAU))


def test_all_in_one_cluster_is_no_loss_and_no_gradient():
    d, bank, i, _ = problem(20, 5, 1, 2, seed=5)
    d.requires_grad_()
    loss = local_aggregation_loss(d, bank, i, torch.zeros(2, 20, dtype=int), temperature=TAU, neighbours=6)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert float(d.grad.abs().max()) < 1e-12


def test_clip_far_from_its_own_row_has_a_finite_loss():
    bank = torch.eye(6, dtype=torch.float64)
    d = -bank[:1]  # its own row is the farthest of all, and no other is in its cluster
    loss = local_aggregation_loss(d, bank, torch.tensor([0]), torch.arange(6)[None], temperature=0.001, neighbours=3)
    assert float(loss) == pytest.approx(1000 + math.log(3), rel=1e-6)
