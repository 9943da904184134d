import json
import signal
from contextlib import contextmanager

import pytest
import torch
from filelock import FileLock
from rich.console import Console

import kontrast
from kontrast import checkpoints, tiles, train
from kontrast.encoders import Conv
from kontrast.objectives import InfoNCE
from kontrast.training import NonFinite, loop, trainer
from kontrast.training.interrupts import Interrupts

from small import digits, latents

QUIET = Console(quiet=True)


def test_a_run_leaves_its_files(tmp_path):
    run = train(digits(), tmp_path / "a run with spaces, ünïcode", console=QUIET)
    names = {path.name for path in run.path.iterdir()}
    assert {"experiment.json", "environment.json", "metrics.jsonl", "checkpoints"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["threads"] == torch.get_num_threads()
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert {"loss", "loss/alignment", "loss/uniformity", "online/accuracy", "rate", "waiting", "epoch"} <= set(rows[0])
    assert run.experiment == digits()


def test_tensorboard_reads_the_events(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(latents(), tmp_path / "run", console=QUIET)
    events = EventAccumulator(str(run.path))
    events.Reload()
    losses = events.Scalars("loss")
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [event.step for event in losses] == [row["step"] for row in rows]
    assert [event.value for event in losses] == pytest.approx([row["loss"] for row in rows])


def test_the_rate_follows_the_schedule_in_closed_form(tmp_path):
    experiment = latents(steps=20)
    run = train(experiment, tmp_path / "run", console=QUIET)
    for line in (run.path / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["rate"] == experiment.optimizer.rate * experiment.schedule.factor(row["step"] - 1, 20)


def test_training_brings_the_loss_below_chance(tmp_path):
    run = train(latents(steps=150), tmp_path / "run", console=QUIET)
    last = json.loads((run.path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["loss"] < 4.0  # chance is log(127) = 4.84
    assert last["online/r2"] > 0.5


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("do not lose this")
    with pytest.raises(ValueError, match="is not empty"):
        train(latents(), tmp_path, console=QUIET)
    with pytest.raises(ValueError, match="no run"):
        train(latents(), tmp_path, resume=True, console=QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        train(latents(), tmp_path / "out", console=QUIET)


def test_another_experiment_is_refused_with_the_difference(tmp_path):
    train(latents(steps=2), tmp_path / "run", console=QUIET)
    changed = latents(steps=2, **{"objective.temperature": 0.2})
    with pytest.raises(ValueError, match=r"objective.temperature is 1.0 there and 0.2 here"):
        train(changed, tmp_path / "run", resume=True, console=QUIET)


def test_a_folder_in_use_is_refused(tmp_path):
    run = train(latents(steps=2), tmp_path / "run", console=QUIET)
    with FileLock(run.path / ".lock"), pytest.raises(ValueError, match="another process is writing"):
        train(latents(steps=2), run.path, resume=True, console=QUIET)


def test_what_cannot_run_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="larger than the"):
        train(digits(batch=5000), tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{}, {"micro": 16}, {"micro": 16, "accumulation": "plain"}])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_stops_before_the_update(what, changes, tmp_path, monkeypatch):
    before = []

    def poisoned(objective, asked, *others):
        loss = original(objective, asked, *others)
        if len(steps) == 5:
            before.append(checkpoints.fingerprint(trainers[0].model.state_dict()))
            spoil = torch.nan if what == "loss" else (asked[0] * 0).sum().sqrt()  # sqrt has an infinite slope at 0
            return loss._replace(total=loss.total + spoil)
        return loss

    original, advance = InfoNCE.contrast, loop.Trainer.advance
    steps, trainers = [], []

    def counted(trainer):
        trainers[:] = [trainer]
        steps.append(trainer.step)
        return advance(trainer)

    monkeypatch.setattr(InfoNCE, "contrast", poisoned)
    monkeypatch.setattr(loop.Trainer, "advance", counted)
    with pytest.raises(NonFinite, match=f"at step 4 the {what} is .*no parameter was changed"):
        train(latents(**changes), tmp_path / "run", console=QUIET)
    assert checkpoints.fingerprint(trainers[0].model.state_dict()) == before[0]


def test_the_last_good_checkpoint_survives_a_divergence(tmp_path, monkeypatch):
    advance = loop.Trainer.advance

    def diverges(trainer):
        if trainer.step == 6:
            raise NonFinite("at step 6 the loss is nan")
        return advance(trainer)

    monkeypatch.setattr(loop.Trainer, "advance", diverges)
    with pytest.raises(NonFinite):
        train(latents(), tmp_path / "run", save_seconds=0.0, console=QUIET)
    monkeypatch.undo()
    assert checkpoints.latest(tmp_path / "run" / "checkpoints")[0].step == 6
    assert train(latents(), tmp_path / "run", resume=True, console=QUIET).checkpoint().step == 12


def test_plain_lines_where_there_is_no_terminal(tmp_path, capsys):
    train(latents(steps=40), tmp_path / "run", console=Console(force_terminal=False, width=200))
    first, data, rate, *lines = capsys.readouterr().out.splitlines()
    assert first == "inversion: batch 64; 40 steps"
    assert data == "data: rendered as they are asked for, on cpu; network: float32 on cpu"
    assert rate.startswith("peak learning rate 0.0")
    assert len(lines) == 20
    assert lines[-1].startswith("step 40/40  loss ")
    for word in ("alignment", "uniformity", "online/r2", "images/s", "waiting for data", "left 0:00"):
        assert word in lines[-1]


def test_bfloat16_trains_and_keeps_parameters_in_float32(tmp_path):
    run = train(digits(precision="bfloat16", steps=4), tmp_path / "run", console=QUIET)
    assert {tensor.dtype for name, tensor in run.checkpoint().tensors.items() if "weight" in name} == {torch.float32}


def test_the_supervised_objectives_train(tmp_path):
    from kontrast import methods
    from kontrast.datasets import Digits

    experiment = methods.supervised(data=Digits(), encoder=Conv(width=8), batch=64, steps=60)
    run = kontrast.train(experiment, tmp_path / "labels", console=QUIET)
    last = json.loads((run.path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["batch/accuracy"] > 0.6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: latents(encoder=digits().encoder), "vectors"),
        (lambda: latents(**{"pairing.temperature": 1e-300}), "finite kappa"),
    ],
)
def test_parts_that_do_not_fit_are_found_before_the_folder_is_made(make, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        train(make(), tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()


def test_networks_that_do_not_take_the_views_are_found_before_the_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(Conv, "build", lambda encoder, shape: (torch.nn.Linear(3, 5), 5))
    with pytest.raises(ValueError, match="do not fit each other"):
        train(digits(), tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"device": "cuda:7"}, "write device=cpu"),
        ({"device": "foo"}, "no device"),
        ({"threads": 0}, "at least one thread"),
    ],
)
def test_places_that_are_not_there_are_refused(where, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        train(latents(), tmp_path / "run", console=QUIET, **where)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_written_down_is_refused(tmp_path):
    from kontrast.datasets import ImageFolder

    with pytest.raises(ValueError, match="cannot be written down"):
        train(digits(data=ImageFolder(root=tmp_path)), tmp_path / "run", console=QUIET)


def test_a_run_does_not_go_on_over_other_data_without_a_word(tmp_path, monkeypatch):
    run = train(digits(), tmp_path / "run", save_seconds=0.0, console=QUIET)
    seen = loop._seen
    monkeypatch.setattr(loop, "_seen", lambda trainer: {**seen(trainer), "rows": 7})
    with pytest.raises(ValueError, match=r"the data changed .* rows was 1347 and is 7"):
        train(digits(), run.path, resume=True, console=QUIET)


def test_other_conditions_are_said_and_the_first_ones_kept(tmp_path):
    run = train(latents(steps=2), tmp_path / "run", console=QUIET)
    path = run.path / "environment.json"
    began = {**json.loads(path.read_text()), "threads": 64}
    path.write_text(json.dumps(began))
    with pytest.warns(UserWarning, match="begun with threads 64"):
        train(latents(steps=2), run.path, resume=True, console=QUIET)
    assert json.loads(path.read_text()) == began


def test_a_compiled_criterion_is_recorded_and_a_change_of_it_said(tmp_path, monkeypatch):
    entered = []

    @contextmanager
    def compiled():
        entered.append("in")
        yield
        entered.append("out")

    monkeypatch.setattr(tiles, "compiled", compiled, raising=False)
    monkeypatch.setattr(trainer, "compile_networks", lambda model: entered.append("networks"))
    run = train(latents(steps=2), tmp_path / "run", compile=True, console=QUIET)
    assert entered == ["in", "networks", "out"]
    assert json.loads((run.path / "environment.json").read_text())["compiled"] is True
    with pytest.warns(UserWarning, match="begun with compiled True and goes on with False"):
        train(latents(steps=2), run.path, resume=True, console=QUIET)
    assert entered == ["in", "networks", "out"]


def test_without_a_compiler_nothing_is_written(tmp_path, monkeypatch):
    @contextmanager
    def compiled():
        raise ValueError("there is no compiler")
        yield

    monkeypatch.setattr(tiles, "compiled", compiled, raising=False)
    with pytest.raises(ValueError, match="no compiler"):
        train(latents(), tmp_path / "run", compile=True, console=QUIET)
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_when_nobody_listens_any_more(tmp_path):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

        flush = write

        def isatty(self):
            return False

    run = train(latents(), tmp_path / "run", console=Console(file=Closed()))
    assert run.checkpoint().step == 12


def test_a_state_that_is_not_finite_is_never_saved(tmp_path, monkeypatch):
    advance = loop.Trainer.advance

    def poisoned(trainer):
        found = advance(trainer)
        if trainer.step == 6:
            next(trainer.model.parameters()).data.fill_(torch.nan)
        return found

    monkeypatch.setattr(loop.Trainer, "advance", poisoned)
    with pytest.raises(NonFinite, match=r"after step 6 .* not saved"):
        train(latents(), tmp_path / "run", save_seconds=0.0, console=QUIET)
    assert checkpoints.latest(tmp_path / "run" / "checkpoints")[0].step == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"save_seconds": float("nan")},
            "save_seconds is a number of seconds from 0 on, not nan; write save_seconds=60",
        ),
        ({"save_seconds": -1.0}, "save_seconds is a number of seconds from 0 on, not -1.0"),
        ({"wait_seconds": -1.0}, "wait_seconds is a positive number of seconds, not -1.0; write wait_seconds=600"),
        ({"wait_seconds": float("nan")}, "wait_seconds is a positive number"),
    ],
)
def test_times_that_mean_nothing_are_refused(options, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        train(latents(steps=1), tmp_path / "run", console=QUIET, **options)
    assert not (tmp_path / "run").exists()


def test_leaving_at_a_signal_is_no_error_on_the_command_line(tmp_path, monkeypatch, capsys):
    from kontrast.cli import main

    advance = loop.Trainer.advance
    monkeypatch.setattr(loop.Trainer, "advance", lambda self: (signal.raise_signal(signal.SIGTERM), advance(self))[1])
    words = ["data=Digits", "encoder=Conv", "encoder.width=4", "head.hidden=16", "batch=32", "steps=4", "online=False"]
    assert main(["train", "simclr", *words, f"out={tmp_path / 'run'}"]) == 128 + signal.SIGTERM
    said = capsys.readouterr().err
    assert "left: stopped at step 1 of 4" in said and "error" not in said


def test_processes_whose_torchrun_is_gone_are_asked_to_leave(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    alone = Interrupts()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    started = Interrupts()
    assert started.asked() == 0
    monkeypatch.setattr("os.getppid", lambda: 1)
    assert started.asked() == signal.SIGHUP
    assert alone.asked() == 0
