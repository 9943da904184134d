"""What holds for every objective: one suite, over all of them."""

import chz
import pytest
import torch

from kontrast import parts
from kontrast.draws import generator
from kontrast.objectives import (
    Alignment,
    AlignmentUniformity,
    BarlowTwins,
    Blocks,
    CrossEntropy,
    InfoNCE,
    MCInfoNCE,
    MeanSquaredError,
    Objective,
    SIGReg,
    Supervised,
    VICReg,
)
from kontrast.similarities import (
    Additive,
    Cosine,
    Diagonal,
    Dot,
    Euclidean,
    ExpectedLikelihood,
    LatentClass,
    Lp,
    Mahalanobis,
    Similarity,
)
from kontrast.spaces import Box, Product, Simplex, Sphere, VonMisesFisher
from kontrast.spaces import Euclidean as RealSpace
from kontrast.views import Views

SPACES = [
    RealSpace(),
    RealSpace(standardize=True),
    Sphere(radius=2.0),
    Box(),
    Simplex(),
    VonMisesFisher(),
    Product(first=Box(), second=Sphere(), split=2),
]
EVERY = [
    Alignment(),
    Alignment(similarity=Lp(p=2.5)),
    AlignmentUniformity(),
    AlignmentUniformity(similarity=Additive(split=2), temperature=2.0, weight=0.5),
    BarlowTwins(),
    BarlowTwins(deviation="unbiased", eps=0.0, weight=0.1),
    Blocks(first=InfoNCE(similarity=Lp(p=1), temperature=0.5), second=InfoNCE(temperature=0.5), split=2),
    Blocks(first=VICReg(), second=SIGReg(), split=1, weight=2.0),
    CrossEntropy(),
    InfoNCE(temperature=0.5),
    InfoNCE(similarity=Lp(p=2), candidates="cross", denominator="one", own=True, alpha=0.3),
    InfoNCE(similarity=Mahalanobis(), candidates="anchors", denominator="negatives", learn_temperature=True),
    MCInfoNCE(samples=4, temperature=0.5),
    MCInfoNCE(samples=3, temperature=0.5, negatives=4, learn_temperature=True),
    MeanSquaredError(),
    SIGReg(slices=16),
    VICReg(),
]
CONTRASTS = [objective for objective in EVERY if not isinstance(objective, Supervised)]
KEYS = {"own": torch.tensor([30, 11, 22, 3, 14, 5, 46, 7]), "shared": torch.tensor([0, 1, 0, 2, 1, 0, 3, 2])}
N, DIM = 8, 4

every = pytest.mark.parametrize("objective", EVERY, ids=repr)
contrasts = pytest.mark.parametrize("objective", CONTRASTS, ids=repr)
keys = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)


def space_of(objective):
    """The first space that the objective accepts; None where each is refused in one sentence."""
    for space in SPACES:
        if said(lambda space=space: objective.check(space)) is None:
            return space
    return None


def said(check):
    """The one sentence with which something is refused, or None."""
    try:
        check()
    except ValueError as error:
        sentence = str(error)
    else:
        return None
    assert "write" in sentence and "\n" not in sentence
    return sentence


def points(objective, name, kind=torch.float64):
    space = space_of(objective)
    raw = torch.randn(N, space.inputs(DIM), generator=generator(7, name), dtype=torch.float64)
    return space.project(raw).to(kind)


def given(objective, kind=torch.float64):
    """A question and its answer: embeddings, or what a supervised objective is told."""
    answer = KEYS["shared"] if isinstance(objective, CrossEntropy) else points(objective, "y", kind)
    return points(objective, "x", kind), answer


def test_every_objective_is_covered():
    assert {type(objective).__name__ for objective in EVERY} == set(parts.known(Objective))


@every
@keys
def test_the_loss_is_one_finite_number_with_a_finite_gradient(objective, key):
    x, y = given(objective, torch.float32)
    loss = objective(x.requires_grad_(), y, key)
    assert loss.total.shape == () and loss.total.isfinite()
    for value in (*loss.parts.values(), *loss.measures.values()):
        assert value.shape == () and value.isfinite() and not value.requires_grad
    loss.total.backward()
    assert x.grad.isfinite().all() and x.grad.abs().max() > 0


@every
@keys
def test_parts_add_up_to_the_loss(objective, key):
    loss = objective(*given(objective), key)
    if loss.parts:
        torch.testing.assert_close(torch.stack([*loss.parts.values()]).sum(), loss.total)


@every
@keys
def test_reordering_the_batch_changes_nothing(objective, key):
    x, y = given(objective)
    order = torch.randperm(N, generator=generator(1, "order"))
    loss, turned = objective(x, y, key), objective(x[order], y[order], key[order])
    near = {"rtol": 1e-6, "atol": 1e-6} if isinstance(objective, Supervised) else {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(turned.total, loss.total, **near)
    for name, value in loss.parts.items():
        torch.testing.assert_close(turned.parts[name], value, **near)


@contrasts
@keys
def test_the_gradient_is_that_of_the_value(objective, key):
    if isinstance(objective, MCInfoNCE):
        pytest.skip("its draws jump where one is rejected, and the gradient is that of the mean over them")
    learned = [z.requires_grad_() for z in given(objective)]
    assert torch.autograd.gradcheck(lambda x, y: objective(x, y, key).total, learned, atol=1e-6, rtol=1e-4)


@every
def test_symmetric_is_true_to_its_word(objective):
    if objective.symmetric:
        x, y = given(objective)
        there, back = objective(x, y, KEYS["own"]).total, objective(y, x, KEYS["own"]).total
        torch.testing.assert_close(there, back)


@contrasts
@keys
def test_two_views_that_ask_and_answer_are_asked_both_ways(objective, key):
    if isinstance(objective, MCInfoNCE):
        pytest.skip("each view has draws of its own")
    x, y = given(objective)
    both = objective.agree((x, y), (x, y), Views((), key)).total
    there, back = objective(x, y, key).total, objective(y, x, key).total
    torch.testing.assert_close(both, (there + back) / 2)


@contrasts
def test_answers_may_come_from_another_network(objective):
    asked = tuple(points(objective, name).requires_grad_() for name in ("x", "y"))
    answers = tuple(points(objective, name) for name in ("u", "v"))
    loss = objective.agree(asked, answers, Views((), KEYS["own"])).total
    assert loss.isfinite()
    assert all(gradient.abs().max() > 0 for gradient in torch.autograd.grad(loss, asked))


@contrasts
def test_at_work_it_starts_as_it_is_written_and_lets_gradients_through(objective):
    criterion = objective.build(DIM).double()
    x, y = (points(objective, name).requires_grad_() for name in ("x", "y"))
    views = Views((), KEYS["own"])
    torch.testing.assert_close(criterion((x, y), (x, y), views).total, objective.agree((x, y), (x, y), views).total)
    criterion((x, y), (x, y), views).total.backward()
    for value in (x, y, *criterion.parameters()):
        assert value.grad.isfinite().all() and value.grad.abs().max() > 0
    criterion.eval()
    before = {name: value.clone() for name, value in criterion.state_dict().items()}
    criterion((x, y), (x, y), views)
    assert all(torch.equal(value, before[name]) for name, value in criterion.state_dict().items())


@contrasts
def test_rows_that_do_not_match_are_one_sentence(objective):
    (x, y), key = given(objective), KEYS["own"]
    for wrong in ((x, y[:5], key), (x[:5], y, key), (x, y, key[:5]), (x, y[:, :3], key), (x[0], y[0], key)):
        with pytest.raises(ValueError, match=type(objective).__name__) as caught:
            objective(*wrong)
        assert "\n" not in str(caught.value)


@contrasts
def test_no_view_asked_about_another_is_one_sentence(objective):
    x, _ = given(objective)
    with pytest.raises(ValueError, match="two views"):
        objective.agree((x,), (x,), Views((), KEYS["own"], asking=(0,), answering=(0,)))


@every
@keys
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_embeddings_that_are_not_finite_are_never_hidden(objective, key, value):
    x, y = given(objective)
    x[2, 1] = value
    try:
        loss = objective(x, y, key).total
    except ValueError:
        return
    assert not loss.isfinite()


@contrasts
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single_precision(objective, kind):
    x, y = (z.to(kind).requires_grad_() for z in given(objective))
    loss = objective(x, y, KEYS["own"]).total
    assert loss.dtype == torch.float32
    assert torch.equal(loss, objective(x.detach().float(), y.detach().float(), KEYS["own"]).total)
    loss.backward()
    assert x.grad.dtype == kind and x.grad.isfinite().all()


@every
def test_it_leaves_the_global_random_state_alone(objective):
    state = torch.get_rng_state()
    x, y = given(objective)
    first, again = (objective(x, y, KEYS["own"]).total for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)


@every
def test_it_is_a_value_that_explains_itself(objective):
    assert hash(objective) == hash(chz.replace(objective))
    assert parts.summary(type(objective)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(objective).values())


SIMILARITIES = [
    Additive(split=2),
    Cosine(),
    Diagonal(weights=(0.5, 1.0, 2.0, 4.0)),
    Diagonal(learned=False),
    Dot(),
    Euclidean(),
    Euclidean(shape="inverse"),
    ExpectedLikelihood(),
    LatentClass(),
    LatentClass(prior=True),
    Lp(p=3.5, shape="norm"),
    Lp(p=1.0),
    Mahalanobis(shape="power", ridge=0.1),
    Mahalanobis(covariance="running"),
]
SCORED = [
    cls(similarity=similarity, **({} if cls is Alignment else {"temperature": 0.7}))
    for cls in parts.known(Objective).values()
    if "similarity" in chz.chz_fields(cls)
    for similarity in SIMILARITIES
]
REFUSED = {Alignment: set(), AlignmentUniformity: {"ExpectedLikelihood"}, InfoNCE: set()}


def test_every_similarity_is_covered():
    assert {type(similarity).__name__ for similarity in SIMILARITIES} == set(parts.known(Similarity))
    assert {type(objective) for objective in SCORED} == set(REFUSED)


@pytest.mark.parametrize("objective", SCORED, ids=repr)
def test_each_similarity_works_in_each_objective_or_is_refused(objective):
    refused = type(objective.similarity).__name__ in REFUSED[type(objective)]
    assert (space_of(objective) is None) == refused
    if refused:
        return
    learns = isinstance(objective, Alignment) and objective.similarity == Diagonal(weights=(0.5, 1.0, 2.0, 4.0))
    assert (said(lambda: objective.check_batch(N, DIM)) is not None) == learns
    criterion = objective.build(DIM).double()
    x, y = (points(objective, name).requires_grad_() for name in ("x", "y"))
    for loss in (objective(x, y, KEYS["own"]), criterion((x, y), (x, y), Views((), KEYS["shared"]))):
        assert loss.total.isfinite()
        gradients = torch.autograd.grad(loss.total, (x, y), retain_graph=True)
        assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in gradients)
    learned = torch.autograd.grad(loss.total, [*criterion.parameters()]) if [*criterion.parameters()] else ()
    assert all(gradient.isfinite().all() and gradient.abs().max() > 0 for gradient in learned)
