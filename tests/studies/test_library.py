"""The studies that come with kontrast, and studies in files of one's own."""

import pytest

from kontrast.results import Outcome, Results
from kontrast.scores import Score
from kontrast.studies import Study, read_study
from kontrast.studies.library import is_named, known, load
from kontrast.studies.records import write_study

FILE = """
from kontrast.studies import Axis, Study, grid

study = Study(
    question="Does the batch matter?",
    method="inversion",
    given={"steps": "5"},
    settings=grid(Axis.of("batch", 32, 64)),
    seeds=(0, 1),
    ask=("recovery",),
)
"""


def test_there_are_studies_of_what_the_sources_ask():
    assert {"similarity", "augmentation", "temperature", "identifiability", "labels"} <= set(known())


@pytest.mark.parametrize("name", known())
def test_every_study_can_be_made_and_says_how_to_read_it(name, tmp_path):
    study = load(name)
    assert study.title == name and study.question.endswith("?") and len(study.reading) > 80
    assert len(study.seeds) >= 3
    experiments = [study.experiment(cell) for cell in study.cells()]
    assert len({repr(each) for each in experiments}) == len(experiments) == len(study.seeds) * len(study.settings)
    for experiment in experiments[: len(study.settings)]:
        asked, _ = study.asked(experiment)
        assert asked.probes or asked.tunings
    names = [cell.name for cell in study.cells()]
    assert len({each.lower() for each in names}) == len(names)
    write_study(tmp_path, study)
    assert read_study(tmp_path) == study


def test_the_main_score_of_every_study_is_one_that_its_probes_give():
    for name in known():
        study = load(name)
        probe = study.score.partition(":")[0].split()[0].lower()
        assert probe in [word.partition("@")[0] for word in study.ask]


def test_a_file_is_a_study(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    assert is_named(str(path))
    study = load(str(path))
    assert (study.title, len([*study.cells()])) == ("mine", 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "has no study"),
        ("study = 3", "has no study"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("study = (", "cannot be run: SyntaxError"),
        ("raise SystemExit(3)", "cannot be run: SystemExit"),
    ],
)
def test_a_file_without_a_study_is_refused(tmp_path, text, said):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        load(str(path))


def test_a_study_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'similarity'"):
        load("similarty")
    with pytest.raises(ValueError, match="there is no file"):
        load(str(tmp_path / "none.py"))


def test_nothing_that_means_nothing_is_a_study():
    one = load("similarity")
    with pytest.raises(ValueError, match="no setting"):
        Study("?", "simclr", ())
    with pytest.raises(ValueError, match="seeds are different numbers"):
        Study("?", "simclr", one.settings, seeds=(0, 0))
    with pytest.raises(ValueError, match="no setting is the baseline"):
        Study("?", "simclr", one.settings, baseline={"similarity": "city block"})
    with pytest.raises(ValueError, match="two settings are called"):
        Study("?", "simclr", (*one.settings, one.settings[0]))


def test_results_choose_columns_by_their_beginning():
    with pytest.raises(ValueError, match="no cell of this study has scores"):
        Results("t", "?", {}, ()).chosen()


def test_a_column_is_known_without_the_options_of_its_probe():
    scores = (Score("Recovery layer=feature", "r2/x", 0.5), Score("Recovery layer=feature", "r2/mean", 0.4))
    results = Results("t", "?", {}, (Outcome((), 0, "a", scores=scores),), score="Recovery: r2/mean")
    assert results.chosen() == results.chosen("r2/mean") == "Recovery layer=feature: r2/mean"
    assert results.chosen("recovery") == "Recovery layer=feature: r2/x"
    with pytest.raises(ValueError, match="did you mean"):
        results.chosen("Recovery layer=feature: r2/y")
