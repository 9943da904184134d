"""The page about the laboratory: its commands can be given, and its table has every option of the published program."""

import re
import shlex
from pathlib import Path

import pytest

from kontrast import methods
from kontrast.cli.laboratory import NUMBERS, WORDS, read_seeds
from kontrast.experiment import Experiment
from kontrast.similarities import Cosine, Lp

PAGE = (Path(__file__).parents[2] / "docs" / "inversion.md").read_text()
COMMANDS = re.findall(r"^\$ kontrast (theory|lab) (\w+)(.*)$", PAGE, re.MULTILINE)
OPTIONS = """
    sphere-r box-min box-max sphere-norm box-norm only-supervised only-unsupervised more-unsupervised save-dir
    num-eval-batches seed act-fct c-param m-param tau n-mixing-layer n space-type m-p c-p lr p batch-size n-log-steps
    n-steps resume-training rej-mult
"""


def rows():
    table = PAGE.split("## Every option of main_mlp.py")[1].split("The laws, as density")[0]
    return [re.split(r"(?<!\\)\|", line)[1:4] for line in table.splitlines() if line.startswith("| ") and "`" in line]


def experiment(method, words):
    """The experiment of these arguments, after those of the laboratory were read."""
    fields = []
    for word in words:
        name, _, value = word.partition("=")
        if name == "seeds":
            assert read_seeds(value)
        elif name in NUMBERS:
            assert int(value) > 0
        elif name not in WORDS:
            fields.append(word)
    return methods.get(method).read(fields)


def test_there_are_commands():
    assert len(COMMANDS) == PAGE.count("$ kontrast") >= 8


@pytest.mark.parametrize(("command", "method", "words"), COMMANDS)
def test_commands_can_be_given(command, method, words):
    given = shlex.split(words)
    assert isinstance(experiment(method, given), Experiment)
    assert command == "lab" or not any(word.startswith(("out=", "seeds=", "only=")) for word in given)


def test_every_option_has_its_place():
    named = [re.findall(r"--([a-z-]+)", left) for left, _, _ in rows()]
    assert sorted({option for options in named for option in options}) == sorted(OPTIONS.split())
    for options, (_, here, differs) in zip(named, rows(), strict=True):
        assert here.strip() or differs.strip(), options


SPANS = [span for _, here, _ in rows() for span in re.findall(r"`([^`]+)`", here)]


@pytest.mark.parametrize("span", SPANS)
def test_what_stands_for_an_option_can_be_written(span):
    assert isinstance(experiment("cl_ica", shlex.split(span)), Experiment)


def test_the_preset_is_the_published_configuration():
    made = methods.get("cl_ica")()
    assert (made.batch, made.steps, made.optimizer.rate, made.dim) == (6144, 300_003, 1e-4, 10)
    assert made.pairing.similarity == made.objective.similarity == Lp(p=2)
    assert made.pairing.temperature == pytest.approx(2 * 0.05**2)
    objective = made.objective
    assert (objective.candidates, objective.own, objective.alpha, made.pairing.symmetric) == (
        "anchors",
        True,
        0.5,
        False,
    )
    assert type(made.space).__name__ == "Euclidean"
    with_cosine = experiment("cl_ica", ["data.space=Sphere", "pairing.similarity=Cosine"])
    assert with_cosine.pairing.similarity == Cosine()
