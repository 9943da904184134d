"""How certain an embedding is: what its space says of it, and what passes with dropout say."""

import math

import numpy as np
import pytest
import torch
from rich.console import Console
from scipy.stats import spearmanr
from torch import Tensor

from kontrast import Run, train
from kontrast.directional import unit, von_mises_fisher
from kontrast.draws import generator
from kontrast.encoders import Conv, ResidualMlp
from kontrast.heads import Linear
from kontrast.model import Student
from kontrast.objectives import InfoNCE, MCInfoNCE
from kontrast.similarities import LatentClass
from kontrast.spaces import Simplex, Sphere, VonMisesFisher
from kontrast.views import Views

from small import digits

QUIET = Console(quiet=True)
SPACES = {
    Sphere: {},
    Simplex: {"objective": InfoNCE(similarity=LatentClass(), candidates="cross", temperature=1.0)},
    VonMisesFisher: {"objective": MCInfoNCE(samples=4)},
}
DROPPING = {"encoder": Conv(width=4, batch_norm=True, dropout=0.3), "head.dropout": 0.3}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A short run in each space, with dropout."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        space: train(digits(steps=20, space=space(), **DROPPING, **options), folder / space.__name__, console=QUIET)
        for space, options in SPACES.items()
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A short run without dropout."""
    out = tmp_path_factory.mktemp("runs") / "plain"
    return train(digits(steps=5, space=Simplex(), **SPACES[Simplex]), out, console=QUIET)


def test_embeddings_come_with_the_concentration_of_their_space(runs):
    for space, run in runs.items():
        features = run.encode("test", "embedding")
        assert features.spread is None
        if space is Sphere:
            assert features.concentration is None
            continue
        z = torch.from_numpy(features.values)
        np.testing.assert_allclose(features.concentration, space().concentration(z).numpy(), rtol=1e-4, atol=1e-5)
        assert features.concentration.std() > 0
        assert run.encode("test").concentration is None
        assert run.encode("test", "raw").concentration is None


def passes(run: Run, samples: int, layer: str) -> Tensor:
    """What each pass gives [samples, n, d], by hooks that make dropout's masks from the same seeds."""
    from kontrast.draws import derive

    student, found = run.student(), []
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.train()
    things = next(run.experiment.data.open("test").chunks(450))
    for sample in range(samples):
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(derive(run.experiment.seed, "dropout", sample, 0))
            f = student.features(things.observations)
            found.append(student.embed(f) if layer == "embedding" else f)
    return torch.stack(found).double()


@pytest.mark.parametrize("layer", ["feature", "embedding"])
@pytest.mark.parametrize("space", SPACES)
def test_passes_with_dropout_are_averaged(space, layer, runs):
    run = runs[space]
    features = run.encode("test", layer, samples=5)
    z = passes(run, 5, layer)
    np.testing.assert_allclose(features.values, z.mean(0).numpy(), rtol=1e-4, atol=1e-5)
    assert not np.allclose(features.values, run.encode("test", layer).values)
    if layer == "embedding" and space is Simplex:
        entropy = torch.special.entr(z).sum(-1)
        total = torch.special.entr(z.mean(0)).sum(-1)
        certain, spread = math.log(8) - total, total - entropy.mean(0)
    else:
        directions, length = z / z.norm(dim=-1, keepdim=True), torch.ones(len(z), z.shape[1])
        if layer == "embedding" and space is VonMisesFisher:
            kappa = z.norm(dim=-1).numpy()
            from scipy.special import ive

            length = torch.from_numpy(ive(4, kappa) / ive(3, kappa))
        mean = (length[..., None] * directions).mean(0).norm(dim=-1)
        certain = mean * (z.shape[2] - mean**2) / (1 - mean**2).clamp_min(1e-6)
        spread = 1 - mean / length.mean(0)
    np.testing.assert_allclose(features.concentration, certain.numpy(), rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(features.spread, spread.numpy(), rtol=2e-3, atol=1e-5)
    assert (features.spread >= 0).all()
    assert features.spread.max() > 1e-4


def test_scores_repeat_and_nothing_global_is_touched(runs):
    run = runs[Simplex]
    before = torch.get_rng_state()
    first = run.encode("test", "embedding", samples=3)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = Run(run.path).encode("test", "embedding", samples=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_rng_state(before)
    for name in ("values", "concentration", "spread"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    more = run.encode("test", "embedding", samples=4)
    assert not np.array_equal(first.values, more.values)


def test_chunks_drop_out_apart(runs):
    """The first rows of two chunks do not share their masks."""
    from kontrast.passes import Passes

    run = runs[Sphere]
    things = next(run.experiment.data.open("test").chunks(50))
    encode = Passes(run.student(), "feature", 2, run.experiment.seed)
    assert not torch.equal(encode(things, 0)[0], encode(things, 1)[0])
    assert torch.equal(encode(things, 0)[0], encode(things, 0)[0])


def test_batch_statistics_stay_what_they_were(runs):
    from kontrast.passes import Passes

    run = runs[Sphere]
    student = run.student()
    Passes(student, "embedding", 2, 0)(next(run.experiment.data.open("test").chunks(50)), 0)
    assert all(torch.equal(value, run.student().state_dict()[name]) for name, value in student.state_dict().items())
    kinds = {type(module).__name__: module.training for module in student.modules()}
    assert kinds["Dropout"]
    assert not kinds["BatchNorm2d"]


def test_an_untrained_network_with_dropout_repeats(runs):
    run = runs[Sphere]
    before = torch.get_rng_state()
    first = run.encode("test", untrained=True, samples=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(first.values, run.encode("test", untrained=True, samples=2).values)
    assert first.spread.max() > 0


def test_passes_that_agree_have_a_bounded_concentration():
    from kontrast.passes import NARROWEST, Passes

    student = Student(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(1e-12)), torch.nn.Identity(), Sphere(), 3
    )
    from kontrast.views import Things

    things = Things(torch.randn(4, 3, generator=generator(0)), torch.arange(4))
    _, certain, spread = Passes(student.eval(), "embedding", 3, 0)(things, 0)
    torch.testing.assert_close(certain, torch.full((4,), 2 / NARROWEST), rtol=1e-4, atol=0)
    assert (spread < 1e-6).all()


@pytest.mark.parametrize(
    ("layer", "samples", "said"),
    [
        ("feature", 0, "write samples=16"),
        ("feature", 2, r"encoder\.dropout=0\.3, or write samples=1"),
        ("embedding", 2, "nothing drops out before the embedding"),
        ("raw", 2, "nothing drops out before the raw"),
    ],
)
def test_passes_that_mean_nothing_are_refused(layer, samples, said, plain):
    with pytest.raises(ValueError, match=said):
        plain.encode("test", layer, samples=samples)


def test_dropout_of_the_head_says_nothing_of_features(tmp_path):
    run = train(digits(steps=2, **{"head.dropout": 0.5}), tmp_path / "run", console=QUIET)
    with pytest.raises(ValueError, match="before the feature"):
        run.encode("test", samples=2)
    assert run.encode("test", "embedding", samples=2, limit=20).spread.max() > 0


def test_draws_go_on_where_a_checkpoint_left_them(tmp_path):
    from kontrast.checkpoints import load, save
    from kontrast.training.trainer import Trainer

    experiment = digits(steps=4, space=VonMisesFisher(), objective=MCInfoNCE(samples=2), online=False)
    whole, first, second = (Trainer(experiment, torch.device("cpu")) for _ in range(3))
    losses = [whole.advance()[0].total.item() for _ in range(4)]
    for _ in range(2):
        first.advance()
    second.restore(load(save(tmp_path, 2, first.tensors(), {})))
    assert [second.advance()[0].total.item() for _ in range(2)] == losses[2:]
    assert int(second.model.criterion.step) == 4


DIM, PAIRS, LOW, HIGH = 3, 20.0, 8.0, 64.0


def world(n, rng):
    """Two views of n latents: posterior directions [n, d] and concentrations [n], which are their posteriors exactly.

    A latent is uniform on the sphere and its partner von Mises-Fisher around it. What is seen of either is a direction
    mu that is von Mises-Fisher around it with a concentration kappa of its own, and kappa. As latents are uniform and
    the density of mu around z is that of z around mu, p(z | mu, kappa) = vMF(mu, kappa).
    """
    z = unit(torch.randn(n, DIM, generator=rng))
    found = []
    for latent in (z, von_mises_fisher(z, PAIRS, rng)):
        kappa = LOW * (HIGH / LOW) ** torch.rand(n, generator=rng)
        found.append((von_mises_fisher(latent, kappa, rng), kappa))
    return found


def observed(mean, kappa, mixing):
    """What an encoder is shown: direction and log-concentration, mixed by two layers of an invertible network."""
    x = torch.cat((mean * DIM**0.5, 2 * (kappa / LOW).log()[:, None] / math.log(HIGH / LOW) - 1), 1)
    for weight in mixing:
        x = torch.nn.functional.leaky_relu(x @ weight, 0.7)
    return x


@pytest.mark.slow
def test_posteriors_of_a_known_world_are_recovered():
    """Concentrations and directions, from pairs of mixed observations alone, in half a minute."""
    rng, space, n, steps = generator(0, "world"), VonMisesFisher(), 256, 400
    mixing = [torch.linalg.qr(torch.randn(DIM + 1, DIM + 1, generator=rng)).Q for _ in range(2)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder, features = ResidualMlp().build((DIM + 1,))
        student = Student(encoder, Linear().build(features, space.inputs(DIM)), space, DIM)
    criterion = MCInfoNCE(temperature=1 / PAIRS, warmup=100, samples=8).build(DIM)
    optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        seen = [observed(*each, mixing) for each in world(n, rng)]
        embedded = student(torch.cat(seen)).chunk(2)
        loss = criterion(embedded, embedded, Views((), torch.arange(n)))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        rate.step()
    mean, kappa = world(2000, generator(1, "world"))[0]
    with torch.no_grad():
        found = student(observed(mean, kappa, mixing))
    assert spearmanr(space.concentration(found), kappa).statistic > 0.9
    pairs = torch.triu_indices(500, 500, 1)
    cosines, others = ((x[:500] @ x[:500].T)[tuple(pairs)] for x in (mean, unit(found)))
    assert spearmanr(cosines, others).statistic > 0.97
    assert 0.6 < space.concentration(found).median() / kappa.median() < 1.5
