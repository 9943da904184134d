import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from kontrast.objectives import InfoNCE, agree
from kontrast.similarities import Cosine, Euclidean, Lp
from kontrast.views import Views

from golden import LABELS, A, B

KEY = torch.arange(6)


def both_ways(objective, key):
    return agree(objective, (A, B), (A, B), Views((A, B), key))


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 1.305160), (0.2, 0.927784)])
def test_nt_xent_golden_values(temperature, value):
    loss = both_ways(InfoNCE(temperature=temperature), KEY)
    assert loss.total.item() == pytest.approx(value, abs=5e-7)


def test_accuracy_golden_value():
    assert both_ways(InfoNCE(temperature=0.5), KEY).measures["accuracy"].item() == pytest.approx(11 / 12)


def test_supervised_contrastive_golden_value():
    assert both_ways(InfoNCE(temperature=0.1), LABELS).total.item() == pytest.approx(2.470390, abs=5e-7)


def naive(x, y, key, similarity, temperature, candidates):
    """The definition, row by row and pair by pair."""
    total = 0.0
    for i in range(len(x)):
        scored = [(y[j], bool(key[i] == key[j])) for j in range(len(y))]
        if candidates == "both":
            scored += [(x[j], bool(key[i] == key[j])) for j in range(len(x)) if j != i]
        scores = [(similarity(x[i : i + 1], c[None])[0, 0] / temperature, positive) for c, positive in scored]
        partition = torch.logsumexp(torch.stack([s for s, _ in scores]), 0)
        total = total + partition - torch.stack([s for s, positive in scores if positive]).mean()
    return total / len(x)


@pytest.mark.parametrize("similarity", [Cosine(), Euclidean(), Lp(p=1), Lp(p=3), Lp(p=0.5)], ids=repr)
@pytest.mark.parametrize("candidates", ["both", "cross"])
@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
def test_value_and_gradient_equal_the_definition(similarity, candidates, key):
    ours, theirs = (tuple(z.clone().requires_grad_() for z in (A, B)) for _ in range(2))
    loss = InfoNCE(similarity=similarity, temperature=0.7, candidates=candidates)(*ours, key).total
    reference = naive(*theirs, key, similarity, 0.7, candidates)
    torch.testing.assert_close(loss, reference, rtol=1e-12, atol=1e-12)
    gradients = torch.autograd.grad(loss, ours)
    expected = torch.autograd.grad(reference, theirs)
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-9, atol=1e-10)


def test_cross_view_form_is_cross_entropy_of_the_similarity_matrix():
    logits = Cosine()(A, B) / 0.3
    loss = InfoNCE(temperature=0.3, candidates="cross")(A, B, KEY).total
    torch.testing.assert_close(loss, functional.cross_entropy(logits, KEY))


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(list(range(6))))
def test_reordering_the_batch_changes_nothing(order):
    order = torch.tensor(order)
    for key in (KEY, LABELS):
        before = InfoNCE()(A, B, key).total
        torch.testing.assert_close(InfoNCE()(A[order], B[order], key[order]).total, before)


def test_parts_add_up_and_chance_is_the_log_of_the_candidates():
    loss = InfoNCE(temperature=0.4)(A, B, KEY)
    torch.testing.assert_close(loss.parts["alignment"] + loss.parts["uniformity"], loss.total)
    same = torch.ones(6, 4, dtype=torch.float64)
    assert InfoNCE()(same, same, KEY).total.item() == pytest.approx(math.log(11))


def test_half_precision_embeddings_are_compared_in_single_precision():
    loss = InfoNCE()(A.bfloat16(), B.bfloat16(), KEY).total
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="temperature must be positive"):
        InfoNCE(temperature=temperature)


def test_rows_and_keys_must_match():
    with pytest.raises(ValueError, match="one answer and one key"):
        InfoNCE()(A, B, KEY[:5])
    with pytest.raises(ValueError, match="one answer and one key"):
        InfoNCE()(A, B[:5], KEY)


def test_agreement_is_the_mean_over_ordered_pairs_of_views():
    objective = InfoNCE(temperature=0.5)
    views = Views((A, B), KEY)
    forth, back = objective(A, B, KEY).total, objective(B, A, KEY).total
    torch.testing.assert_close(agree(objective, (A, B), (A, B), views).total, (forth + back) / 2)
    one_sided = Views((A, B), KEY, asking=(0,), answering=(1,))
    torch.testing.assert_close(agree(objective, (A,), (B,), one_sided).total, forth)
    with pytest.raises(ValueError, match="two views"):
        agree(objective, (A,), (A,), Views((A,), KEY, asking=(0,), answering=(0,)))
