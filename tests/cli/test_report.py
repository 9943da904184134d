"""`kontrast report`: which page it writes for what."""

from __future__ import annotations

import json

import pytest

from kontrast.cli import main
from kontrast.studies import Axis, Study, grid


@pytest.mark.parametrize(
    "words",
    [[], ["a", "b", "c"], ["a", "out=x.html"], ["a", "b"], ["a", "b", "out=x.html", "seed=1"]],
)
def test_it_says_how_it_is_called(words, capsys):
    assert main(["report", *words]) == 2
    assert "kontrast report RUN RUN out=FILE.html" in " ".join(capsys.readouterr().err.split())


def test_a_study_that_has_not_begun_has_a_page(tmp_path, capsys):
    settings = grid(Axis.of("objective.temperature", "0.1", "0.5"))
    study = Study("What does temperature do?", "simclr", settings, seeds=(0, 1), command="kontrast sweep simclr")
    (tmp_path / "study.json").write_text(json.dumps(study.record()))
    assert main(["report", str(tmp_path)]) == 0
    said = capsys.readouterr().out.split("\n")
    assert said[:2] == ["No cell has a score yet: 4 waiting.", str(tmp_path / "report.html")]
    page = (tmp_path / "report.html").read_text()
    assert "What does temperature do?" in page
    assert "https://arxiv.org/abs/2002.05709" in page
    assert main(["report", str(tmp_path), f"out={tmp_path / 'docs' / 'temperature'}"]) == 0
    assert (tmp_path / "docs" / "temperature" / "report.html").read_text() == page


def test_a_folder_of_neither_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "is no run" in capsys.readouterr().err


def test_two_studies_are_no_two_runs(tmp_path, capsys):
    (tmp_path / "study.json").write_text("{}")
    for words in ([], [f"out={tmp_path / 'x.html'}"]):
        assert main(["report", str(tmp_path), str(tmp_path), *words]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "is a study" in said and f"kontrast report {tmp_path}" in said and "RUN RUN out=FILE.html" in said
