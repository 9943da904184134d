"""A sweep that is killed again and again ends with the same table as one that is left alone."""

import json
import random
import time
from dataclasses import replace

import pytest

from kontrast.studies import collect

from sweeps import kill, server, started, study

CELLS = 12


def over(out):
    """How many cells are done, by their records alone."""
    return sum('"done"' in path.read_text() for path in out.glob("*/seed-?.json"))


def untimed(results):
    """Results without what depends on the clock and the folder."""
    outcomes = tuple(replace(outcome, seconds=None) for outcome in results.outcomes)
    return replace(results, outcomes=outcomes, environment={}, title="")


@pytest.mark.slow
def test_a_sweep_killed_at_five_random_moments_ends_with_the_same_table(tmp_path):
    with server():
        _compare(tmp_path)


def _compare(tmp_path):
    whole, random_ = study(seeds=(0, 1, 2)), random.Random(0)
    one = started(whole, tmp_path / "left-alone")
    one.join(120)
    assert one.exitcode == 0
    out, hit = tmp_path / "killed", 0
    for turn in range(5):
        process, until = started(whole, out), 2 * turn + random_.randint(0, 2)
        while process.is_alive() and over(out) < until:
            time.sleep(0.01)
        time.sleep(random_.uniform(0.0, 0.4))
        hit += process.is_alive()
        kill(process, cells=turn % 2 == 0)
    last = started(whole, out)
    last.join(120)
    assert last.exitcode == 0 and hit >= 4
    expected, found = (collect(tmp_path / name) for name in ("left-alone", "killed"))
    assert expected.counted() == {"done": CELLS, "running": 0, "waiting": 0, "failed": 0}
    assert untimed(found) == untimed(expected)
    for outcome in expected.outcomes:
        left, right = (tmp_path / name / outcome.path for name in ("left-alone", "killed"))
        assert (left / "scores.json").read_bytes() == (right / "scores.json").read_bytes()
        states = [
            json.loads((max(run.glob("checkpoints/step-*")) / "state.json").read_bytes()) for run in (left, right)
        ]
        assert states[0] == states[1]
    assert len([*expected.columns]) > 1 and {outcome.steps for outcome in expected.outcomes} == {40}
