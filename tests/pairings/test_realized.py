"""What is said of the law of pairs."""

import pytest
import torch

from kontrast.datasets import Digits, Sprites
from kontrast.pairings import Augmented, Conditional, Content, Neighbors, realized
from kontrast.pairings.realized import differences, sentence
from kontrast.similarities import Lp

from formats_pairs import _Crossed, _Points

NEAR = Conditional(similarity=Lp(p=1), temperature=0.05)


def test_angles_differ_by_the_shorter_way():
    factors = _Points().factors
    z, other = torch.tensor([[0.0, 0.0, 0.5, 0.0]] * 3), torch.tensor([[0.0, 0.0, a, 0.0] for a in (5.5, 3.0, 1.0)])
    assert differences(z, other, factors)[:, 2].tolist() == [-1.0, 2.5, 0.5]


def test_the_law_of_rendered_pairs_is_the_nominal_one():
    found = realized(NEAR, Sprites(size=16).open("train"), n=3000)
    assert found.hits is None and found.distance is None
    turned = next(spread for spread in found.spreads if spread.name == "orientation")
    assert turned.drawn == turned.shown == pytest.approx(0.05 * 2**0.5 * 6.2832, rel=0.06)
    assert turned.drawn_kurtosis == pytest.approx(3, abs=1)


def test_pairings_without_a_law_say_what_they_show():
    found = realized(Neighbors(), _Crossed().open("train"), n=500)
    assert [spread.drawn for spread in found.spreads] == [None] * 3
    kind, size, angle = found.spreads
    assert kind.shown == 0 and 0.2 < size.shown < 0.6 and 0.5 < angle.shown < 1.2
    assert found.ratio() is None


def test_one_line_is_said_of_stored_rows_alone():
    said = sentence(NEAR, _Points(count=100).open("train"))
    assert said.startswith("pairs: nearest rows, whose latents differ ")
    assert "% of the draws were nearest to the anchor itself" in said
    assert sentence(NEAR, Sprites(size=16).open("train")) is None
    assert sentence(Augmented(), Digits().open("train")) is None
    assert sentence(Content(style=("angle",)), _Crossed().open("train")) is not None


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="Digits does not know its latents"):
        realized(Augmented(), Digits().open("train"))
    with pytest.raises(ValueError, match="spread of 1 pairs"):
        realized(NEAR, _Points().open("train"), n=1)
    with pytest.raises(ValueError, match="leave out first"):
        realized(Neighbors(), _Crossed().open("train"), n=10, first="drawn")
