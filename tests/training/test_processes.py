"""Several processes train as one: the same batches, the same parameters, one folder, one end."""

import json
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from kontrast import train
from kontrast.checkpoints import latest, steps
from kontrast.run import Run
from kontrast.training.processes import first_node, seat

from forked import Forked
from together import QUIET, SAME, environment, finished, free_port, interpreter, pictures, started, stepped

TOLERANCE = 1e-5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("count", "start"), [(2, interpreter), (4, Forked)])
def test_any_number_of_processes_ends_with_the_same_parameters(count, start, tmp_path):
    with started(count, "compare", tmp_path, start=start) as here:
        statuses, said = finished(here, 500)
    assert statuses == [0] * count, said
    for number in range(count):
        same = json.loads((tmp_path / f"same-{number}-of-{count}.json").read_text())
        assert all(same.values()), same
    far = {}
    for name, make in SAME.items():
        found, expected = load_file(tmp_path / f"{name}.safetensors"), stepped(make).tensors()
        assert found.keys() == expected.keys()
        far[name] = {
            key: float((found[key].double() - value.double()).abs().max()) / max(1.0, float(value.abs().max()))
            for key, value in expected.items()
            if value.numel()
        }
    wrong = {name: {key: x for key, x in values.items() if x > TOLERANCE} for name, values in far.items()}
    assert not any(wrong.values()), json.dumps(wrong, indent=1)


def wait_for(condition, seconds=60.0):
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def rows_of(out):
    path = out / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def trained(count, out, changes=None, starter="torchrun", **options):
    """Processes that train into a folder."""
    return started(count, "train", out, json.dumps(changes or {}), json.dumps(options), starter=starter)


@pytest.mark.slow
def test_a_signal_to_any_process_stops_all_and_another_number_goes_on(tmp_path):
    changes = {"steps": 12}
    with trained(2, tmp_path / "cut", changes, sleep=0.2) as here:
        wait_for(lambda: len(rows_of(tmp_path / "cut")) >= 3)
        here[1].send_signal(signal.SIGTERM)
        statuses, said = finished(here)
    assert statuses == [1, 1]
    stops = {text.partition("Interrupted: stopped at step ")[2].partition(" of 12")[0] for text in said}
    assert len(stops) == 1
    assert steps(tmp_path / "cut" / "checkpoints") == [int(stops.pop())]
    assert len([*(tmp_path / "cut").glob("events.*")]) == 1
    assert json.loads((tmp_path / "cut" / "environment.json").read_text())["processes"] == 2
    whole = stepped(lambda: pictures("simclr", **changes)).tensors()
    with pytest.warns(UserWarning, match="begun with processes 2 and goes on with 1"):
        resumed = train(pictures("simclr", **changes), tmp_path / "cut", resume=True, threads=1, console=QUIET)
    found = resumed.checkpoint().tensors
    assert max(float((found[key].double() - value.double()).abs().max()) for key, value in whole.items()) <= TOLERANCE
    assert [row["step"] for row in rows_of(tmp_path / "cut")] == list(range(1, 13))


@pytest.mark.slow
def test_more_processes_go_on_where_one_stopped_as_srun_starts_them(tmp_path):
    train(pictures("simclr", steps=3), tmp_path / "run", threads=1, console=QUIET)
    longer = {"steps": 6}
    recorded = json.loads((tmp_path / "run" / "experiment.json").read_text())
    (tmp_path / "run" / "experiment.json").write_text(json.dumps({**recorded, **longer}))
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    (tmp_path / "run" / "environment.json").write_text(json.dumps({**environment, "processes": 2}))
    with trained(2, tmp_path / "run", longer, "srun", resume=True) as here:
        statuses, said = finished(here)
    assert statuses == [0, 0], said
    whole = stepped(lambda: pictures("simclr", **longer))
    found = latest(tmp_path / "run" / "checkpoints")[0]
    assert found.step == 6 and found.tensors.keys() == whole.tensors().keys()


@pytest.mark.slow
def test_what_is_not_finite_or_refused_ends_all_of_them(tmp_path):
    with trained(2, tmp_path / "run", {"objective.temperature": 1e-39}) as here:
        statuses, said = finished(here)
    assert statuses == [1, 1]
    assert all("NonFinite: at step" in text and "no parameter was changed" in text for text in said)
    assert len({text.splitlines()[-1].partition("NonFinite")[2] for text in said}) == 1
    with trained(2, tmp_path / "run") as here:
        statuses, said = finished(here)
    assert statuses == [1, 1] and all("is not empty; give another out=" in text for text in said)
    with trained(2, tmp_path / "odd", {"batch": 33}) as here:
        statuses, said = finished(here)
    assert all("2 processes cannot share batch=33 evenly" in text and "write batch=32" in text for text in said)
    assert not (tmp_path / "odd").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGKILL, 30.0), (signal.SIGSTOP, 40.0)])
def test_a_process_that_is_gone_or_stands_still_ends_the_other_one(number, seconds, tmp_path):
    with trained(2, tmp_path / "run", {"steps": 1000}, sleep=0.05, wait_seconds=10.0, save_seconds=0.0) as here:
        wait_for(lambda: len(rows_of(tmp_path / "run")) >= 1)
        here[1].send_signal(number)
        since = time.monotonic()
        said = here[0].communicate(timeout=seconds)[1].decode()
        assert time.monotonic() - since < seconds
        assert here[0].returncode == 1
    assert "Lost: another process of this run ended or did not answer in time" in said
    assert Run(tmp_path / "run").checkpoint().step >= 1


@pytest.mark.slow
def test_torchrun_starts_the_command_line(tmp_path):
    words = ["data=Digits", "encoder=Conv", "encoder.width=4", "head.hidden=16", "batch=32", "steps=4", "threads=1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", f"--master-port={free_port()}"]
    done = subprocess.run(
        [*torchrun, "-m", "kontrast", "train", "simclr", *words, f"out={tmp_path / 'run'}"],
        env={**environment(0, 1, 0), "RANK": ""} | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=240,
        check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert said.count("batch 32 in 2 processes of 16; 4 steps") == 1
    assert said.count("peak learning rate") == 1
    assert done.stdout.decode().count("step 4, parameters") == 1
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["command"].startswith("kontrast train")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({}, None),
        (
            {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "n1", "MASTER_PORT": "5"},
            (1, 4, 1, "n1", 5),
        ),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        # The shell of a job: nothing was started by srun in it.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "n[1-2]"}, None),
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_NTASKS": "8",
                "SLURM_STEP_NUM_TASKS": "8",
                "SLURM_LOCALID": "1",
                "SLURM_STEP_ID": "2",
                "SLURM_JOB_ID": "30001",
                "SLURM_STEP_NODELIST": "gpu[07-08]",
                "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
            },
            (5, 8, 1, "gpu07", 20003),
        ),
        # torchrun inside a step of SLURM: torchrun decides.
        (
            {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "RANK": "3", "WORLD_SIZE": "8"},
            (3, 8, 3, "127.0.0.1", 29500),
        ),
    ],
)
def test_the_environment_says_which_process_this_is(words, expected):
    found = seat(words)
    assert (None if found is None else (found.rank, found.ranks, found.local, found.address, found.port)) == expected


@pytest.mark.parametrize(
    "words", [{"RANK": "x", "WORLD_SIZE": "4"}, {"SLURM_PROCID": "9", "SLURM_STEP_NUM_TASKS": "4"}]
)
def test_an_environment_that_contradicts_itself_is_refused(words):
    with pytest.raises(ValueError, match="process"):
        seat(words)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu[07-09,12],cpu1", "gpu07"),
        ("gpu-a[01,04]", "gpu-a01"),
        ("n1,n2", "n1"),
        ("rack[0-1]node[3-5]", "rack0node3"),
        ("alone.example.org", "alone.example.org"),
    ],
)
def test_the_first_node_of_a_list(nodes, first):
    assert first_node(nodes) == first
