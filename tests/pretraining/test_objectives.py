"""The losses compared with loops that compute the equations of the paper, and their properties."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from workflow_scripts.pretraining.objectives.instance import draw_negatives, instance_loss
from workflow_scripts.pretraining.objectives.local_aggregation import local_aggregation_loss

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
    """Equations 3 and 4, with the denominator of equation 2 and with Python sets."""
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
def test_losses_agree_with_the_equations(n, batch, m, k, neighbours, seed):
    batch = min(batch, n)
    d, bank, i, labels = problem(n, batch, m, k, seed)
    expected = sum(reference_instance(d[b], bank, int(i[b])) for b in range(batch)) / batch
    assert float(instance_loss(d, bank, i, temperature=TAU)) == pytest.approx(expected, rel=1e-10)
    expected = sum(reference_local_aggregation(d[b], bank, int(i[b]), labels, neighbours) for b in range(batch))
    actual = float(local_aggregation_loss(d, bank, i, labels, temperature=TAU, neighbours=neighbours))
    assert actual == pytest.approx(expected / batch, rel=1e-9, abs=1e-12)


def gradients(loss, d) -> torch.Tensor:
    d = d.clone().requires_grad_()
    return torch.autograd.grad(loss(d), d)[0]


def mean_row(bank, weights) -> torch.Tensor:
    """The mean of the rows, weighted by `weights` (row -> weight)."""
    total = sum(weights.values())
    return sum((weight / total * bank[j] for j, weight in weights.items()), torch.zeros_like(bank[0]))


@settings(max_examples=60, deadline=None)
@given(**sizes)
def test_loss_gradients_agree_with_the_equations(n, batch, m, k, neighbours, seed):
    """tau dL/dd is the mean row under P minus d_i (2), or under P in B_i minus under P in C_i and B_i (3)."""
    batch = min(batch, n)
    d, bank, i, labels = problem(n, batch, m, k, seed)
    instance, local = torch.zeros_like(d), torch.zeros_like(d)
    for b, own in enumerate(i.tolist()):
        terms = {j: math.exp(float(bank[j] @ d[b]) / TAU) for j in range(n)}
        nearest = sorted(terms, key=lambda j: -terms[j])[:neighbours]
        background = {j: terms[j] for j in {*nearest, own}}
        both = {j: term for j, term in background.items() if any(run[j] == run[own] for run in labels.tolist())}
        instance[b] = (mean_row(bank, terms) - bank[own]) / TAU / batch
        local[b] = (mean_row(bank, background) - mean_row(bank, both)) / TAU / batch
    actual = gradients(lambda x: instance_loss(x, bank, i, temperature=TAU), d)
    torch.testing.assert_close(actual, instance, rtol=1e-9, atol=1e-10)
    actual = gradients(lambda x: local_aggregation_loss(x, bank, i, labels, temperature=TAU, neighbours=neighbours), d)
    torch.testing.assert_close(actual, local, rtol=1e-9, atol=1e-10)


def test_local_aggregation_loss_uses_the_union_of_clusterings():
    """Video 0 is in the cluster of video 1 in the first clustering, of video 2 in the second, and never of video 3."""
    d, bank, _, _ = problem(4, 1, 1, 2, seed=9)
    labels = torch.tensor([[0, 0, 1, 1], [2, 3, 2, 3]])
    terms = torch.exp(bank @ d[0] / TAU)
    actual = local_aggregation_loss(d, bank, torch.tensor([0]), labels, temperature=TAU, neighbours=4)
    torch.testing.assert_close(actual, -torch.log(terms[:3].sum() / terms.sum()))
    # Cluster 1 of the first clustering is not cluster 1 of the second.
    labels = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 1]])
    actual = local_aggregation_loss(d, bank, torch.tensor([0]), labels, temperature=TAU, neighbours=4)
    torch.testing.assert_close(actual, -torch.log(terms[0] / terms.sum()))


def test_losses_float32_agrees_with_float64():
    """Losses agree to 1e-5 and gradients to 1e-6 of their maximum, for temperature 0.07 and 20,000 rows.

    Rounding may change which row is the 4,096th nearest, which changes the results less than that.
    """
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(20_008, 128, generator=generator, dtype=torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True)
    bank, i = rows[:20_000], torch.arange(8) * 2500
    d = bank[i] + 0.5 * rows[20_000:]
    d = d / d.norm(dim=1, keepdim=True)
    labels = torch.randint(600, (3, 20_000), generator=generator)
    negatives = draw_negatives(i, 20_000, 4096, generator)
    for loss in (
        lambda x, rows: instance_loss(x, rows, i, temperature=TAU),
        lambda x, rows: instance_loss(x, rows, i, temperature=TAU, negatives=negatives),
        lambda x, rows: local_aggregation_loss(x, rows, i, labels, temperature=TAU, neighbours=4096),
        lambda x, rows: local_aggregation_loss(-x, rows, i, labels, temperature=TAU, neighbours=4096),
    ):
        exact, actual = loss(d, bank), loss(d.float(), bank.float())
        assert actual.dtype == torch.float32 and float(actual) == pytest.approx(float(exact), rel=1e-5, abs=1e-6)
        exact = gradients(lambda x, loss=loss: loss(x, bank), d)
        actual = gradients(lambda x, loss=loss: loss(x, bank.float()), d.float()).double()
        assert float((actual - exact).norm(dim=1).max()) < 1e-6 * 2 / TAU / len(d)  # a difference of two mean rows


def test_instance_loss_weighs_sampled_negatives():
    d, bank, i, _ = problem(30, 4, 1, 2, seed=7)
    negatives = draw_negatives(i, 30, 5, torch.Generator().manual_seed(0))
    terms = torch.exp(d @ bank.T / TAU)
    expected = 0.0
    for b in range(4):
        others = sum(float(terms[b, j]) for j in negatives[b]) * 29 / 5
        expected -= math.log(float(terms[b, i[b]]) / (float(terms[b, i[b]]) + others)) / 4
    actual = float(instance_loss(d, bank, i, temperature=TAU, negatives=negatives))
    assert actual == pytest.approx(expected, rel=1e-12)


def test_instance_loss_with_all_negatives_is_exact():
    d, bank, i, _ = problem(17, 3, 1, 2, seed=3)
    others = torch.stack([torch.tensor([j for j in range(17) if j != own]) for own in i.tolist()])
    torch.testing.assert_close(
        instance_loss(d, bank, i, temperature=TAU, negatives=others), instance_loss(d, bank, i, temperature=TAU)
    )


def test_draw_negatives_is_uniform_over_other_videos():
    indices = torch.tensor([0, 3, 9])
    negatives = draw_negatives(indices, 10, 20_000, torch.Generator().manual_seed(1))
    for row, own in zip(negatives, indices, strict=True):
        counts = torch.bincount(row, minlength=10)
        assert counts[own] == 0
        others = torch.cat([counts[:own], counts[own + 1 :]]).double()
        assert float(((others - 20_000 / 9) ** 2 / (20_000 / 9)).sum()) < 26.1  # chi-squared, 8 degrees, p = 0.001


@pytest.mark.parametrize("neighbours", [3, 40])
def test_losses_gradcheck(neighbours):
    d, bank, i, labels = problem(12, 3, 2, 4, seed=11)
    d.requires_grad_()
    negatives = draw_negatives(i, 12, 4, torch.Generator().manual_seed(2))
    warm = 0.5  # finite differences of exp(. / 0.07) are inaccurate
    assert torch.autograd.gradcheck(lambda x: instance_loss(x, bank, i, temperature=warm, negatives=negatives), d)
    assert torch.autograd.gradcheck(lambda x: instance_loss(x, bank, i, temperature=warm), d)
    assert torch.autograd.gradcheck(
        lambda x: local_aggregation_loss(x, bank, i, labels, temperature=warm, neighbours=neighbours), d
    )


@settings(max_examples=40, deadline=None)
@given(**sizes)
def test_losses_do_not_depend_on_the_order_of_the_bank(n, batch, m, k, neighbours, seed):
    d, bank, i, labels = problem(n, min(batch, n), m, k, seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    moved = torch.empty_like(order)
    moved[order] = torch.arange(n)  # row j is now row moved[j]
    renamed = (labels + 5) * 3
    options = {"temperature": TAU, "neighbours": neighbours}
    before = local_aggregation_loss(d, bank, i, labels, **options)
    torch.testing.assert_close(local_aggregation_loss(d, bank[order], moved[i], labels[:, order], **options), before)
    torch.testing.assert_close(local_aggregation_loss(d, bank, i, renamed, **options), before)
    torch.testing.assert_close(
        instance_loss(d, bank[order], moved[i], temperature=TAU), instance_loss(d, bank, i, temperature=TAU)
    )


def test_local_aggregation_loss_one_video_per_cluster_is_instance_loss():
    d, bank, i, _ = problem(20, 5, 1, 2, seed=5)
    alone = torch.arange(20)[None]
    everyone = local_aggregation_loss(d, bank, i, alone, temperature=TAU, neighbours=4096)
    torch.testing.assert_close(everyone, instance_loss(d, bank, i, temperature=TAU))


def test_local_aggregation_loss_one_cluster_is_zero():
    d, bank, i, _ = problem(20, 5, 1, 2, seed=5)
    d.requires_grad_()
    loss = local_aggregation_loss(d, bank, i, torch.zeros(2, 20, dtype=int), temperature=TAU, neighbours=6)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert float(d.grad.abs().max()) < 1e-12


def test_local_aggregation_loss_far_from_its_own_row_is_finite():
    bank = torch.eye(6, dtype=torch.float64)
    d = -bank[:1]  # its own row is the farthest and the only one in its cluster
    loss = local_aggregation_loss(d, bank, torch.tensor([0]), torch.arange(6)[None], temperature=0.001, neighbours=3)
    assert float(loss) == pytest.approx(1000 + math.log(3), rel=1e-6)
