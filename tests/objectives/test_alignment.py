import math

import pytest
import torch
from torch.nn import functional

from kontrast.objectives import Alignment
from kontrast.objectives.alignment import spread
from kontrast.similarities import Cosine, Diagonal, Euclidean, Lp, Mahalanobis
from kontrast.spaces import Box, Sphere
from kontrast.views import Views

from golden import A, B, C

KEY = torch.arange(6)


def test_negative_cosine_golden_value():
    assert Alignment()(B, A, KEY).total.item() == pytest.approx(-0.950807, abs=5e-7)


def test_simsiam_is_the_mean_of_both_directions():
    predicted, answers = (A, B), (C, A + C)
    loss = Alignment().agree(predicted, answers, Views((), KEY)).total
    one = functional.cosine_similarity(A, A + C).mean()
    other = functional.cosine_similarity(B, C).mean()
    torch.testing.assert_close(loss, -(one + other) / 2)


@pytest.mark.parametrize("similarity", [Cosine(), Euclidean(), Lp(p=3), Mahalanobis()], ids=repr)
def test_it_is_minus_the_mean_similarity_of_pairs(similarity):
    loss = Alignment(similarity=similarity)(A, B, KEY).total
    torch.testing.assert_close(loss, -similarity(A, B).diagonal().mean())


def test_spread_is_one_for_even_directions_and_zero_after_collapse():
    even = torch.randn(20_000, 16, generator=torch.Generator().manual_seed(0))
    assert spread(even).item() == pytest.approx(1, abs=0.01)
    assert spread(3 * even).item() == pytest.approx(spread(even).item())
    assert spread(torch.ones(8, 16)).item() == pytest.approx(0, abs=1e-6)
    measured = Alignment()(A, B, KEY).measures["spread"]
    torch.testing.assert_close(measured, 2 * functional.normalize(B).std(0, correction=0).mean())


def test_keys_do_not_matter():
    torch.testing.assert_close(Alignment()(A, B, torch.zeros_like(KEY)).total, Alignment()(A, B, KEY).total)


def test_at_work_it_goes_by_the_running_metric_of_its_similarity():
    objective = Alignment(similarity=Mahalanobis(covariance="running", shape="power"))
    criterion, views = objective.build(4), Views((), KEY)
    before = criterion((A, B), (A, B), views).total
    criterion.eval()
    covariance = criterion.metric.covariance.clone()
    difference = A - B
    distance = (difference @ torch.linalg.inv(covariance) * difference).sum(1).mean()
    torch.testing.assert_close(criterion((A, B), (A, B), views).total, distance)
    assert before.isfinite()
    assert torch.equal(covariance, criterion.metric.covariance)


def test_what_would_learn_to_call_everything_alike_is_refused():
    with pytest.raises(ValueError, match="write objective=InfoNCE"):
        Alignment(similarity=Diagonal()).check_batch(256, 4)
    Alignment(similarity=Diagonal(learned=False)).check_batch(256, 4)


def test_the_space_must_suit_the_similarity():
    Alignment().check(Sphere())
    with pytest.raises(ValueError, match="write space=Sphere"):
        Alignment().check(Box())


def test_the_loss_of_equal_views_is_the_least_there_is():
    assert Alignment()(A, A, KEY).total.item() == pytest.approx(-1)
    assert Alignment(similarity=Euclidean())(A, A, KEY).total.item() == 0
    assert math.isclose(Alignment()(A, -A, KEY).total.item(), 1)
