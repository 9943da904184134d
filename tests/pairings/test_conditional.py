"""Pairs near each other among stored rows."""

from dataclasses import replace

import chz
import numpy as np
import pytest
import torch
from scipy import stats

from kontrast.datasets import Digits, Nearest, Sprites, nearest
from kontrast.draws import Draws
from kontrast.pairings import Conditional, realized
from kontrast.similarities import Cosine, Lp
from kontrast.views import Factor

from formats_pairs import _Crossed, _Points

NEAR = Conditional(similarity=Lp(p=2), temperature=0.01)


def test_the_second_view_is_the_row_nearest_to_the_draw():
    table = NEAR.open(_Points())
    draws = Draws(3, 2, 64)
    things = table.batch(draws)
    views = NEAR(things, table, draws)
    drawn = NEAR.partner(things.latents, table, draws)
    away = (drawn - table.latents[:, None])[..., :3].abs()
    away[..., 2] = torch.minimum(away[..., 2], 6 - away[..., 2])
    distance = (away / torch.tensor([2.0, 2.0, 6.0])).square().sum(-1)
    distance[drawn[None, :, 3] != table.latents[:, None, 3]] = torch.inf
    distance[things.index, torch.arange(64)] = torch.inf
    assert torch.equal(views.views[1], table.latents[distance.argmin(0)])
    assert (views.views[1] != views.views[0]).any(1).all()
    assert torch.equal(views.views[1][:, 3], views.views[0][:, 3])


def test_steps_are_the_same_in_any_order_and_for_rows_of_a_probe():
    table = NEAR.open(_Points())
    first = {step: NEAR(table.batch(Draws(0, step, 32)), table, Draws(0, step, 32)) for step in (0, 1, 2, 8, 9)}
    for step in (9, 2, 1):
        again = NEAR.open(_Points())
        draws = Draws(0, step, 32)
        assert torch.equal(NEAR(again.batch(draws), again, draws).views[1], first[step].views[1])
    things = next(table.chunks(40, 40))
    assert NEAR(things, table, Draws(0, 0, 40)).views[1].shape == (40, 4)


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_shares_of_processes_are_the_pairs_of_one(ranks):
    for step in (0, 1, 6):
        table = NEAR.open(_Points())
        whole = NEAR(table.batch(Draws(1, step, 32)), table, Draws(1, step, 32))
        parts = []
        for rank in range(ranks):
            draws = Draws(1, step, 32, rank, ranks)
            parts.append(NEAR(table.batch(draws), table, draws).views[1])
        assert torch.equal(torch.cat(parts), whole.views[1])


def test_a_row_alone_in_its_class_is_its_own_partner():
    dataset = _Points(count=5, seed=1)
    table = NEAR.open(dataset)
    kinds = table.latents[:, 3]
    alone = [row for row in range(5) if (kinds == kinds[row]).sum() == 1]
    assert alone
    draws = Draws(0, 0, 5)
    things = table.batch(draws)
    same = (NEAR(things, table, draws).views[1] == things.observations).all(1)
    assert {int(row) for row in things.index[same]} == set(alone)


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="Digits does not know its latents"):
        NEAR.check(Digits())
    with pytest.raises(ValueError, match="draws from a sphere"):
        Conditional(similarity=Cosine()).check(_Points())
    NEAR.check(_Points())
    NEAR.check(Sprites(size=16))


def test_the_realized_law_of_a_dense_grid_is_nearly_the_nominal_one():
    found = realized(Conditional(similarity=Lp(p=2), temperature=0.02), _Points(count=20_000).open("train"), n=4000)
    for spread in found.spreads[:2]:
        assert spread.drawn == pytest.approx(0.2 * 0.97, abs=0.015)  # sigma .1 of a range of 2, truncated
        assert spread.shown == pytest.approx(spread.drawn, rel=0.1)
    angle, kind = found.spreads[2:]
    assert angle.drawn == pytest.approx(0.6, rel=0.05)
    assert angle.drawn_kurtosis == pytest.approx(0, abs=0.3)
    assert kind == ("kind", 0.0, None, 0.0, None)
    assert found.same == 0 and found.hits < 0.05 and found.distance < 0.05


def test_the_realized_law_of_few_rows_is_wider():
    found = realized(Conditional(similarity=Lp(p=2), temperature=0.0002), _Points(count=40).open("train"), n=500)
    assert found.ratio() > 3
    assert found.hits > 0.8


def as_published(count, queries, dim, noise, seed=0):
    """z is uniform on [-1, 1]^dim, z' near it; both are shown by nearest rows, z' by the second where they are one."""
    draw = np.random.default_rng(seed)
    points = draw.uniform(-1, 1, (count, dim))
    search = Nearest(torch.from_numpy(points), [1.0] * dim)
    z = draw.uniform(-1, 1, (queries, dim))
    anchors = search(torch.from_numpy(z)).rows[:, 0]
    found = search(torch.from_numpy(z + noise(draw, z.shape)), 1, anchors)
    moved = points[found.rows[:, 0].numpy()] - points[anchors.numpy()]
    return found.hit.double().mean().item(), moved.std(), stats.kurtosis(moved, axis=0).mean()


def normal(draw, shape):
    return 0.1 * draw.standard_normal(shape)


def laplace(draw, shape):
    return draw.laplace(scale=0.1, size=shape)


def test_normal_and_laplace_become_nearly_the_same_among_250_000_rows():
    hits, spread, kurtosis = as_published(250_000, 1500, 10, normal)
    assert hits == pytest.approx(0.39, abs=0.03)
    assert spread == pytest.approx(0.263, abs=0.005)
    assert kurtosis == pytest.approx(0.0, abs=0.15)
    hits, spread, kurtosis = as_published(250_000, 1500, 10, laplace)
    assert hits == pytest.approx(0.265, abs=0.03)
    assert spread == pytest.approx(0.277, abs=0.005)
    assert kurtosis == pytest.approx(0.2, abs=0.2)  # 3 as it was drawn


def test_anchors_beside_a_uniform_draw():
    table = _Points(count=3000).open("train")
    generator = torch.Generator().manual_seed(0)
    found = NEAR.loose(table, 2000, generator)
    assert torch.equal(nearest(table)(found.center).rows[:, 0], found.anchors)
    assert not torch.equal(table.latents[found.anchors], found.center)
    assert (found.anchors != found.rows).all()
    assert stats.kstest((found.center[:, 0] + 1).numpy() / 2, "uniform").pvalue > 1e-3


@chz.chz
class _Classes(_Crossed):
    @property
    def factors(self):
        return (Factor("kind", "discrete", high=1.0, size=2),)


def test_a_grid_of_classes_alone_has_nothing_near():
    with pytest.raises(ValueError, match="knows classes alone"):
        NEAR.check(_Classes())


def test_a_batch_has_the_partners_of_its_step():
    table = NEAR.open(_Points())
    draws = Draws(0, 0, 16)
    one = NEAR.step(table, draws)
    two = NEAR.step(table, replace(draws, step=1))
    assert not torch.equal(one.rows, two.rows)
    assert torch.equal(NEAR(table.batch(draws), table, draws).views[1], table.latents[one.rows])
