"""What holds for every similarity: one suite, over all of them."""

import itertools

import pytest
import torch

from kontrast import parts
from kontrast.draws import generator
from kontrast.similarities import (
    Additive,
    Cosine,
    Diagonal,
    Dot,
    Euclidean,
    ExpectedLikelihood,
    LatentClass,
    Linked,
    Lp,
    Mahalanobis,
    Similarity,
)
from kontrast.spaces import Box, Product, Simplex, Sphere, VonMisesFisher
from kontrast.spaces import Euclidean as RealSpace

SPACES = [RealSpace(), Sphere(radius=2.0), Box(), Simplex(), VonMisesFisher(), Product(first=Box(), split=2)]
EVERY = [
    Cosine(),
    Dot(),
    Euclidean(),
    Euclidean(shape="norm"),
    Euclidean(shape="inverse"),
    *(Lp(p=p, shape=shape) for p in (0.5, 1.0, 2.0, 3.5) for shape in ("power", "norm", "inverse")),
    Mahalanobis(),
    Mahalanobis(shape="power", ridge=0.2),
    Mahalanobis(covariance="running"),
    Diagonal(),
    Diagonal(weights=(0.5, 1.0, 2.0, 4.0)),
    LatentClass(),
    LatentClass(prior=True),
    ExpectedLikelihood(),
    Additive(split=2),
    Additive(first=Euclidean(), second=Mahalanobis(), split=2, weight=0.5),
]


def points(similarity, n, name, kind=torch.float64):
    """Points of the first space that the similarity accepts."""
    for space in SPACES:
        try:
            similarity.check(space)
        except ValueError:
            continue
        raw = torch.randn(n, space.inputs(4), generator=generator(n, name), dtype=torch.float64)
        return space.project(raw).to(kind)
    raise AssertionError(f"no space fits {similarity}")


def said(check):
    """The sentence with which a check refuses, or nothing."""
    try:
        check()
    except ValueError as error:
        return str(error)
    return ""


def test_every_similarity_is_covered():
    assert {type(similarity).__name__ for similarity in EVERY} == set(parts.known(Similarity))


every = pytest.mark.parametrize("similarity", EVERY, ids=repr)


@every
def test_pairs_score_as_in_the_matrix(similarity):
    x, y = points(similarity, 9, "x"), points(similarity, 9, "y")
    dense, paired = similarity(x, y), similarity.paired(x, y)
    assert dense.shape == (9, 9) and dense.isfinite().all()
    torch.testing.assert_close(paired, dense.diagonal(), rtol=1e-9, atol=1e-9)


@every
def test_one_set_against_itself_is_symmetric_and_one_tensor(similarity):
    x = points(similarity, 9, "x")
    form = similarity.form(x, x)
    if isinstance(form, Linked):
        assert (form.u is form.v) == (not isinstance(similarity, ExpectedLikelihood))
    scores = similarity(x, x)
    torch.testing.assert_close(scores, scores.T, rtol=1e-9, atol=1e-9)


@every
def test_rows_score_alone_exactly_where_it_says_so(similarity):
    x, y = points(similarity, 9, "x"), points(similarity, 9, "y")
    alone, among = similarity(x[:6], y[:6]), similarity(x, y)[:6, :6]
    assert torch.allclose(alone, among, rtol=1e-9, atol=1e-9) == similarity.rowwise


@every
def test_a_form_rebuilt_from_its_tensors_is_the_same(similarity):
    x, y = points(similarity, 9, "x"), points(similarity, 7, "y")
    form = similarity.form(x, y)
    first, others = form.tensors()
    chosen = torch.tensor([3, 1])
    rebuilt = form.like([tensor[chosen] for tensor in first], others)
    torch.testing.assert_close(rebuilt.dense(), form.dense()[chosen])


@every
def test_gradients_are_right_and_finite_at_equal_points(similarity):
    x, y = points(similarity, 8, "x").requires_grad_(), points(similarity, 7, "y").requires_grad_()
    assert torch.autograd.gradcheck(similarity, (x, y), check_undefined_grad=False)
    similarity(x, x).sum().backward()
    assert x.grad.isfinite().all()


@every
def test_single_precision_is_near_double(similarity):
    x, y = points(similarity, 9, "x"), points(similarity, 9, "y")
    torch.testing.assert_close(similarity(x.float(), y.float()).double(), similarity(x, y), rtol=1e-4, atol=1e-4)


@every
def test_at_work_it_starts_as_it_is_written(similarity):
    x, y = points(similarity, 9, "x"), points(similarity, 9, "y")
    metric = similarity.build(4).double().eval()
    if not [*metric.buffers()]:
        torch.testing.assert_close(metric(x, y).dense(), similarity(x, y), rtol=1e-6, atol=1e-6)
    before = [buffer.clone() for buffer in metric.buffers()]
    metric(x, y)
    assert all(torch.equal(one, other) for one, other in zip(before, metric.buffers(), strict=True))


@pytest.mark.parametrize(
    ("similarity", "space"), list(itertools.product(EVERY, SPACES)), ids=lambda part: repr(part).replace(" ", "")
)
def test_draws_lie_in_the_space_or_are_refused_in_one_sentence(similarity, space):
    raw = torch.randn(20, space.inputs(4), generator=generator(0, "raw"))
    x = space.project(raw)
    refused = said(lambda: similarity.check_draw(space))
    if refused:
        assert "write" in refused and "\n" not in refused
        with pytest.raises(ValueError, match="write"):
            similarity.sample(x, 0.1, space, generator(0, "t"))
        return
    one, two = (similarity.sample(x, 0.1, space, generator(0, "t")) for _ in range(2))
    assert one.shape == x.shape and torch.equal(one, two)
    assert not torch.equal(one, similarity.sample(x, 0.1, space, generator(1, "t")))
    match space:
        case Sphere():
            torch.testing.assert_close(one.norm(dim=1), torch.full((20,), 2.0))
        case Box():
            assert one.min() >= 0 and one.max() <= 1
        case Product():
            assert one[:, :2].min() >= 0 and one[:, :2].max() <= 1
    for temperature in (0.0, -1.0):
        with pytest.raises(ValueError, match="temperature must be positive"):
            similarity.sample(x, temperature, space, generator(0, "t"))


@every
def test_only_some_spaces_mean_something(similarity):
    refusals = [said(lambda space=space: similarity.check(space)) for space in SPACES]
    assert "" in refusals
    assert all("write" in refused and "\n" not in refused for refused in refusals if refused)
