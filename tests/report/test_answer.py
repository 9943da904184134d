"""The sentence at the top."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import SPRITES, classification, sprites

from kontrast.report import answer
from kontrast.report.answer import recovered
from kontrast.scores import Score


def factors(*values, **floors):
    return [Score("Ridge", f"r2/{f.name}", v, **floors) for f, v in zip(SPRITES, values, strict=True)]


def said(scores, **changes):
    return answer(sprites(scores=scores, **changes))


def test_factors_and_their_mean():
    assert answer(sprites()) == (
        "Recovers 4 of 5 factors: scale, orientation, position x and position y, but not shape. "
        "Mean R² 0.97 against 0.54 untrained and 0.48 on raw pixels."
    )


def test_all_or_none_of_the_factors():
    assert said(factors(1, 1, 1, 1, 0.96)) == "Recovers all 5 factors. Mean R² 0.99."
    assert said(factors(0.1, 0.2, 0.1, 0, 0), pictures=None) == "Recovers none of 5 factors. Mean R² 0.08."


def test_accuracy():
    assert answer(classification()) == "Linear: accuracy 0.85 against 0.42 untrained and 0.40 on raw pixels."


def test_an_encoder_that_gained_nothing_is_told_so():
    scores = [Score("Linear", "accuracy", 0.4, untrained=0.4, raw=0.45, chance=0.1)]
    assert answer(classification(scores=scores)) == (
        "Linear: accuracy 0.40 against 0.40 untrained and 0.45 on raw pixels: "
        "no better than an untrained encoder or raw pixels."
    )
    lower_is_better = [Score("Collapse", "dead", 0.0, untrained=0.5)]
    assert answer(classification(scores=lower_is_better)) == "Collapse: dead 0.00 against 0.50 untrained."


def test_chance_stands_in_where_nothing_was_measured():
    scores = [Score("Linear", "accuracy", 0.8, chance=0.1)]
    assert answer(classification(scores=scores)) == "Linear: accuracy 0.80 against 0.10 chance."


def test_the_verdict_of_the_ladder_comes_first():
    protocol = "verdict affine: 4 of 5 factors, mean R^2 0.93; by factor: x affine; fitted on 8,000 rows"
    ladder = Score("Ladder", "rung/affine", 0.93, protocol=protocol)
    assert said([*factors(1, 1, 1, 1, 0), ladder]).startswith(
        "Recovers the factors up to an affine map: 4 of 5 factors, mean R² 0.93. Recovers 4 of 5 factors: shape"
    )
    several = replace(ladder, protocol=f"mean over seeds 0, 1, with the 95 % interval of Student's t; {protocol}")
    assert said([several]) == "Recovers the factors up to an affine map: 4 of 5 factors, mean R² 0.93."
    nothing = replace(ladder, protocol="verdict nothing: the best of 5 factors reaches R^2 0.01, p = 0.4")
    assert said([nothing]) == "No recovery that chance would not give: the best of 5 factors reaches R² 0.01, p = 0.4."


@pytest.mark.parametrize("protocol", ["verdict", "verdict magic: all", "verdict affine", "a verdict affine: x", ""])
def test_other_protocols_hold_no_verdict(protocol):
    assert said([Score("Linear", "accuracy", 0.5, protocol=protocol)]) == "Linear: accuracy 0.50."


def test_importances_are_no_recovery():
    rows = [Score("DCI", f"importance/{f.name}", 1.0) for f in SPRITES] + factors(0.1, 0.2, 0.1, 0, 0)
    assert said(rows).startswith("Recovers none of 5 factors.")


def test_without_scores():
    assert "not probed yet" in said([])


def test_many_factors_are_not_all_listed(sprites_record):
    names = [SPRITES[1]._replace(name=f"z{i}") for i in range(20)]
    latents = sprites_record.latents[:, :1].repeat(20, axis=1)
    scores = [Score("Ridge", f"r2/z{i}", 1.0 if i < 10 else 0.0) for i in range(20)]
    text = answer(replace(sprites_record, factors=names, latents=latents, scores=scores))
    assert "Recovers 10 of 20 factors: z0, z1, z2, z3, z4, z5 and 4 more, but not z10" in text


@given(st.floats(0, 0.99), st.floats(0, 1))
def test_recovery_starts_nine_tenths_above_the_floor(floor, share):
    row = Score("a", "accuracy/x", floor + (1 - floor) * share, null=floor, chance=floor / 2)
    if abs(share - 0.9) > 1e-9:
        assert recovered(row) == (share > 0.9)


@pytest.mark.parametrize(
    ("value", "chance", "expected"), [(0.95, 0.9, False), (0.995, 0.9, True), (0.91, None, True), (1.0, 1.0, True)]
)
def test_a_frequent_class_is_no_recovery(value, chance, expected):
    assert recovered(Score("a", "accuracy/x", value, chance=chance)) is expected
