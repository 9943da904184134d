"""A run is a function of its experiment: bit for bit, however it was interrupted."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings

import pytest
import torch
from rich.console import Console

from kontrast import checkpoints, train
from kontrast.encoders import Conv
from kontrast.training import Interrupted, loop

from forked import Forked
from small import digits, latents

QUIET = Console(quiet=True)
COMMAND = (
    "import sys; sys.path.insert(0, sys.argv[1]); import torch; torch.set_num_threads(1); import small, kontrast; "
)
KILLED = {"resume": True, "save_seconds": 0.0, "threads": 1}


def fingerprint(run):
    return run.checkpoint().state["fingerprint"]


def subprocess_run(code, out, **environment):
    here = os.path.dirname(os.path.dirname(__file__))
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND + code, here, str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def dropping(**changes):
    return digits(encoder=Conv(width=4, dropout=0.3), **changes)


def accumulating(**changes):
    return dropping(micro=16, **changes)


@pytest.mark.parametrize("make", [digits, latents, dropping, accumulating])
def test_the_same_experiment_gives_the_same_parameters(make, tmp_path):
    torch.manual_seed(1)
    one = train(make(), tmp_path / "one", console=QUIET)
    torch.manual_seed(2)
    two = train(make(), tmp_path / "two", console=QUIET)
    other = train(make(seed=1), tmp_path / "other", console=QUIET)
    assert fingerprint(one) == fingerprint(two) != fingerprint(other)


@pytest.mark.parametrize("make", [digits, latents])
def test_the_online_probe_cannot_touch_the_encoder(make, tmp_path):
    with_probe = train(make(), tmp_path / "with", console=QUIET)
    without = train(make(online=False), tmp_path / "without", console=QUIET)
    assert fingerprint(with_probe) == fingerprint(without)


def test_two_processes_with_other_hash_seeds_agree(tmp_path):
    one = train(digits(), tmp_path / "one", threads=1, console=QUIET)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    process = subprocess_run(
        "kontrast.train(small.digits(), sys.argv[2], threads=1)", tmp_path / "two", PYTHONHASHSEED=seed
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    two = checkpoints.latest(tmp_path / "two" / "checkpoints")[0].state["fingerprint"]
    assert fingerprint(one) == two


@pytest.mark.parametrize(
    ("number", "make"), [(signal.SIGTERM, digits), (signal.SIGINT, digits), (signal.SIGTERM, accumulating)]
)
def test_a_signal_saves_and_the_run_goes_on_in_mid_epoch(number, make, tmp_path, monkeypatch):
    whole = train(make(), tmp_path / "whole", console=QUIET)
    advance = loop.Trainer.advance

    def interrupted(trainer):
        if trainer.step == 7:
            signal.raise_signal(number)
        return advance(trainer)

    monkeypatch.setattr(loop.Trainer, "advance", interrupted)
    with pytest.raises(Interrupted, match="step 8 of 12") as caught:
        train(make(), tmp_path / "cut", console=QUIET)
    assert caught.value.number == number
    monkeypatch.undo()
    resumed = train(make(), tmp_path / "cut", resume=True, console=QUIET)
    assert fingerprint(resumed) == fingerprint(whole)
    rows = [[json.loads(x) for x in (run.path / "metrics.jsonl").read_text().splitlines()] for run in (whole, resumed)]
    timing = {"images_per_second", "waiting"}
    assert [{k: v for k, v in row.items() if k not in timing} for row in rows[0]] == [
        {k: v for k, v in row.items() if k not in timing} for row in rows[1]
    ]


def test_signal_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    train(latents(steps=2), tmp_path / "run", console=QUIET)
    assert signal.getsignal(signal.SIGTERM) is before


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    run = train(latents(steps=3), tmp_path / "run", console=QUIET)
    before = {path: path.read_bytes() for path in run.path.rglob("*.safetensors")}
    train(latents(steps=3), tmp_path / "run", resume=True, console=QUIET)
    assert {path: path.read_bytes() for path in run.path.rglob("*.safetensors")} == before


def test_a_damaged_checkpoint_is_said_and_the_one_before_used(tmp_path):
    whole = train(digits(), tmp_path / "whole", console=QUIET)
    run = train(digits(), tmp_path / "run", save_seconds=0.0, console=QUIET)
    assert checkpoints.steps(run.path / "checkpoints") == [11, 12]
    tensors = run.path / "checkpoints" / "step-000000012" / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="sha256 differs"):
        resumed = train(digits(), run.path, resume=True, console=QUIET)
    assert fingerprint(resumed) == fingerprint(whole)


def test_resume_without_any_checkpoint_starts_anew_and_says_so(tmp_path):
    whole = train(latents(steps=3), tmp_path / "whole", console=QUIET)
    with pytest.warns(UserWarning, match="starting from the first step"):
        run = train(latents(steps=3), tmp_path / "run", resume=True, console=QUIET)
    assert fingerprint(run) == fingerprint(whole)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_ten_random_moments_it_ends_with_the_same_parameters(tmp_path):
    """SIGKILL, also while a checkpoint is being written (every step writes one), then resume."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = train(digits(steps=240), tmp_path / "whole", threads=1, console=QUIET)
    moments = random.Random(0)
    out = tmp_path / "killed"
    reached = []
    for number in range(10):
        process = Forked(train, digits(steps=240), out, **KILLED)
        target = 20 * number + moments.randrange(1, 20)
        deadline = time.monotonic() + 60
        while max(checkpoints.steps(out / "checkpoints"), default=0) < target and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(moments.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        reached.append(max(checkpoints.steps(out / "checkpoints")))
    assert len(set(reached)) == 10
    process = Forked(train, digits(steps=240), out, **KILLED)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    found, damaged = checkpoints.latest(out / "checkpoints")
    assert (found.step, damaged) == (240, [])
    assert found.state["fingerprint"] == fingerprint(whole)
    assert (
        hashlib.sha256((found.path / "tensors.safetensors").read_bytes()).hexdigest()
        == hashlib.sha256((whole.checkpoint().path / "tensors.safetensors").read_bytes()).hexdigest()
    )
