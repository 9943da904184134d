"""`kontrast theory` and `kontrast lab` as a user types them."""

import json

import pytest

from kontrast.cli import main
from kontrast.cli.laboratory import read_seeds

SMALL = "data.dim=3 data.layers=1 encoder=Mlp encoder.widths=4,4 batch=64 steps=12"


def kontrast(words, capsys):
    status = main(words.split())
    shown = capsys.readouterr()
    return status, " ".join(shown.out.split()), " ".join(shown.err.split()), shown.out


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "lab"
    assert main(f"lab inversion {SMALL} seeds=0..1 limit=300 threads=1 out={out}".split()) == 0
    return out


def test_a_matched_experiment_is_explained(capsys):
    status, said, _, raw = kontrast(f"theory inversion {SMALL}", capsys)
    assert status == 0
    for words in ("up to rotation", "2102.08850", "violated nothing", "log of 64 candidates is 4.159", "-1.99573"):
        assert words in said
    assert max(map(len, raw.splitlines())) <= 80


def test_a_mismatched_experiment_is_warned_of(capsys):
    status, said, _, _ = kontrast(f"theory inversion {SMALL} objective.learn_temperature=False", capsys)
    assert status == 0
    assert "nothing is promised" in said
    assert "if nothing were violated, the latents up to rotation" in said
    assert "kappa=10 and the objective's law has 1" in said


def test_pictures_are_said_to_be_beyond_the_theory(capsys):
    status, said, _, _ = kontrast("theory simclr", capsys)
    assert status == 0
    assert "FashionMNIST are not known" in said


def test_the_laboratory_prints_its_table_and_keeps_its_numbers(out, capsys):
    words = f"lab inversion {SMALL} seeds=0,1 limit=300 threads=1 out={out}"
    status, said, notes, raw = kontrast(words, capsys)
    assert status == 0
    assert "trained already" in notes
    rows = [line.split()[0] for line in raw.splitlines() if line.strip()]
    order = [name for name in rows if name in ("identity", "untrained", "supervised", "unsupervised", "null")]
    assert order == ["identity", "untrained", "supervised", "unsupervised", "null"]
    assert "R² MCC CPU min wall min loss gap" in said
    assert "up to rotation" in said
    assert max(map(len, raw.splitlines())) <= 80
    kept = json.loads((out / "lab.json").read_text())["rows"]
    mean = sum(row["r2"] for row in kept if row["encoder"] == "unsupervised") / 2
    assert f"{mean:.3f} ±" in said


def test_a_run_is_compared_with_the_truth(out, capsys):
    status, said, _, _ = kontrast(f"theory {out / 'unsupervised-0'}", capsys)
    assert status == 0
    assert "above what the true latents have" in said
    status, said, _, _ = kontrast(f"theory {out / 'supervised-0'}", capsys)
    assert "told the latents" in said
    assert "no formula to compare it with" in said
    status, _, said, _ = kontrast(f"theory {out / 'supervised-0'} batch=3", capsys)
    assert (status, "leave out batch=" in said) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("theory", "say what to check"),
        ("theory inversoin", "did you mean 'inversion'"),
        ("theory inversion simclr", "say what to check"),
        ("theory inversion batsh=3", "did you mean 'batch'"),
        ("lab", "say which method"),
        ("lab simclr", "does not know its latents"),
        ("lab inversion seeds=a", "seeds=0,1,2"),
        ("lab inversion seeds=3..1", "seeds=0,1,2"),
        ("lab inversion seed=1", "write seeds=1"),
        ("lab inversion limit=few", "no whole number"),
        ("lab inversion limit=5", "at least 100 rows"),
        ("lab inversion compile=perhaps", "neither True nor False"),
        ("lab inversion only=both", "unsupervised, supervised"),
        ("lab inversion data.dim=1", "sphere"),
        ("lab inversion threads=0 steps=1 data.dim=2", "at least one thread"),
        ("lab inversion device=nowhere steps=1 data.dim=2", "no device"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err, _ = kontrast(words, capsys)
    assert status == 2
    assert said in err
    assert list(tmp_path.glob("runs/lab/*-0")) == []


def test_seeds_are_lists_or_spans():
    assert read_seeds("4") == (4,)
    assert read_seeds("0,2,9") == (0, 2, 9)
    assert read_seeds("2..4") == (2, 3, 4)
