import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kontrast import methods
from kontrast.draws import Draws, Noise, derive, generator


def test_derived_seeds_are_pinned_across_machines_and_versions():
    assert derive(0, "model") == 5784575990485341678
    assert (
        torch.rand(1, generator=generator(0, "model")).item() == torch.rand(1, generator=generator(0, "model")).item()
    )
    assert derive(0, "a", "b") != derive(0, "b", "a")


def test_generated_numbers_are_pinned():
    expected = torch.tensor([7120338, 14564517, 6271829]) / 2**24
    assert torch.equal(torch.rand(3, generator=generator(0, "model")), expected)


def test_no_two_steps_share_a_generator():
    """32 bits of a hash would: among these 300,000 steps of seed 0 some 10 pairs would be the same."""
    seeds = {Draws(0, step, 1).generator("latents").initial_seed() for step in range(300_000)}
    assert len(seeds) == 300_000


def test_first_numbers_of_many_generators_never_agree_and_are_uniform():
    first = torch.stack(
        [torch.rand(2, generator=generator(0, "step", step=step), dtype=torch.float64) for step in range(5000)]
    )
    assert len(first[:, 0].unique()) == 5000
    assert stats.kstest(first[:, 0].numpy(), "uniform").pvalue > 1e-3
    assert abs(torch.corrcoef(first.T)[0, 1]) < 0.06


def test_numbers_of_one_generator_are_uniform_and_normal():
    made = generator(3, "t")
    assert stats.kstest(torch.rand(100_000, generator=made).numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(torch.randn(100_000, generator=made).numpy(), "norm").pvalue > 1e-3


def test_hashed_numbers_are_pinned():
    noise = Draws(seed=1, step=0, size=2).noise(torch.tensor([0, 1, 2]), 0, "view", 0)
    expected = torch.tensor([[13324787, 989696], [1631654, 9751570], [16559846, 6732221]]) / 2**24
    assert torch.equal(noise.uniform("crop", 2), expected)


@given(seed=st.integers(0, 2**40), step=st.integers(0, 500), size=st.integers(1, 20))
def test_every_epoch_goes_through_the_rows_once(seed, step, size):
    count = 45
    epoch, rows = Draws(seed, step, size).rows(count)
    assert epoch == step // (count // size)
    assert len(rows) == size
    start = epoch * (count // size)
    seen = torch.cat([Draws(seed, start + k, size).rows(count)[1] for k in range(count // size)])
    assert len(seen.unique()) == len(seen)


def test_epochs_differ_and_seeds_differ():
    rows = [Draws(seed, step, 30).rows(30)[1].tolist() for seed, step in [(0, 0), (0, 1), (1, 0)]]
    assert len({tuple(row) for row in rows}) == 3


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="larger than the 10 rows"):
        Draws(0, 0, 11).rows(10)


def test_noise_of_a_row_depends_on_seed_epoch_row_and_purpose_and_on_nothing_else():
    index = torch.arange(100)
    draws = Draws(seed=3, step=7, size=100)
    noise = draws.noise(index, 2, "view", 0).uniform("crop", 3)
    order = torch.randperm(100, generator=generator(0, "test"))
    assert torch.equal(draws.noise(index[order], 2, "view", 0).uniform("crop", 3), noise[order])
    assert torch.equal(Draws(3, 99, 5).noise(index, 2, "view", 0).uniform("crop", 3), noise)
    others = [
        Draws(4, 7, 100).noise(index, 2, "view", 0).uniform("crop", 3),
        draws.noise(index, 3, "view", 0).uniform("crop", 3),
        draws.noise(index, 2, "view", 1).uniform("crop", 3),
        draws.noise(index, 2, "view", 0).uniform("flip", 3),
        noise[:, [1, 2, 0]],
    ]
    for other in others:
        assert (other != noise).float().mean() > 0.99


def test_fewer_numbers_are_the_first_of_more():
    noise = Draws(0, 0, 1).noise(torch.arange(10), 0)
    assert torch.equal(noise.uniform("x", 2), noise.uniform("x", 5)[:, :2])


def test_hashed_numbers_are_uniform_and_uncorrelated():
    uniform = Draws(5, 0, 1).noise(torch.arange(200_000), 0).uniform("x", 4)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    for column in uniform.T:
        assert stats.kstest(column.numpy(), "uniform").pvalue > 1e-3
    off = torch.corrcoef(uniform.T) - torch.eye(4)
    assert off.abs().max() < 4 / 200_000**0.5 * 1.5
    neighbors = torch.corrcoef(torch.stack([uniform[:-1, 0], uniform[1:, 0]]))[0, 1]
    assert abs(neighbors) < 0.01


def test_hashed_normal_numbers_are_normal():
    normal = Draws(5, 0, 1).noise(torch.arange(100_000), 0).normal("x")[:, 0]
    assert normal.isfinite().all()
    assert stats.kstest(normal.numpy(), "norm").pvalue > 1e-3


def test_the_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    draws = Draws(0, 1, 4)
    draws.rows(10)
    draws.noise(torch.arange(3), 0).normal("x", 2)
    torch.rand(3, generator=draws.generator("y"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize(
    "words",
    [
        ["simclr", "data=Digits"],
        ["inversion", "data.dim=3"],
        ["inversion", "data.space=Box", "space=Box", "...similarity=Lp", "...dim=2", "pairing.temperature=0.5"],
    ],
)
def test_the_shares_of_all_processes_are_the_batch_of_one(words, ranks):
    made = methods.get(words[0]).read([*words[1:], "batch=32"])
    source = made.pairing.open(made.data)

    def views_of(draws):
        return made.pairing(source.batch(draws), source, draws)

    for step in (0, 3, 50):
        whole = views_of(Draws(5, step, 32))
        parts = [views_of(Draws(5, step, 32, rank, ranks)) for rank in range(ranks)]
        assert all(len(part.key) == 32 // ranks for part in parts)
        assert torch.equal(torch.cat([part.key for part in parts]), whole.key)
        for number, view in enumerate(whole.views):
            assert torch.equal(torch.cat([part.views[number] for part in parts]), view)


def test_shares_that_are_not_even_are_refused():
    with pytest.raises(ValueError, match="3 processes cannot share 32 rows evenly; write batch=33"):
        Draws(0, 0, 32, 0, 3)
    with pytest.raises(ValueError, match="none with the number 2"):
        Draws(0, 0, 32, 2, 2)


def test_the_largest_uniform_number_is_a_finite_normal_one(monkeypatch):
    monkeypatch.setattr(Noise, "uniform", lambda self, purpose, count=1: torch.tensor([[0.0, 0.5, 1 - 2.0**-24]]))
    found = Noise(torch.zeros(1, dtype=torch.int64)).normal("any", 3)
    assert found.isfinite().all()
    assert -6 < found[0, 0] < -5 < 5 < found[0, 2] < 6
