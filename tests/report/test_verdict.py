"""The answer of a study: one line that its numbers give, and no more than they give."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_results import similarities, study

from kontrast.report import conclude
from kontrast.report.verdict import besides
from kontrast.results import Outcome, Results
from kontrast.scores import Score


def of(values: dict[str, list[float]], metric: str = "accuracy", **given) -> Results:
    """Results of one axis from numbers: a list of values by seed for each level."""
    outcomes = tuple(
        Outcome((level,), seed, "", "done", (Score("Linear", metric, value, 0.5, chance=0.1),))
        for level, row in values.items()
        for seed, value in enumerate(row)
    )
    made = {"title": "t", "question": "q", "score": "", "baseline": (next(iter(values)),)}
    return Results(axes={"s": tuple(values)}, outcomes=outcomes, **(made | given))


def test_a_clear_difference_is_said_with_its_interval_and_p():
    text = conclude(of({"Cosine": [0.80, 0.81, 0.79], "Euclidean": [0.90, 0.912, 0.889]}))
    assert text.startswith("Linear accuracy is best with Euclidean: 0.900, where an untrained encoder has 0.500")
    assert "chance is 0.100" in text
    assert "from the baseline Cosine (0.800) by +0.100 [+0.099, +0.102] over 3 seeds" in text
    assert text.endswith("p\u00a0<.001 by Holm: better.")


def test_what_no_test_tells_apart_is_said_so():
    text = conclude(of({"Cosine": [0.80, 0.84, 0.76], "Euclidean": [0.82, 0.80, 0.81], "Dot": [0.7, 0.9, 0.6]}))
    assert "by Holm over 2 comparisons: not told apart." in text
    assert "better" not in text


def test_the_baseline_may_be_best():
    text = conclude(of({"Cosine": [0.90, 0.91, 0.92], "Dot": [0.70, 0.712, 0.719]}))
    assert text.startswith("No setting has a better Linear accuracy than the baseline Cosine: 0.910")
    assert "The next, Dot, differs from it by −0.200" in text
    assert text.endswith("worse.")


@pytest.mark.parametrize(("seeds", "said"), [(1, "over 1 seed, too few"), (2, "over 2 seeds, too few")])
def test_few_seeds_tell_nothing(seeds, said):
    made = similarities(seeds=seeds)
    assert said in conclude(made)
    assert " p" not in conclude(made).replace(" positive", "")
    assert "With" in " ".join(besides(made))


def test_less_is_better_of_errors():
    text = conclude(of({"Cosine": [0.5, 0.5, 0.5], "Dot": [0.2, 0.21, 0.22]}, "nll"))
    assert text.startswith("Linear NLL is best with Dot: 0.210")
    assert text.endswith("better.")


def test_a_score_that_is_neither_good_nor_bad_has_no_best():
    text = conclude(of({"Cosine": [30.0], "Dot": [60.0]}, "rankme"))
    assert text == "Linear rankme goes from 30.00 with Cosine to 60.00 with Dot."


def test_no_better_than_untrained_is_said():
    assert "so that it is no achievement" in conclude(of({"Cosine": [0.4], "Dot": [0.45]}))


def test_nothing_is_made_of_nothing():
    none = Results(
        "t", "q", {"s": ("a", "b")}, (Outcome(("a",), 0, "", "failed", why="x"), Outcome(("b",), 0, "", "waiting"))
    )
    assert conclude(none) == "No cell has a score yet: 1 waiting, 1 failed."
    assert besides(none) == ["1 of 2 cell failed and is left out of every mean."]
    assert conclude(Results("t", "q", {}, ())) == "No cell has a score yet: there is none."


def test_not_a_number_wins_nothing():
    nan = float("nan")
    text = conclude(of({"Cosine": [0.8, nan, 0.9], "Dot": [nan, nan, nan], "Lp": [0.7, 0.7, 0.7]}))
    assert text.startswith("Linear accuracy is best with Lp, of those with 3 seeds: 0.700")
    assert "from the baseline Cosine (0.850) by −0.150 over 2 seeds" in text
    assert "nan" not in text


def test_axes_are_weighed_against_each_other_and_failures_counted():
    made = study({"a": ("x", "y"), "b": ("1", "2", "4")}, [0.0, 0.05], failed=1)
    said = " ".join(besides(made))
    assert "The choice of each axis moves Linear accuracy: b by" in said
    assert "; seeds alone have a standard deviation of 0.00" in said
    assert "Over all else, b " in said
    assert "1 of 18 cell failed" in said
    assert "Settings have 2 to 3 seeds, and only those of 3 are ranked." in said


def test_a_score_that_is_not_there_is_stood_in_for():
    made = similarities(score="KNN k=20: accuracy")
    assert made.settled().score == "KNN: accuracy"
    assert "No column is called KNN k=20: accuracy; KNN accuracy stands for it." in " ".join(besides(made))
    assert similarities(score="Gone: gone").settled().score == "Linear: accuracy"


def test_few_lucky_seeds_do_not_win_and_are_named():
    nan = float("nan")
    made = of({"Cosine": [0.70, 0.71, 0.72], "Lp": [0.75, 0.76, 0.77], "Dot": [0.9, nan, nan]})
    assert conclude(made).startswith("Linear accuracy is best with Lp, of those with 3 seeds: 0.760")
    said = " ".join(besides(made))
    assert "only those of 3 are ranked; Dot has 0.900 over 1." in said
    assert "2 of the scores are no numbers and left out." in said
    lone = conclude(of({"Cosine": [0.70, 0.71, 0.72], "Dot": [0.9, nan, nan]}))
    assert lone.startswith("No setting of as many seeds has a better Linear accuracy than the baseline Cosine: 0.710")


def test_equal_settings_are_not_ranked():
    assert "is 0.800 with every setting" in conclude(of({"Cosine": [0.8] * 3, "Dot": [0.8] * 3}))
    text = conclude(of({"Cosine": [0.7, 0.71, 0.72], "Dot": [0.8, 0.81, 0.82], "Lp": [0.82, 0.81, 0.8]}))
    assert text.startswith("Linear accuracy is best with Dot and Lp: 0.810") and "The first differs" in text
    text = conclude(of({"Lp": [0.82, 0.8, 0.81], "Cosine": [0.81] * 3, "Dot": [0.7] * 3}, baseline=("Cosine",)))
    assert text.startswith("No setting has a better Linear accuracy than the baseline Cosine: 0.810")


def test_a_raw_input_that_is_better_makes_it_no_achievement():
    made = of({"Cosine": [0.8, 0.81, 0.82], "Dot": [0.7, 0.71, 0.69]})
    raw = tuple(replace(one, scores=tuple(replace(each, raw=0.95) for each in one.scores)) for one in made.outcomes)
    text = conclude(replace(made, outcomes=raw))
    assert "an untrained encoder has 0.500, the raw input has 0.950 and chance is 0.100, so that it is no" in text
