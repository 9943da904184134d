"""Pairs of one content in two styles."""

import chz
import numpy as np
import pytest
import torch
from scipy import stats

from kontrast.datasets import Digits, Mixing, Sprites
from kontrast.draws import Draws
from kontrast.pairings import Content, realized
from kontrast.similarities import Lp
from kontrast.spaces import Box
from kontrast.views import Things

from formats_pairs import _Crossed, _Points


def law(pairing, dataset, anchor, steps=400):
    """How often each row is the partner of one row."""
    table = pairing.open(dataset).among(torch.full((24,), anchor))
    counts = np.zeros(len(table.index), dtype=int)
    for step in range(steps):
        counts += np.bincount(pairing.step(table, Draws(0, step, 24)).rows.numpy(), minlength=len(counts))
    return counts


def test_styles_come_from_the_marginal_law_and_content_stays():
    # Row 5 is (kind 0, size 1.0, angle 1): size and angle are style, so that 11 other rows have its content.
    counts = law(Content(content=("kind",)), _Crossed(), 5)
    assert counts[5] == 0 and counts[12:].sum() == 0
    # The anchor's own share goes to the row beside it: in ranges, an angle of one quarter is .25, a size .5.
    beside = counts[[4, 6]].sum()
    others = np.delete(counts[:12], [4, 5, 6])
    expected = 9600 / 12
    assert stats.chisquare([*others, beside], [expected] * 9 + [3 * expected]).pvalue > 0.01


def test_each_style_changes_with_its_probability():
    counts = law(Content(content=("kind",), p=0.5), _Crossed(), 5).reshape(2, 3, 4)
    sizes, angles = counts[0].sum(1), counts[0].sum(0)
    # 1/2 + 1/2 1/3 stay as they are; where both do, an angle beside is shown instead.
    assert stats.chisquare(sizes, [1600, 6400, 1600]).pvalue > 0.01
    both = 9600 * (2 / 3) * (5 / 8)
    assert (
        stats.chisquare(
            [angles[1], angles[0] + angles[2], angles[3]], [9600 * 5 / 8 - both, 2 * 1200 + both, 1200]
        ).pvalue
        > 0.01
    )


def test_generative_data_render_the_change():
    dataset = Sprites(size=16)
    pairing = Content(style=("orientation", "x"), p=0.5)
    draws = Draws(0, 0, 4000)
    source = pairing.open(dataset)
    z = dataset.latents(draws)
    partner = pairing.partner(z, source, draws)
    names = [factor.name for factor in dataset.factors]
    kept = [k for k, name in enumerate(names) if name not in ("orientation", "x")]
    assert torch.equal(partner[:, kept], z[:, kept])
    turned, moved = (partner[:, names.index(name)] != z[:, names.index(name)] for name in ("orientation", "x"))
    table = [[int((turned == a).logical_and(moved == b).sum()) for b in (False, True)] for a in (False, True)]
    assert stats.chisquare(np.ravel(table), [1000] * 4).pvalue > 0.01
    new = partner[moved, names.index("x")]
    assert stats.kstest(new.numpy(), "uniform").pvalue > 1e-3


def test_styles_may_stay_near_the_old():
    dataset = Mixing(dim=3, space=Box(), layers=0)
    name = dataset.factors[2].name
    pairing = Content(style=(name,), similarity=Lp(p=2), temperature=0.0002)
    pairing.check(dataset)
    source, draws = pairing.open(dataset), Draws(0, 0, 2000)
    z = dataset.latents(draws)
    moved = (pairing.partner(z, source, draws) - z)[:, 2]
    assert moved.std().item() == pytest.approx(0.01, rel=0.1)


def test_content_off_a_grid_is_that_of_the_nearest_row():
    found = realized(Content(content=("x", "kind")), _Points(count=3000).open("train"), n=2000)
    x, y, _, kind = found.spreads
    assert x.shown < 0.1 < 0.7 < y.shown
    assert kind.shown == 0 == x.drawn
    assert found.same == 0


@chz.chz
class _Few(_Crossed):
    """Of the whole grid the first few rows, or none of it."""

    rows: int = chz.field(default=24)
    off: float = chz.field(default=0.0)

    def read(self, split):
        things = _Crossed().read(split)
        latents = things.latents[: self.rows] + torch.tensor([0.0, 1.0, 0.0]) * self.off * torch.rand(
            self.rows, 3, generator=torch.Generator().manual_seed(0)
        )
        return Things(latents, torch.arange(self.rows), 0, None, latents)


def test_rows_alone_in_their_content_are_no_anchors():
    # Of 9 rows the last one alone has size 1.5.
    pairing = Content(content=("size",))
    source = pairing.open(_Few(rows=9))
    assert source.anchors.tolist() == list(range(8))
    found = pairing.step(source, Draws(0, 0, 8))
    assert (found.rows != found.anchors).all()
    assert torch.equal(found.center[:, 1], source.latents[found.rows, 1])
    with pytest.raises(ValueError, match="no two rows of _Few have the same content"):
        Content(style=("angle",)).open(_Few(rows=1))


def test_what_has_a_grid_but_is_not_on_it_is_near():
    pairing = Content(content=("size", "kind"))
    source = pairing.open(_Few(off=0.05))
    found = pairing.step(source, Draws(0, 0, 24))
    assert (found.rows != found.anchors).all()
    assert ((found.center - source.latents[found.rows])[:, 1].abs() < 0.06).all()


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_shares_of_processes_are_the_pairs_of_one(ranks):
    pairing = Content(style=("angle",))
    for dataset in (_Crossed(), _Points()):
        table = pairing.open(dataset)
        whole = pairing(table.batch(Draws(1, 3, 8)), table, Draws(1, 3, 8)).views[1]
        parts = [Draws(1, 3, 8, rank, ranks) for rank in range(ranks)]
        assert torch.equal(torch.cat([pairing(table.batch(d), table, d).views[1] for d in parts]), whole)


@pytest.mark.parametrize(
    ("pairing", "dataset", "words"),
    [
        (Content(content=("x",)), Digits(), "Digits does not know its latents"),
        (Content(), _Points(), "say either what is content or what is style, as in pairing.content=x"),
        (Content(content=("x",), style=("y",)), _Points(), "say either"),
        (Content(content=("z",)), _Points(), "no latent of _Points named 'z'"),
        (Content(content=("x", "y", "angle", "kind")), _Points(), "some latents must be content and some style"),
        (Content(content=("z0",)), Mixing(dim=3), "latents in Sphere|no latent of Mixing"),
    ],
)
def test_what_cannot_be_is_refused(pairing, dataset, words):
    with pytest.raises(ValueError, match=words):
        pairing.check(dataset)


@pytest.mark.parametrize("option", [{"p": 0.0}, {"p": 1.5}, {"p": float("nan")}, {"temperature": 0.0}])
def test_options_are_sound(option):
    with pytest.raises(ValueError, match="write pairing"):
        Content(content=("x",), **option)
