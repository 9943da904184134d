"""The words of `kontrast sweep`: what they make, and what is refused before anything is trained."""

import subprocess
import sys

import pytest

from kontrast.cli import main
from kontrast.cli.sweeping import read_sweep
from kontrast.studies.guided import Guided


def levels(words):
    study, how = read_sweep(words.split())
    assert not how
    for cell in study.cells():
        study.experiment(cell)
    return [dict(setting.levels) for setting in study.settings]


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("simclr seed=0..1", [{}]),
        ("simclr batch=64,128", [{"batch": "64"}, {"batch": "128"}]),
        ("simclr batch=[64] seed=3", [{}]),
        ("simclr,byol", [{"method": "simclr"}, {"method": "byol"}]),
        ("simclr ...p=.5,1", [{"...p": ".5"}, {"...p": "1"}]),
        ("simclr encoder=Mlp encoder.widths=[4,4],[8]", [{"encoder.widths": "4,4"}, {"encoder.widths": "8"}]),
        ("simclr encoder=Mlp encoder.widths=[4,4] seed=0", [{}]),
        ("simclr pairing.recipe.crop.scale=[0.2,1] seed=0", [{}]),
        (
            "simclr objective.similarity=Cosine,Euclidean,Mahalanobis",
            [{"objective.similarity": name} for name in ("Cosine", "Euclidean", "Mahalanobis")],
        ),
        (
            "simclr batch=32,64 steps=5,9 head.dim=4,8 zip=batch+head.dim",
            [{"batch+head.dim": pair, "steps": steps} for pair in ("32+4", "64+8") for steps in "59"],
        ),
        (
            "simclr batch=64 seed=0..1 --each batch=32,16 steps=5",
            [{"change": change} for change in ("nothing", "batch=32", "batch=16", "steps=5")],
        ),
        (
            "simclr,byol batch=32 --each batch=16",
            [{"method": name, "change": to} for name in ("simclr", "byol") for to in ("nothing", "batch=16")],
        ),
        ("inversion data.seed={seed} batch=32,64", [{"batch": "32"}, {"batch": "64"}]),
    ],
)
def test_words_make_settings(words, made):
    assert levels(words) == made


def test_draws_are_the_same_for_every_method_and_change():
    words = "simclr,byol optimizer.rate=log:1e-4..1e-2 batch=32,64 samples=3 search_seed=5"
    found = levels(words)
    assert len(found) == 6
    drawn = [{name: one[name] for name in ("optimizer.rate", "batch")} for one in found]
    assert drawn[:3] == drawn[3:]
    assert levels(words.replace("samples=3", "samples=2"))[:2] == found[:2]
    assert levels(words.replace("search_seed=5", "search_seed=6")) != found
    pairs = levels("simclr batch=32,64,128 steps=5,6,7 zip=batch+steps samples=2")
    assert all(one["batch+steps"] in ("32+5", "64+6", "128+7") for one in pairs)


def test_a_search_is_read():
    drawn = "optimizer.rate=log:1e-4..1e-2 batch=32,64 search=optuna samples=12 at_once=3"
    study, how = read_sweep(f"simclr,byol {drawn} score=linear --each steps=5 seed=0..1".split())
    assert isinstance(study, Guided) and not how
    assert [*study.varied] == ["method", "change", "optimizer.rate", "batch"] == [*study.axes]
    assert (study.samples, study.at_once, study.search_seed, study.seeds) == (12, 3, 0, (0, 1))
    assert len(study.settings) == 10
    for setting in study.settings:
        assert setting.words.get("steps") == ("5" if setting.levels["change"] == "steps=5" else None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "say what to sweep"),
        ("simclr byol", "write simclr,byol"),
        ("simclr similarity", "say what to sweep"),
        ("simclr", "nothing varies; write a field with several values"),
        ("simclr batch=64 objective.temperature=[0.1]", "nothing varies"),
        ("simclr batch=32,64 objective.temperature=0.1-0.9", "with commas, as in objective.temperature=a,b,c"),
        ("simclr batch=32,64 objective.temperature=[0.1,0.5]", "with commas, as in objective.temperature=a,b,c"),
        ("simcrl batch=1,2", "did you mean 'simclr'"),
        ("simclr,simclr", "simclr twice"),
        ("simclr batch=64 batch=128", "batch= is given twice; write its values together"),
        ("simclr batch=64,64", "64 twice"),
        ("simclr batch=,", "empty place"),
        ("simclr seed=-1", "no whole number from 0 on"),
        ("simclr seed=0,0", "seed has 0 twice"),
        ("simclr seed=0.5..1.5", "write seed=0..4"),
        ("simclr batch=1..99999", "99,999 settings, more than 10,000"),
        ("simclr seed=0..20000", "20,001 cells, more than 10,000"),
        ("simclr steps=1..1000 batch=1..1000 epochs=1..1000", "1,000,000,000 settings, more than 10,000"),
        ("simclr batch=64,128 steps=5,6,7 zip=batch+steps", "as many of each, not 2 of batch and 3 of steps"),
        ("simclr batch=64,128 steps=5,6 zip=batch+batch", "different fields"),
        ("simclr batch=64,128 steps=5,6 zip=batch", "two or more"),
        ("simclr batch=64,128 steps=5,6 zip=batch+stepz", "did you mean 'steps'"),
        ("simclr batch=64,128 steps=5,6 zip=batch+steps,batch+steps", "no field with several values named 'batch'"),
        ("simclr zip=batch+steps", "write a=1,2 b=3,4 zip=a[+]b"),
        ("simclr --each", "--each has no change behind it"),
        ("simclr --each seed=0..2", "--each has no change behind it"),
        ("simclr --each batch=32 batch=64", "batch= is given twice"),
        ("simclr seed=0 --each batch=32 seed=1", "seed= is given twice"),
        ("simclr batch=32,64 --each batch=16", "batch and change both set batch"),
        ("simclr objective.temperature=log:0.1..0.9", "write|objective.temperature=log:0.1..0.9:5"),
        ("simclr batch=32,64 samples=0", "write a number from 1 to 10,000"),
        ("simclr batch=32,64 samples=99999", "write a number from 1 to 10,000"),
        ("simclr samples=5", "nothing varies that could be drawn"),
        ("simclr search=optuna", "nothing varies that could be searched"),
        ("simclr batch=32,64 search=optimal", "did you mean 'optuna'"),
        ("simclr batch=32,64 search_seed=3", "write samples=20 too"),
        ("simclr batch=32,64 samples=3 at_once=3", "write search=optuna too"),
        ("simclr batch=32,64 search=optuna at_once=0", "at least one setting at a time"),
        ("simclr batch=32,64 samples=2 --each batch=16", "batch is drawn and changed"),
        ("simclr pairing.recipe.crop.scale=0.2,1", r"write pairing.recipe.crop.scale=\[0.2,1\]"),
        ("simclr batch=32,64 baseline=foo", "no level named 'foo'"),
        ("simclr batch=32,64 baseline=batch=65", "did you mean '64'"),
        ("simclr batch=32,64 ask=knn,udr", "udr compares runs, and a cell is one run"),
        ("similarity samples=3", "a study has its own cells"),
        ("similarity --each batch=3", "leave out --each"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, said):
    with pytest.raises(ValueError, match=said):
        read_sweep(words.split())


def test_an_unknown_field_is_refused_before_anything_is_there(capsys, tmp_path):
    out = tmp_path / "study"
    assert main(["sweep", "simclr", "bach=64,128", f"out={out}"]) == 2
    assert "did you mean 'batch'" in capsys.readouterr().err
    for values in ("64,1", "1,64"):
        assert main(["sweep", "simclr", "data=Digits", f"batch={values}", f"out={out}"]) == 2
        assert "the cell batch=1 " in capsys.readouterr().err
    assert main(["sweep", "simclr", "data=Digits", "batch=64,128", "ask=knn", "score=foo", f"out={out}"]) == 2
    assert "no probe asked of these runs named 'foo'" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["simclr", "batch="], "batch= has no value"),
        (["simclr", "batch=32", "--each", "epochs="], "epochs= has no value"),
        (["similarty"], "did you mean 'similarity'"),
        (["simclrr", "batch=1,2"], "did you mean 'simclr'"),
    ],
)
def test_what_is_empty_or_misspelled_is_answered(words, said, tmp_path, capsys):
    assert main(["sweep", *words, f"out={tmp_path / 'study'}"]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "study").exists()


def test_a_study_takes_another_length_in_steps_or_in_epochs():
    assert read_sweep(["temperature", "steps=5"])[0].given["steps"] == "5"
    assert "epochs" not in read_sweep(["temperature", "steps=5"])[0].given
    assert "steps" not in read_sweep(["identifiability", "epochs=1"])[0].given


def test_fields_that_go_together_are_both_in_the_name():
    study, _ = read_sweep(["simclr", "batch=32,64", "objective.temperature=0.1,1", "zip=batch+objective.temperature"])
    assert [setting.label for setting in study.settings] == ["batch+temperature=32+0.1", "batch+temperature=64+1"]
    assert next(study.cells()).name == "batch+temperature=32+0.1/seed-0"


def test_the_command_that_repeats_a_study_does_not_try_again():
    assert read_sweep(["simclr", "batch=32,64", "again=True"])[0].command == "kontrast sweep simclr batch=32,64"


def test_another_sweep_in_the_folder_is_named_before_torch_is_there(tmp_path):
    code = (
        "import sys; from filelock import FileLock; from kontrast.cli.main import main\n"
        f"with FileLock({str(tmp_path / '.lock')!r}):\n"
        f"    status = main(['sweep', 'simclr', 'batch=32,64', 'out={tmp_path}'])\n"
        "sys.exit(status if 'torch' not in sys.modules else 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "another sweep is at work in" in done.stderr
