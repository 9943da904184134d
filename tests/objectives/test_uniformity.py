import math

import pytest
import torch
from scipy.special import hyp0f1
from torch.nn import functional

from kontrast.objectives import AlignmentUniformity, strips
from kontrast.objectives import uniformity as module
from kontrast.similarities import Additive, Cosine, Diagonal, Dot, Euclidean, LatentClass, Lp, Mahalanobis
from kontrast.spaces import Box, Simplex, Sphere, VonMisesFisher
from kontrast.spaces import Euclidean as RealSpace
from kontrast.views import Views

from golden import A, B, C

KEY = torch.arange(6)


def published(x, y, weight):
    """The loss as the paper states it, alpha = 2 and t = 2, with its pairs i < j."""
    alignment = (x - y).norm(dim=1).pow(2).mean()
    potentials = [torch.pdist(z).pow(2).mul(-2).exp().mean().log() for z in (x, y)]
    return alignment + weight * sum(potentials) / 2


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_on_the_sphere_it_is_the_published_loss(weight):
    x, y = functional.normalize(A), functional.normalize(B)
    loss = AlignmentUniformity(weight=weight)(x, y, KEY)
    torch.testing.assert_close(loss.total, published(x, y, weight))
    torch.testing.assert_close(loss.parts["alignment"] + loss.parts["uniformity"], loss.total)


@pytest.mark.parametrize(
    "similarity", [Cosine(), Lp(p=1), Lp(p=2.5, shape="norm"), Mahalanobis(shape="power"), Additive(split=2)], ids=repr
)
def test_value_and_gradient_equal_the_definition(similarity, monkeypatch):
    monkeypatch.setattr(strips, "STRIP", 12)  # two rows at a time where scores are stored
    ours, theirs = (tuple(z.clone().requires_grad_() for z in (A, B)) for _ in range(2))
    loss = AlignmentUniformity(similarity=similarity, temperature=0.7, weight=0.4)(*ours, KEY).total
    x, y = theirs
    other = ~torch.eye(6, dtype=torch.bool)
    potentials = [(similarity(z, z)[other] / 0.7).exp().mean().log() for z in (x, y)]
    reference = -similarity(x, y).diagonal().mean() + 0.4 * sum(potentials) / 2
    torch.testing.assert_close(loss, reference, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(reference, theirs)
    for gradient, wanted in zip(torch.autograd.grad(loss, ours), expected, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-10)


def test_each_embedding_counts_once_in_the_uniformity_of_several_views():
    objective, views = AlignmentUniformity(), Views((), KEY, (0, 1, 2), (0, 1, 2))
    z = tuple(functional.normalize(each) for each in (A, B, C))
    alone = [objective(x, x, KEY).parts["uniformity"] for x in z]
    found = objective.agree(z, z, views)
    torch.testing.assert_close(found.parts["uniformity"], sum(alone) / 3)
    near = [(z[i] - z[j]).square().sum(1).mean() for i in range(3) for j in range(3) if i != j]
    torch.testing.assert_close(found.parts["alignment"], sum(near) / 6)


@pytest.mark.parametrize(("dim", "floor"), [(2, -1.575027), (3, -2.079777), (10, -3.246504), (128, -3.937530)])
def test_even_points_reach_the_floor_and_collapsed_ones_zero(dim, floor):
    points = torch.randn(6000, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    points, key = functional.normalize(points), torch.arange(6000)
    value = AlignmentUniformity()(points, points, key).parts["uniformity"].item()
    assert value == pytest.approx(floor, abs=0.005)
    assert -4 + math.log(hyp0f1(dim / 2, 4)) == pytest.approx(floor, abs=1e-6)
    one = points[:1].expand(50, dim)
    assert AlignmentUniformity()(one, one, key[:50]).total.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("similarity", "space"),
    [
        (Euclidean(), RealSpace()),
        (Lp(), RealSpace()),
        (Diagonal(), RealSpace()),
        (Dot(), VonMisesFisher()),
        (Euclidean(shape="norm"), RealSpace()),
    ],
)
def test_a_loss_without_a_minimum_is_refused(similarity, space):
    with pytest.raises(ValueError, match="never ends; write space=Sphere"):
        AlignmentUniformity(similarity=similarity).check(space)


@pytest.mark.parametrize(
    ("similarity", "space"),
    [
        (Euclidean(), Sphere()),
        (Euclidean(), Box()),
        (Euclidean(), RealSpace(standardize=True)),
        (Euclidean(shape="inverse"), RealSpace()),
        (Mahalanobis(shape="power"), RealSpace()),
        (LatentClass(), Simplex()),
        (Cosine(), RealSpace()),
    ],
)
def test_a_loss_with_bounds_is_taken(similarity, space):
    AlignmentUniformity(similarity=similarity).check(space)


def test_weight_temperature_and_rows_must_make_sense():
    with pytest.raises(ValueError, match=r"write objective\.temperature"):
        AlignmentUniformity(temperature=0.0)
    with pytest.raises(ValueError, match=r"write objective\.weight=1"):
        AlignmentUniformity(weight=-1.0)
    with pytest.raises(ValueError, match="at least two rows"):
        AlignmentUniformity()(A[:1], B[:1], KEY[:1])


def test_scores_of_many_rows_are_not_stored(monkeypatch):
    monkeypatch.setattr(module, "_stored", None)
    stored = []

    def pack(tensor):
        stored.append(tensor.numel())
        return tensor

    x = torch.randn(2000, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = AlignmentUniformity(similarity=Cosine())(x, x * 1.0, torch.arange(2000)).total
    loss.backward()
    assert max(stored) <= 2000 * 8
    assert x.grad.isfinite().all()
