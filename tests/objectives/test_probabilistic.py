"""The probabilistic loss of a simplex: InfoNCE whose critic is the optimal classifier's, by its published values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kontrast.draws import generator
from kontrast.objectives import InfoNCE
from kontrast.similarities import LatentClass
from kontrast.spaces import Simplex
from kontrast.views import Views

from golden import A, B

SPACE = Simplex(beta=0.8)
KEY = torch.arange(6)
Q, R = SPACE.project(A), SPACE.project(B)


def loss(q: Tensor, r: Tensor, temperature: float = 1.0, **options: float) -> Tensor:
    """Both directions of the loss, over cross-view candidates alone."""
    objective = InfoNCE(similarity=LatentClass(**options), temperature=temperature, candidates="cross")  # type: ignore[arg-type]
    return objective.agree((q, r), (q, r), Views((), torch.arange(len(q)))).total


def naive(q: Tensor, r: Tensor, temperature: float, floor: float, multiple: float = 1.0) -> Tensor:
    """The source's form, whose sums are multiplied before they meet the floor."""
    logits = (multiple * q @ r.T).clamp_min(floor).log() / temperature
    own = torch.arange(len(q))
    return (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2


@pytest.mark.parametrize(("temperature", "value"), [(0.5, 1.497880), (1.0, 1.632048)])
def test_golden_values(temperature: float, value: float) -> None:
    assert loss(Q, R, temperature).item() == pytest.approx(value, abs=5e-7)


def test_golden_posteriors_and_their_entropies() -> None:
    torch.testing.assert_close(
        Q[0], torch.tensor([0.316415, 0.326289, 0.223946, 0.133350], dtype=torch.float64), atol=5e-7, rtol=0
    )
    entropies = math.log(4) - SPACE.concentration(Q)
    expected = torch.tensor([1.333306, 1.343651, 1.297467, 1.344660, 1.275866, 1.237907], dtype=torch.float64)
    torch.testing.assert_close(entropies, expected, atol=5e-7, rtol=0)


def posteriors(n: int, d: int, sharpness: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    z = sharpness * torch.randn(2, n, d, generator=generator(seed, "posteriors"), dtype=torch.float64)
    return SPACE.project(z[0]), SPACE.project(z[0] + 0.5 * z[1])


@given(st.integers(0, 100), st.floats(0.1, 50), st.sampled_from([0.3, 1.0, 2.0]))
def test_value_is_the_definition_and_within_bounds(seed: int, sharpness: float, temperature: float) -> None:
    q, r = posteriors(8, 5, sharpness, seed)
    found = loss(q, r, temperature)
    torch.testing.assert_close(found, naive(q, r, temperature, 1e-4), rtol=1e-10, atol=1e-10)
    assert found >= math.log(1 + 7 * 1e-4 ** (1 / temperature)) - 1e-12


@given(st.integers(0, 100), st.permutations(range(5)))
def test_the_names_of_classes_mean_nothing(seed: int, order: list[int]) -> None:
    q, r = posteriors(7, 5, 3.0, seed)
    torch.testing.assert_close(loss(q[:, order], r[:, order]), loss(q, r), rtol=1e-12, atol=1e-12)


def test_a_multiple_of_the_sums_only_lowers_the_floor() -> None:
    torch.testing.assert_close(naive(Q, R, 1.0, 1e-4, multiple=6), loss(Q, R), rtol=1e-12, atol=1e-12)
    q, r = posteriors(8, 6, 60.0)
    assert ((q @ r.T) < 1e-4 / 8).any()
    torch.testing.assert_close(naive(q, r, 1.0, 1e-4, multiple=8), loss(q, r, floor=1e-4 / 8), rtol=1e-12, atol=1e-12)
    assert abs(loss(q, r) - loss(q, r, floor=1e-4 / 8)) > 1e-6


@pytest.mark.parametrize(("n", "temperature"), [(64, 1.0), (64, 0.5), (6, 2.0)])
def test_certain_and_distinct_posteriors_reach_the_floor(n: int, temperature: float) -> None:
    q = torch.eye(n, dtype=torch.float64)
    least = math.log(1 + (n - 1) * 1e-4 ** (1 / temperature))
    assert loss(q, q, temperature).item() == pytest.approx(least, rel=1e-9)
    if (n, temperature) == (64, 1.0):
        assert least == pytest.approx(6.3e-3, rel=0.01)


def test_posteriors_that_know_nothing_are_at_chance() -> None:
    q = torch.full((6, 4), 0.25, dtype=torch.float64)
    assert loss(q, q).item() == pytest.approx(math.log(6))


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_gradients(temperature: float) -> None:
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: loss(SPACE.project(a), SPACE.project(b), temperature), (a, b))


def test_far_embeddings_keep_finite_gradients() -> None:
    a = (200 * A).float().requires_grad_()
    found = loss(SPACE.project(a), SPACE.project(200 * B.float()))
    found.backward()  # type: ignore[no-untyped-call]
    assert found.isfinite()
    assert a.grad is not None
    assert a.grad.isfinite().all()


def worlds(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Posteriors of pairs that are independent given one of four classes, and the classes' shares; two samples."""
    prior = torch.tensor([0.55, 0.25, 0.15, 0.05], dtype=torch.float64)
    seen = torch.tensor([[8, 1, 1, 1, 1], [1, 6, 2, 1, 1], [1, 1, 5, 3, 1], [2, 1, 1, 1, 9]], dtype=torch.float64)
    seen /= seen.sum(1, keepdim=True)
    posterior = (prior[:, None] * seen / (prior @ seen)).T
    rng = generator(0, "classes")
    c = torch.multinomial(prior, n, replacement=True, generator=rng)
    x, y = (torch.multinomial(seen[c], 1, generator=rng)[:, 0] for _ in range(2))
    return posterior[x], posterior[y], prior, posterior


def test_with_the_prior_and_at_temperature_one_it_is_the_optimal_classifier() -> None:
    """No other temperature, prior or posterior gives a lower loss on pairs of a known world."""
    q, r, prior, _ = worlds(4000)

    def under(prior: Tensor, temperature: float = 1.0, q: Tensor = q, r: Tensor = r) -> float:
        criterion = InfoNCE(
            similarity=LatentClass(prior=True, floor=0.0), temperature=temperature, candidates="cross"
        ).build(4)
        criterion.metric.share.copy_(prior)
        return criterion.eval()((q, r), (q, r), Views((), torch.arange(len(q)))).total.item()

    best = under(prior)
    others = [
        under(prior, 0.7),
        under(prior, 1.5),
        under(torch.full((4,), 0.25)),
        under(prior, q=q.sqrt() / q.sqrt().sum(1, keepdim=True), r=r.sqrt() / r.sqrt().sum(1, keepdim=True)),
    ]
    assert all(other > best + 0.005 for other in others)
    information = torch.log((q * r / prior).sum(1)).mean().item()
    assert math.log(4000) - best == pytest.approx(information, abs=0.01)


def test_the_prior_is_the_running_share_of_classes_seen_in_training() -> None:
    q, r, prior, _ = worlds(1000)
    criterion = InfoNCE(similarity=LatentClass(prior=True, momentum=0.5), candidates="cross").build(4)
    views = Views((), torch.arange(1000))
    for _ in range(6):
        criterion((q, r), (q, r), views)
    torch.testing.assert_close(criterion.metric.share.double(), prior, atol=0.03, rtol=0)
    kept = criterion.metric.share.clone()
    criterion.eval()((q, r), (q, r), views)
    assert torch.equal(criterion.metric.share, kept)
