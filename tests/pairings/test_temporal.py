"""Temporal: the law of the gaps, their ends, and rows of several processes."""

from collections import Counter
from dataclasses import dataclass, replace

import chz
import numpy as np
import pytest
import torch
from scipy import stats

from kontrast.datasets import Digits, Holding, Masks, Sprites, Stored, Subset, Table
from kontrast.datasets.stores import Held
from kontrast.draws import Draws
from kontrast.pairings import Temporal
from kontrast.views import Things

LENGTHS = (2, 7, 4, 1, 12)


@dataclass(frozen=True)
class Films(Stored):
    """Row n of all frames shows the number n; they are named backwards."""

    lengths: tuple[int, ...] = LENGTHS

    @property
    def shape(self):
        return (1,)

    def read(self, split):
        return self.hold(split).things()

    def hold(self, split):
        count = sum(self.lengths)
        shown = torch.arange(count, dtype=torch.float32)[:, None]
        sequence = torch.arange(len(self.lengths)).repeat_interleave(torch.tensor(self.lengths))
        return Holding(Held(shown), torch.arange(count).flip(0), None, None, sequence)


STARTS = [
    first + t for first, length in zip(np.cumsum(LENGTHS) - LENGTHS, LENGTHS, strict=True) for t in range(length - 1)
]
LAST = dict(zip(STARTS, np.repeat(np.cumsum(LENGTHS) - 1, np.array(LENGTHS) - 1), strict=True))


def pairs(pairing, steps, **draws):
    source = pairing.open(Films())
    for step in range(steps):
        drawn = Draws(draws.get("seed", 0), step, len(STARTS))
        views = pairing(source.batch(drawn), source, drawn)
        yield from zip(*(view[:, 0].long().tolist() for view in views.views), strict=True)


def naive(start, gap, max_gap, clipped):
    """The probability of a pair, given its first frame."""
    room = LAST[start] - start
    if not clipped:
        return (gap <= min(max_gap, room)) / min(max_gap, room)
    return sum(min(u, room) == gap for u in range(1, max_gap + 1)) / max_gap


def test_every_frame_but_the_last_is_a_start_equally_often():
    source = Temporal().open(Films())
    assert source.anchors.tolist() == STARTS
    assert source.count == len(STARTS)
    assert Counter(start for start, _ in pairs(Temporal(max_gap=3), 5)) == dict.fromkeys(STARTS, 5)


@pytest.mark.parametrize("clipped", [True, False])
@pytest.mark.parametrize("max_gap", [1, 3, 20])
def test_the_law_of_the_gaps_is_the_declared_one(max_gap, clipped):
    found = Counter(pairs(Temporal(max_gap=max_gap, clipped=clipped), 600))
    worst = 1.0
    for start in STARTS:
        gaps = range(1, LAST[start] - start + 1)
        expected = np.array([naive(start, gap, max_gap, clipped) for gap in gaps])
        counted = np.array([found.pop((start, start + gap), 0) for gap in gaps])
        assert counted.sum() == 600
        assert not counted[expected == 0].any()
        if (expected > 0).sum() > 1:
            worst = min(worst, stats.chisquare(counted[expected > 0], 600 * expected[expected > 0]).pvalue)
    assert not found
    assert worst > 1e-4


def test_clipped_and_fitting_gaps_differ_at_the_end_alone():
    shares = {}
    for clipped in (True, False):
        found = Counter(pairs(Temporal(max_gap=3, clipped=clipped), 400))
        near = LAST[2] - 2  # two frames before the last one of the second film
        shares[clipped] = found[near, near + 2] / 400
    assert shares[True] == pytest.approx(2 / 3, abs=0.1)
    assert shares[False] == pytest.approx(1 / 2, abs=0.1)


def test_gaps_change_from_epoch_to_epoch_and_with_the_seed():
    pairing = Temporal(max_gap=5)
    assert set(pairs(pairing, 1)) != set(list(pairs(pairing, 2))[len(STARTS) :])
    assert set(pairs(pairing, 1)) != set(pairs(pairing, 1, seed=1))


def test_the_number_of_processes_changes_no_pair():
    pairing, source = Temporal(max_gap=4), Temporal().open(Films())
    whole = Draws(3, 5, 8)
    every = pairing(source.batch(whole), source, whole)
    parts = [
        pairing(source.batch(draws), source, draws) for draws in (replace(whole, rank=k, ranks=4) for k in range(4))
    ]
    for number in (0, 1):
        assert torch.equal(torch.cat([part.views[number] for part in parts]), every.views[number])
    assert torch.equal(torch.cat([part.key for part in parts]), every.key)


def test_the_first_asks_or_both_do():
    source, draws = Temporal().open(Films()), Draws(0, 0, 4)
    first, both = (Temporal(symmetric=both)(source.batch(draws), source, draws) for both in (False, True))
    assert (first.asking, first.answering, both.asking, both.answering) == ((0,), (1,), (0, 1), (0, 1))
    assert all(torch.equal(x, y) for x, y in zip(first.views, both.views, strict=True))


def test_films_stay_films_where_some_rows_are_left_out():
    some = Subset(of=Masks(sequences=12, length=6.0), fraction=0.5, balanced=False, seed=1)
    source, draws = Temporal(max_gap=2).open(some), Draws(0, 0, 8)
    views = Temporal(max_gap=2)(source.batch(draws), source, draws)
    rows = {
        row.numpy().tobytes(): int(film) for row, film in zip(source.things.observations, source.sequence, strict=True)
    }
    assert [rows[row.numpy().tobytes()] for row in views.views[0]] == [
        rows[row.numpy().tobytes()] for row in views.views[1]
    ]


@pytest.mark.parametrize("data", [Digits(), Subset(of=Digits(), fraction=0.5)])
def test_pictures_are_no_films(data):
    with pytest.raises(ValueError, match=r"has no films.*write data=Masks"):
        Temporal().open(data)
    source = data.open("train")
    with pytest.raises(ValueError, match="has no films"):
        Temporal()(source.batch(Draws(0, 0, 4)), source, Draws(0, 0, 4))


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="Sprites has no films"):
        Temporal().check(Sprites())
    with pytest.raises(ValueError, match="two frames"):
        Temporal().open(Films((1, 1, 1)))
    with pytest.raises(ValueError, match="write max_gap=1"):
        Temporal(max_gap=0)
    assert isinstance(Temporal().open(Films((2,))), Table)
    assert chz.replace(Temporal(), max_gap=2) == Temporal(max_gap=2)
    assert isinstance(Films().read("train"), Things)
