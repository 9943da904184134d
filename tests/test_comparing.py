import shutil
from dataclasses import replace

import chz
import pytest
from rich.console import Console

from kontrast import Run, probes, train
from kontrast.comparing import compare

from small import latents

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [train(latents(steps=40, seed=seed), folder / str(seed), console=QUIET) for seed in (0, 1)]


def test_runs_are_compared_on_the_same_rows(runs):
    consistency = probes.Consistency()
    found = compare(runs, consistency, limit=800)
    pairs = [[run.encode(split, "embedding", limit=800) for run in runs] for split in ("train", "test")]
    expected = consistency(*pairs)
    assert {row.metric: row.value for row in found.scores} == expected.values
    assert all(row.untrained is not None and row.seed is None and row.split for row in found.scores)
    assert all((run.path / "features").is_dir() for run in runs)


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    with pytest.raises(ValueError, match="give two or more"):
        compare(runs[:1], probes.Consistency())
    other = latents(steps=1)
    other = train(chz.replace(other, data=chz.replace(other.data, seed=5)), tmp_path / "other", console=QUIET)
    with pytest.raises(ValueError, match="trained on different data"):
        compare([runs[0], other], probes.Consistency())


def test_a_run_is_not_compared_with_itself(runs, tmp_path):
    with pytest.raises(ValueError, match="0 is given twice"):
        compare([runs[0], Run(runs[0].path / ".." / runs[0].path.name)], probes.Consistency(), limit=100)
    copy = Run(shutil.copytree(runs[0].path, tmp_path / "copy"))
    with pytest.raises(ValueError, match="have the same parameters"):
        compare([runs[0], copy], probes.Consistency(), limit=100)


def test_protocols_say_which_runs_of_which_rows_were_compared(runs, tmp_path):
    protocol = compare(runs[::-1], probes.UDR(), limit=100, cache=False).scores[0].protocol
    assert "run 0 is 1 (seed 1), run 1 is 0 (seed 0)" in protocol
    assert "at most 100 rows of each split" in protocol
    copies = [Run(shutil.copytree(run.path, tmp_path / run.path.name / "run")) for run in runs]
    other = chz.replace(runs[0].experiment.data, seed=7)
    row = compare(copies, probes.UDR(), data=other, limit=100, cache=False).scores[0]
    assert "run 0 is 0/run (seed 0), run 1 is 1/run (seed 1)" in row.protocol
    assert row.probe == "UDR data=Mixing(dim=3, layers=1, seed=7)"
    assert "other data: Mixing(dim=3, layers=1, seed=7)" in row.protocol


def test_rows_of_both_splits_are_refused(runs):
    train, test = ([run.encode(split, limit=100) for run in runs] for split in ("train", "test"))
    again = [replace(each, values=each.values.copy()) for each in train]
    for comparison in (probes.Consistency(), probes.UDR()):
        with pytest.raises(ValueError, match="the test rows overlap the training rows: 100 of 100 are rows of both"):
            comparison(train, again)
        assert comparison(train, test).values
