"""The benchmarks run, and print ratios."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kontrast.datasets import FashionMNIST

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))
TINY = {
    "augmentation": ["--sizes=32", "--rounds=1", "--batch=8", "--eager"],
    "losses": ["--quick"],
    "probes": ["--quick", "--rounds=1"],
    "recovery": ["--rows=400", "--dimensions=3"],
    "startup": ["--repeats=1"],
    "training": ["--steps=2", "--batch=16"],
}
INVERSION = ["--seeds=1", "--steps=4", "--budget=0.01", "--batch=64"]
QUICK = {"training"}


def run(path, **environment):
    return subprocess.run(
        [sys.executable, str(path), *(INVERSION if path.stem == "inversion" else TINY.get(path.stem, []))],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def ratios(shown):
    """The numbers in the column under the heading "ratio"."""
    heading, *lines = shown.splitlines()
    start, end = re.search(r"\bratio\b", heading).span()
    numbers = (number for line in lines for number in re.finditer(r"[\d,]+\.\d+", line))
    return [float(number[0].replace(",", "")) for number in numbers if start < number.end() <= end + 2]


def has_fashion_mnist():
    try:
        return bool(FashionMNIST().find(None))
    except FileNotFoundError:
        return False


def test_there_are_benchmarks():
    named = {"augmentation", "inversion", "losses", "probes", "recovery", "sprites", "startup", "training"}
    assert named <= {path.stem for path in BENCHMARKS}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem in QUICK else [pytest.mark.slow], id=path.stem)
        for path in BENCHMARKS
        if path.stem != "inversion"
    ],
)
def test_it_ends_well_and_prints_ratios(path):
    if path.stem == "training" and not has_fashion_mnist():
        pytest.skip("FashionMNIST is not on this machine")
    done = run(path)
    assert done.returncode == 0, done.stderr
    if done.stdout.startswith("skipped: renderer=blender"):
        pytest.skip("Blender is not on this machine")
    found = ratios(done.stdout)
    assert len(found) >= 2
    assert min(found) > 0


@pytest.mark.slow
def test_inversion_is_timed_beside_the_published_recipe():
    done = run(next(path for path in BENCHMARKS if path.stem == "inversion"))
    assert done.returncode == 0, done.stderr
    for name in ("box, Normal(.05), p = 2", "sphere, vMF(10), cosine", "box, Laplace(.05), p = 1"):
        assert name in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  inversion")]
    assert len(rows) == 3 and all(row[-2] == "4" for row in rows)
    assert done.stdout.count("published recipe") == 3


@pytest.mark.skipif(not has_fashion_mnist(), reason="FashionMNIST is not on this machine")
def test_without_torchvision_training_says_so_in_one_sentence(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise ModuleNotFoundError('No module named torchvision')\n")
    (training,) = (path for path in BENCHMARKS if path.stem == "training")
    done = run(training, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "pip install torchvision" in done.stderr
    assert len(done.stderr.splitlines()) == 1
