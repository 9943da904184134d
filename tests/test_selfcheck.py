"""The golden table: every line of it is a test, and one that is off makes the command fail."""

import pytest

from kontrast import selfcheck
from kontrast.cli.main import main
from kontrast.selfcheck import GOLDENS, Golden, metrics, outcomes


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_golden_value(golden):
    (outcome,) = outcomes([golden])
    assert not outcome.trouble
    assert outcome.computed == pytest.approx(golden.expected, abs=golden.tolerance, rel=0)
    assert outcome.ok


def test_names_are_unique_and_every_line_is_whole():
    assert len({golden.name for golden in GOLDENS}) == len(GOLDENS)
    for golden in GOLDENS:
        assert golden.source
        assert 0 < golden.tolerance < 1


def test_the_table_names_value_and_verdict(capsys):
    assert main(["selfcheck", "NT-Xent, temperature"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[-1] for line in out.splitlines()[1:3]] == ["ok", "ok"]
    assert "1.30516" in out
    assert "0.9277844" in out
    assert "2 of 2 ok" in out


def test_a_value_that_is_off_or_raises_fails_with_status_1(capsys, monkeypatch):
    def trouble():
        raise ZeroDivisionError("nothing to divide by")

    lines = (
        Golden("right", "here", 1.0, 0.1, lambda: 1.05),
        Golden("wrong", "here", 1.0, 0.1, lambda: 1.11),
        Golden("no number", "here", 1.0, 0.1, lambda: float("nan")),
        Golden("broken", "here", 1.0, 0.1, trouble),
    )
    assert [outcome.ok for outcome in outcomes(lines)] == [True, False, False, False]
    monkeypatch.setattr("kontrast.cli.selfcheck.GOLDENS", lines)
    assert main(["selfcheck"]) == 1
    seen = capsys.readouterr()
    assert seen.out.count("FAILED") == 3
    assert "ZeroDivisionError: nothing to divide by" in seen.out
    assert "3 of 4 golden values are off: wrong" in seen.err
    assert main(["selfcheck", "right"]) == 0


def test_a_name_that_is_none_is_said():
    assert main(["selfcheck", "nonsense"]) == 2
    assert selfcheck.GOLDENS is GOLDENS


def test_values_of_one_computation_are_computed_once():
    lines = [golden for golden in GOLDENS if golden.name.startswith("MIG of dSprites")]
    assert len(lines) == 6 and all(outcome.ok for outcome in outcomes(lines))
    assert metrics.gaps.cache_info().misses == 1
