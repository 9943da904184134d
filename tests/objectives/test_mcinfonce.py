import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kontrast.directional import samples, unit, von_mises_fisher
from kontrast.draws import generator
from kontrast.objectives import InfoNCE, MCInfoNCE, mcinfonce
from kontrast.similarities import Cosine
from kontrast.spaces import Simplex, Sphere, VonMisesFisher
from kontrast.views import Views

from golden import LABELS, A, B, C

KEY = torch.arange(6)


def drawn(objective: MCInfoNCE, views: list[Tensor], step: int = 0) -> tuple[list[Tensor], torch.Generator]:
    """The draws of each view, in the order in which the objective takes them, and the generator after that."""
    rng = generator(objective.seed, "mcinfonce", step=step)
    return [samples(unit(x), x.norm(dim=1), objective.samples, rng) for x in views], rng


def naive(objective: MCInfoNCE, x: Tensor, y: Tensor, key: Tensor) -> Tensor:
    """The definition, one pair of partners and one draw at a time; the keys are in order."""
    (v, w), rng = drawn(objective, [x, y])
    n, k = len(x), 1 / objective.temperature
    shifts = list(range(1, n))
    if objective.negatives is not None:
        shifts = (1 + torch.randperm(n - 1, generator=rng)[: objective.negatives]).tolist()
    total = []
    for i in range(n):
        others = [(i + shift) % n for shift in shifts if key[(i + shift) % n] != key[i]]
        of_partners = []
        for p in (p for p in range(n) if key[p] == key[i]):
            ratios = []
            for s in range(objective.samples):
                far = sum((torch.exp(k * v[s, i] @ w[s, m]) for m in others), torch.tensor(0.0, dtype=x.dtype))
                if objective.averaged:
                    far = far / max(1, len(others))
                for t in range(objective.samples):
                    near = torch.exp(k * v[s, i] @ w[t, p])
                    ratios.append(near / (near + far))
            of_partners.append(-torch.stack(ratios).mean().log())
        total.append(torch.stack(of_partners).mean())
    return torch.stack(total).mean()


@pytest.mark.parametrize("negatives", [None, 1, 3, 5])
@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
@pytest.mark.parametrize("mean", [False, True])
def test_value_and_gradient_equal_the_definition(negatives: int | None, key: Tensor, mean: bool) -> None:
    objective = MCInfoNCE(samples=3, negatives=negatives, temperature=0.3, averaged=mean)
    order = mcinfonce._order(A, key)
    x, y, key = 6 * A[order], 6 * B[order], key[order]
    ours, theirs = ([z.clone().requires_grad_() for z in (x, y)] for _ in range(2))
    loss, reference = objective(*ours, key).total, naive(objective, *theirs, key)
    torch.testing.assert_close(loss, reference, rtol=1e-10, atol=1e-12)
    gradients, expected = torch.autograd.grad(loss, ours), torch.autograd.grad(reference, theirs)
    for gradient, other in zip(gradients, expected, strict=True):
        assert other.abs().max() > 1e-4
        torch.testing.assert_close(gradient, other, rtol=1e-8, atol=1e-10)


def test_strips_of_rows_are_no_other_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, x = MCInfoNCE(samples=4), (6 * A).requires_grad_()
    whole = objective(x, 6 * B, LABELS).total
    (expected,) = torch.autograd.grad(whole, x)
    monkeypatch.setattr(mcinfonce, "STRIP", 50)
    parts = objective(x, 6 * B, LABELS).total
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(parts, x)[0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("key", [KEY, LABELS], ids=["index", "label"])
@pytest.mark.parametrize("negatives", [None, 2])
def test_the_order_of_the_batch_changes_nothing(key: Tensor, negatives: int | None) -> None:
    objective = MCInfoNCE(samples=3, negatives=negatives)
    order = torch.tensor([3, 5, 0, 1, 4, 2])
    loss, other = objective(9 * A, 9 * B, key), objective(9 * A[order], 9 * B[order], key[order])
    torch.testing.assert_close(loss.total, other.total, rtol=1e-12, atol=1e-12)
    assert loss.measures.keys() == other.measures.keys()


@pytest.mark.parametrize("mean", [False, True])
def test_certain_posteriors_give_infonce(mean: bool) -> None:
    """Cross-view InfoNCE, or that whose M negatives weigh 1/M."""
    logits = unit(A) @ unit(B).T / 0.5
    near, far = logits.diagonal(), logits.masked_fill(torch.eye(6, dtype=torch.bool), -torch.inf).logsumexp(1)
    limit = functional.softplus(far - math.log(5) * mean - near).mean()
    if not mean:
        plain = InfoNCE(similarity=Cosine(), temperature=0.5, candidates="cross")(A, B, KEY).total
        torch.testing.assert_close(limit, plain)
    objective = MCInfoNCE(temperature=0.5, samples=30, averaged=mean)
    found = [objective(kappa * unit(A), kappa * unit(B), KEY) for kappa in (1e1, 1e3, 1e5, 1e9)]
    gaps = [abs(loss.total - limit).item() for loss in found]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.05
    assert gaps[-1] < 1e-4


def test_few_draws_make_the_loss_too_high() -> None:
    """The logarithm of a mean of few is too low on average; a mean of all is the limit."""

    def average(samples: int) -> float:
        losses = [MCInfoNCE(samples=samples, seed=seed)(9 * A, 9 * B, KEY).total for seed in range(30)]
        return torch.stack(losses).mean().item()

    assert average(1) > average(4) + 0.05 > average(40) + 0.06


def test_true_concentrations_are_the_minimum_unless_negatives_are_averaged() -> None:
    """Pairs of a known world: latents vMF(., k) of each other, each seen through a posterior of known concentration."""
    k, dim, n = 20.0, 3, 300
    rng = generator(0, "world")
    z = unit(torch.randn(n, dim, generator=rng))
    kappas = [8 * 8 ** torch.rand(n, generator=rng) for _ in range(2)]
    means = [
        von_mises_fisher(each, kappa, rng) for each, kappa in zip((z, von_mises_fisher(z, k, rng)), kappas, strict=True)
    ]

    def loss(multiple: float, mean: bool) -> float:
        objective = MCInfoNCE(temperature=1 / k, samples=48, averaged=mean)
        x, y = (multiple * kappa[:, None] * mu for mu, kappa in zip(means, kappas, strict=True))
        return objective(x, y, torch.arange(n)).total.item()

    low, true, high = (loss(multiple, mean=False) for multiple in (0.5, 1.0, 2.0))
    assert true < low - 0.02
    assert true < high - 0.02
    assert loss(2.0, mean=True) < loss(1.0, mean=True) - 0.005


def test_the_gradient_is_that_of_the_expectation() -> None:
    """Along kappa, by differences of means over many draws."""
    directions = unit(A[:3]), unit(B[:3])

    def loss(scale: Tensor, samples: int, seed: int) -> Tensor:
        objective = MCInfoNCE(temperature=0.5, samples=samples, negatives=2, seed=seed)
        return objective(8 * scale * directions[0], 8 * scale * directions[1], KEY[:3]).total

    with torch.no_grad():
        low, high = (
            torch.stack([loss(torch.tensor(scale), 1000, seed) for seed in range(8)]).mean() for scale in (0.8, 1.25)
        )
    scale = torch.tensor(1.0, requires_grad=True)
    slopes = [torch.autograd.grad(loss(scale, 500, seed), scale)[0] for seed in range(8)]
    # In log(scale) the difference is central.
    expected = (high - low) / (2 * math.log(1.25))
    assert abs(expected) > 0.02
    torch.testing.assert_close(torch.stack(slopes).mean().double(), expected, rtol=0.1, atol=0)


def test_views_share_their_draws_and_all_ordered_pairs_count() -> None:
    objective = MCInfoNCE(samples=4)
    views = Views((), KEY, asking=(0, 1, 2), answering=(0, 1, 2))
    three = tuple(9 * z for z in (A, B, C))
    draws, _ = drawn(objective, list(three))
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    partners = mcinfonce._Partners.of(KEY)
    terms = [objective._loss(draws[i], draws[j], partners, None, 1 / objective.temperature) for i, j in pairs]
    torch.testing.assert_close(objective.agree(three, three, views).total, torch.stack(terms).mean())


def test_views_that_are_one_tensor_are_drawn_from_apart() -> None:
    x = 20 * unit(A)
    loss = MCInfoNCE(samples=64)(x, x, KEY)
    assert -loss.parts["alignment"] < 19
    assert loss.total > 0.05


def test_parts_add_up_and_measures_are_what_they_say() -> None:
    loss = MCInfoNCE()(9 * A, 9 * B, KEY)
    torch.testing.assert_close(loss.parts["alignment"] + loss.parts["uniformity"], loss.total)
    torch.testing.assert_close(loss.measures["concentration"], (9 * A).norm(dim=1).mean())
    nearest = (unit(A) @ unit(B).T).argmax(1)
    assert loss.measures["accuracy"] == (nearest == KEY).double().mean()
    assert loss.total > 0


def test_training_draws_afresh_and_evaluation_repeats() -> None:
    views = Views((), KEY)
    seen = (9 * A, 9 * B)
    criterion = MCInfoNCE(samples=2).build(4)
    first, second = (criterion(seen, seen, views).total for _ in range(2))
    plain = criterion.objective.agree(seen, seen, views).total
    assert first == plain != second
    state = {name: value.clone() for name, value in criterion.state_dict().items()}
    third = criterion(seen, seen, views).total
    again = MCInfoNCE(samples=2).build(4)
    again.load_state_dict(state)
    assert again(seen, seen, views).total == third
    again.eval()
    fourth, same = (again(seen, seen, views).total for _ in range(2))
    assert fourth == same != third
    assert again.train()(seen, seen, views).total == fourth
    assert MCInfoNCE(samples=2, seed=1).agree(seen, seen, views).total != plain


def test_the_temperature_comes_down_over_the_first_steps() -> None:
    """Its inverse rises in proportion to the steps of training; a plain function has no steps."""
    views, seen = Views((), KEY), (9 * A, 9 * B)
    objective = MCInfoNCE(temperature=0.1, warmup=4)
    assert objective.agree(seen, seen, views).total == MCInfoNCE(temperature=0.1).agree(seen, seen, views).total
    criterion, plain = objective.build(4), MCInfoNCE(temperature=0.1)
    for step in range(6):
        expected = plain.estimate(seen, seen, views, 10 * min(1, (step + 1) / 4), step).total
        torch.testing.assert_close(criterion(seen, seen, views).total, expected)


def test_nothing_global_is_drawn_from() -> None:
    before = torch.get_rng_state()
    MCInfoNCE(negatives=2)(9 * A, 9 * B, KEY)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_learned_temperature_starts_at_its_own_and_moves() -> None:
    views, seen = Views((), KEY), (9 * A.float(), 9 * B.float())
    criterion = MCInfoNCE(temperature=0.2, learn_temperature=True).build(4)
    loss = criterion(seen, seen, views)
    torch.testing.assert_close(loss.total, MCInfoNCE(temperature=0.2).agree(seen, seen, views).total)
    assert loss.measures["temperature"].item() == pytest.approx(0.2)
    loss.total.backward()
    ((name, parameter),) = criterion.named_parameters()
    assert name == "log_temperature"
    higher, lower = (MCInfoNCE(temperature=0.2 * math.exp(h)).agree(seen, seen, views).total for h in (1e-2, -1e-2))
    assert parameter.grad.item() == pytest.approx(((higher - lower) / 2e-2).item(), rel=1e-2)


def test_numbers_of_half_the_length_are_widened() -> None:
    loss = MCInfoNCE()(9 * A.bfloat16(), 9 * B.bfloat16(), KEY).total
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, MCInfoNCE()((9 * A.bfloat16()).float(), (9 * B.bfloat16()).float(), KEY).total)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_that_is_not_finite_makes_the_loss_none(value: float) -> None:
    x = (9 * A).clone()
    x[2, 1] = value
    assert MCInfoNCE()(x, 9 * B, KEY).total.isnan()


def test_where_there_is_nothing_to_tell_apart_the_loss_is_zero() -> None:
    for key, negatives in itertools.product((KEY[:1], torch.zeros(6, dtype=torch.int64)), (None, 2)):
        x = (9 * A[: len(key)]).requires_grad_()
        loss = MCInfoNCE(negatives=negatives)(x, 9 * B[: len(key)], key).total
        assert loss == 0
        loss.backward()
        assert x.grad is not None
        assert (x.grad == 0).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0.0}, r"objective\.temperature=0\.1"),
        ({"samples": 0}, r"objective\.samples=16"),
        ({"negatives": 0}, r"objective\.negatives=32"),
        ({"warmup": -1}, r"objective\.warmup=100"),
    ],
)
def test_it_says_what_to_write_instead(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MCInfoNCE(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("space", [Sphere(), Simplex()])
def test_spaces_without_concentration_are_refused(space: Sphere | Simplex) -> None:
    MCInfoNCE().check(VonMisesFisher())
    with pytest.raises(ValueError, match="write space=VonMisesFisher"):
        MCInfoNCE().check(space)


def test_more_negatives_than_there_are_is_refused() -> None:
    MCInfoNCE(negatives=5).check_batch(6, 4)
    with pytest.raises(ValueError, match=r"objective\.negatives=5"):
        MCInfoNCE(negatives=6).check_batch(6, 4)
    assert MCInfoNCE(negatives=9)(9 * A, 9 * B, KEY).total == MCInfoNCE(negatives=5)(9 * A, 9 * B, KEY).total
    with pytest.raises(ValueError, match="one answer and one key"):
        MCInfoNCE()(A, B[:4], KEY)
