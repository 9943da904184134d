"""The change of a representation under a known augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kontrast.augmentations import Blur, Flip, Recipe, Rotation
from kontrast.draws import Draws
from kontrast.probes import Change
from kontrast.probes.looking.change import alone
from kontrast.probes.looking.pair_similarity import cosine, partners
from kontrast.views import Features


def rows(n: int = 50, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def asked(before: np.ndarray, after: np.ndarray, **options):
    test = Features(before, extra={"changed": Features(after)})
    return Change(**options)(Features(rows(len(before), before.shape[1], 9)), test)


def test_the_default_is_the_mirror_image_of_every_picture():
    (encoding,) = Change().extra().values()
    assert list(encoding.change.steps()) == ["flip"]
    pictures = torch.randint(0, 256, (5, 1, 4, 4), dtype=torch.uint8)
    made = encoding.change(pictures, Draws(0, 0, 5).noise(torch.arange(5), 0, "change"))
    torch.testing.assert_close(made, pictures.flip(-1) / 255)


@pytest.mark.parametrize(("change", "slot"), [(Rotation(), "rotation"), (Blur(p=1.0), "blur"), (Flip(p=1.0), "flip")])
def test_any_one_augmentation_goes_alone(change, slot):
    recipe = alone(change)
    assert list(recipe.steps()) == [slot]
    assert getattr(recipe, slot) is change
    assert alone(recipe) is recipe
    whole = Recipe()
    assert Change(change=whole).extra()["changed"].change is whole


def test_the_scores_are_means_of_norms():
    before, after = rows(), rows(seed=1)
    found = asked(before, after, seed=3).values
    other = before[partners(50, 3)]
    assert found["l1"] == pytest.approx(np.abs(before - after).sum(1).mean())
    assert found["l2"] == pytest.approx(np.linalg.norm(before - after, axis=1).mean())
    assert found["l2/relative"] == pytest.approx(found["l2"] / np.linalg.norm(before - other, axis=1).mean())
    assert found["l1/relative"] == pytest.approx(found["l1"] / np.abs(before - other).sum(1).mean())
    assert found["cosine"] == pytest.approx(cosine(before, after).mean())
    assert found["cosine/others"] == pytest.approx(cosine(before, other).mean())


def test_from_invariant_to_as_far_as_any_other():
    same = asked(rows(), rows())
    assert (same.values["l1/relative"], same.values["l2/relative"]) == (0, 0)
    assert same.values["cosine"] == pytest.approx(1)
    far = asked(rows(500), rows(500, seed=1))
    low, high = far.interval["l2/relative"]
    assert low < 1 < high
    assert {line.name for line in far.panels[0].lines} == {"after flip", "to another row"}


@given(st.floats(0.01, 100), st.integers(0, 5))
def test_relative_change_knows_no_scale_and_no_rotation(scale, seed):
    before, after = rows(), rows(seed=1)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    one, two = asked(before, after), asked(scale * before @ turn, scale * after @ turn)
    for name in ("l2/relative", "cosine", "cosine/others"):
        assert two.values[name] == pytest.approx(one.values[name], rel=1e-10)


def test_one_point_has_a_warning():
    found = asked(np.ones((9, 3)), np.ones((9, 3)))
    assert found.values["l2/relative"] == 0
    assert "one point" in found.warnings["l2/relative"]
    assert asked(rows(), rows(seed=1)).warnings == {}


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="rows that were changed"):
        Change()(Features(rows()), Features(rows(seed=1)))
    with pytest.raises(ValueError, match="not \\(50, 6\\)"):
        asked(rows(), rows(50, 5))
    with pytest.raises(ValueError, match="NaN or infinite"):
        asked(rows(), np.full((50, 6), np.inf))
    with pytest.raises(ValueError, match="there is one"):
        Change().check(Features(np.ones((1, 2))))
    assert replace(Features(rows()), extra={}).extra == {}
