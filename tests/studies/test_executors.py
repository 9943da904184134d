"""Where cells run: seats and GPUs, processes that die, jobs of a cluster, and what is left when a sweep is stopped."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from kontrast.cli.sweeping import read_executor
from kontrast.studies import Axis, Local, Slurm, cell, executors, jobs
from kontrast.studies import sweep as run
from kontrast.studies.cell import Task
from kontrast.studies.records import Record, read_record, record_path
from kontrast.training import Interrupted
from kontrast.training.interrupts import Interrupts

from sweeps import FIXED, children, kill, server, started, study

QUIET = Console(quiet=True)
ONE = study(Axis.of("objective.temperature", 0.5, 1), given={**FIXED, "steps": "4"})


class Made:
    """Processes that end at once, and which note what they were made for."""

    def __init__(self):
        self.tasks = []

    def set_forkserver_preload(self, names):
        assert "kontrast.studies.cell" in names

    def Process(self, target, args):
        self.tasks += args
        return self

    pid, exitcode = None, 0

    def start(self):
        pass

    def is_alive(self):
        return False

    close = start


@pytest.fixture
def made(monkeypatch):
    context = Made()
    monkeypatch.setattr(executors.multiprocessing, "get_context", lambda _: context)
    monkeypatch.setattr(executors, "PAUSE", 0)
    monkeypatch.setattr(executors, "cores", lambda: 8)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return context


def tasks(count, device=None):
    return [Task(Path("out"), f"x={number}/seed-0", count, device=device) for number in range(count)]


@pytest.mark.parametrize(
    ("fields", "device", "visible", "width", "threads", "seen"),
    [
        ({}, None, None, 2, 4, {"0", "1"}),
        ({}, "cuda", "5,GPU-ab", 2, 4, {"5", "GPU-ab"}),
        ({"workers": 4}, None, "3,7", 4, 2, {"3", "7"}),
        ({}, "cpu", None, 5, 1, {None}),
        ({}, "cuda:1", None, 1, 8, {None}),
        ({"workers": 3, "threads": 2}, "cpu", None, 3, 2, {None}),
    ],
)
def test_each_gpu_has_a_process_and_threads_are_shared(
    made, monkeypatch, fields, device, visible, width, threads, seen
):
    monkeypatch.setattr(executors.torch.cuda, "device_count", lambda: 2)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    local, wanted = Local(**fields), tasks(5, device)
    assert (local.width(wanted), local.share(wanted)) == (width, threads)
    local(wanted, lambda: None)
    assert [task.name for task in made.tasks] == [task.name for task in wanted]
    assert {task.gpu for task in made.tasks} == seen and {task.threads for task in made.tasks} == {threads}
    last = wanted[-1:]
    assert local.width(last) == 1 and local.share(last) == threads  # the last cell calculates as the first did


@pytest.mark.parametrize("fields", [{"workers": -1}, {"threads": -2}])
def test_negative_counts_are_refused(fields):
    with pytest.raises(ValueError, match="workers=2"):
        Local(**fields)


def test_a_sweep_and_its_cells_die_and_the_next_one_says_how(tmp_path):
    whole, out = study(Axis.of("objective.temperature", 0.5, 1), given={**FIXED, "steps": "100000"}), tmp_path / "out"
    first = whole.settings[0]
    path = out / next(one.name for one in whole.cells() if one.setting == first)

    def wait(done):
        until = time.monotonic() + 60
        while not done():
            assert time.monotonic() < until
            time.sleep(0.02)

    with server():
        process = started(whole, out)
        wait((path / "metrics.jsonl").exists)
        wait(lambda: len(_cells()) == 2)
        os.kill(_cells()[0], signal.SIGKILL)
        wait(lambda: [read_record(out, one.name).state for one in whole.cells()].count("failed") == 1)
        process.terminate()
        process.join(60)
        assert process.exitcode not in (0, None)
        states = {read_record(out, one.name).state: read_record(out, one.name).why for one in whole.cells()}
        assert set(states) == {"failed", "waiting"} and "of signal 9; it may have lacked memory" in states["failed"]
        assert "it was stopped: stopped at step" in states["waiting"]
        process = started(whole, out)  # and one that is killed alone: its cell saves and leaves
        wait(lambda: len(_cells()) == 1)
        wait(lambda: "running" in [read_record(out, one.name).state for one in whole.cells()])
        kill(process, cells=False)
        wait(lambda: not _cells())


def _cells():
    """The processes of cells: those of the server but the sweep, which is the oldest."""
    return sorted(children())[1:]


def test_a_cell_that_another_process_holds_is_not_called_failed(tmp_path):
    task = Task(tmp_path, "x=1/seed-0")
    Record("running").write(record_path(tmp_path, task.name))
    with FileLock((tmp_path / task.name).with_suffix(".lock")):
        executors.lost(task, "it ended")
        assert read_record(tmp_path, task.name).state == "running"
    executors.lost(task, "it ended")
    assert read_record(tmp_path, task.name).why == "it ended, see the log beside it"


def test_an_executor_is_made_of_words():
    given = {"executor": "slurm", "executor.partition": "gpu", "executor.minutes": "10", "executor.cluster": "debug"}
    assert read_executor(given) == Slurm(partition="gpu", minutes=10, cluster="debug") and not given
    for fields, said in [
        ({"cluster": "sge"}, "slurm, local, debug"),
        ({"gpus": 2}, "one GPU"),
        ({"cpus": 0}, "from 1"),
    ]:
        with pytest.raises(ValueError, match=said):
            Slurm(**fields)


def test_without_submitit_or_a_cluster_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"no sbatch here.*executor.cluster=local"):
        run(ONE, tmp_path / "out", executor=Slurm(), console=QUIET)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kontrast\[slurm\]'"):
        run(ONE, tmp_path / "out", executor=Slurm(cluster="debug"), console=QUIET)
    assert not (tmp_path / "out").exists()


def test_jobs_run_one_after_the_other_to_try_a_cluster(tmp_path):
    results = run(ONE, tmp_path / "out", executor=Slurm(cluster="debug", cpus=1), console=QUIET, pages=False)
    assert results.counted() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}


SQUEUE = "import os; print(open(os.environ['QUEUED']).read(), end='')"
SBATCH = (
    "import os, sys; open(os.environ['QUEUED'], 'w').write('17_0\\n17_1\\n'); "
    "open(os.environ['SENT'], 'a').write(open(sys.argv[1]).read()); print('Submitted batch job 17')"
)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster of which nothing but the queue is there."""
    for name, code in {"sbatch": SBATCH, "squeue": SQUEUE, "srun": ""}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable} -S\n{code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("QUEUED", str(tmp_path / "queued"))
    monkeypatch.setenv("SENT", str(tmp_path / "sent"))
    monkeypatch.setitem(Slurm.__call__.__globals__, "POLL", {"slurm": 0.0})
    monkeypatch.setitem(Slurm.__call__.__globals__, "LATE", {"slurm": 0.1})
    monkeypatch.setattr(jobs, "FRESH", 0.0)
    (tmp_path / "queued").write_text("")
    return tmp_path


@pytest.mark.filterwarnings("ignore::UserWarning:submitit")
def test_jobs_go_on_without_the_sweep_and_none_is_submitted_twice(cluster, monkeypatch):
    out, slurm = cluster / "out", Slurm(partition="gpu", minutes=30, parallel=3, account="us", setup="module load x")
    names = [one.name for one in ONE.cells()]

    def stopped():
        monkeypatch.setattr(Interrupts, "asked", lambda self: signal.SIGINT * (next(looks) > 3))
        looks = iter(range(1000))
        with pytest.raises(Interrupted, match=r"jobs go on without this.*scancel 17 ends them"):
            run(ONE, out, executor=slurm, console=QUIET, pages=False)
        return (cluster / "sent").read_text()

    sent = stopped()
    for line in ("--partition=gpu", "--time=30", "--array=0-1%2", "--account=us", "module load x", "--gpus-per-node=1"):
        assert line in sent
    assert [json.loads((out / name).with_suffix(".job").read_text())["job"] for name in names] == ["17_0", "17_1"]
    assert stopped() == sent  # both are queued: nothing more was submitted
    Record("done").write(record_path(out, names[0]))  # one job runs to its end, and the other is gone
    (cluster / "queued").write_text("")
    monkeypatch.setattr(Interrupts, "asked", lambda self: 0)
    tasks = [Task(out, name) for name in names]
    found = [jobs.Job(task, f"17_{number}") for number, task in enumerate(tasks)]
    slurm._watch(found, lambda: None, Interrupts())
    assert [read_record(out, name).state for name in names] == ["done", "failed"]
    assert read_record(out, names[1]).why == "its job 17_1 is gone, see the log beside it"


def _saves(called):
    with jobs.requeuing(), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGUSR2)
        assert interrupts.asked() == signal.SIGUSR1 and not called  # noted, and obeyed after the step
        raise Interrupted(interrupts.asked(), "saved")


def test_a_job_that_has_to_go_saves_first(monkeypatch):
    called, before = [], {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    monkeypatch.setattr(cell, "train", None)
    signal.signal(signal.SIGUSR2, lambda *_: called.append("requeue"))
    try:
        with pytest.raises(Interrupted):
            _saves(called)
        assert called == ["requeue"]
        with jobs.requeuing():
            signal.raise_signal(signal.SIGUSR2)
        assert called == ["requeue"] * 2  # outside training at once
        assert signal.getsignal(signal.SIGUSR1) == before[signal.SIGUSR1]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_job_is_a_process_of_this_machine_to_try_a_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    one = study(Axis.of("objective.temperature", 0.5), given={**FIXED, "steps": "4"})
    results = run(one, tmp_path / "out", executor=Slurm(cluster="local", cpus=1, gpus=0), console=QUIET, pages=False)
    assert results.counted()["done"] == 1
    assert subprocess.run(["ls", tmp_path / "out" / ".jobs"], capture_output=True, check=True).stdout


SCRIPT = """
import sys
from pathlib import Path
from kontrast.studies import Axis, Study, grid, sweep
fixed = {"data": "Digits", "encoder": "Conv", "encoder.width": 4, "epochs": "None", "steps": 2}
sweep(Study("", "simclr", grid(Axis.of("batch", 32)), (0,), fixed, ask=("knn",)), sys.argv[1])
"""


def test_a_script_that_sweeps_as_soon_as_it_is_read_is_told_so(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script), str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert 'below if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert read_record(tmp_path / "out", "batch=32/seed-0").state == "waiting"


def test_a_job_that_is_over_is_not_waited_for_when_its_cell_is_asked_more(tmp_path):
    task = Task(tmp_path, "a/seed-0", ask=("knn", "linear"))
    (tmp_path / "a").mkdir()
    jobs.remember(jobs.Job(task, "16_0"), "slurm")
    assert [job.id for job in jobs.remembered([task], "slurm")] == ["16_0"]
    time.sleep(0.01)
    Record("done", ask=("knn",)).write(record_path(tmp_path, "a/seed-0"))
    assert jobs.remembered([task], "slurm") == []
    assert jobs.is_open(jobs.Job(task, "17_0")) and not jobs.is_open(jobs.Job(task._replace(ask=("knn",)), "17_0"))
    jobs.remember(jobs.Job(task, "17_0"), "slurm")
    assert [job.id for job in jobs.remembered([task], "slurm")] == ["17_0"]
