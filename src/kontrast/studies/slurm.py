"""An executor for SLURM clusters, through submitit."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chz

from kontrast.studies.cell import Task
from kontrast.studies.executors import Executor, Look, cores, lost
from kontrast.studies.jobs import Cell, Job, alive, is_open, remember, remembered, said_of, submitit
from kontrast.training.interrupts import Interrupted, Interrupts

JOBS = ".jobs"
"""Below a study's folder, what submitit writes: the jobs, and what they print."""
CLUSTERS = ("slurm", "local", "debug")
MOST = 1000
"""Jobs in one array, SLURM's own limit unless its MaxArraySize says otherwise."""
PAUSE = 0.2
POLL = {"slurm": 15.0, "local": 1.0}
"""Seconds between two questions to the queue."""
LATE = {"slurm": 60.0, "local": 2.0}
"""Seconds after which a job that is in no queue counts as gone: a cluster and network disks take their time."""


@chz.chz
class Slurm(Executor):
    """Jobs of a SLURM cluster, one a cell, in an array; needs the extra kontrast[slurm].

    A job that runs out of minutes, or is preempted, saves after the step it is at, is put into the queue again, and
    goes on from there. Ctrl-C leaves the jobs alone: the same command looks after them again, and starts none for a
    cell whose job is still queued or running. Cells that run at a time count by `parallel`.

    With cluster=local the same jobs are processes of this machine, and with cluster=debug they run one after the other
    in this process, to try what a cluster would do.
    """

    partition: str = chz.field(default="", doc="the partition; that of the cluster where it is left out")
    account: str = chz.field(default="", doc="the account that is charged")
    minutes: int = chz.field(default=240, doc="minutes of a job, after which it goes on in another")
    gpus: int = chz.field(default=1, doc="GPUs of a job, 0 or 1: a cell trains on one")
    cpus: int = chz.field(default=4, doc="cores of a job, and threads")
    memory_gb: int = chz.field(default=16, doc="memory of a job in GB")
    parallel: int = chz.field(default=0, doc="jobs at a time; 0: as many as the cluster takes")
    setup: str = chz.field(default="", doc='a shell command before each job, as in "module load cuda"')
    requeues: int = chz.field(default=20, doc="times that a job may run out of minutes")
    cluster: str = chz.field(default="slurm", doc="slurm, or local or debug to try jobs on this machine")

    @chz.validate
    def _check_fields(self) -> None:
        if self.cluster not in CLUSTERS:
            raise ValueError(f"cluster={self.cluster} is none of {', '.join(CLUSTERS)}; write executor.cluster=slurm")
        if min(self.minutes, self.cpus, self.memory_gb) < 1 or min(self.parallel, self.requeues) < 0:
            raise ValueError("minutes, cpus and memory_gb are numbers from 1 on; write executor.minutes=240")
        if self.gpus not in (0, 1):
            raise ValueError(f"a cell trains on one GPU, not {self.gpus}; write executor.gpus=1, or 0 for none")

    def width(self, tasks: Sequence[Task]) -> int:
        most = {"slurm": len(tasks), "local": cores(), "debug": 1}[self.cluster]
        return max(1, min(len(tasks), self.parallel or most, most))

    def ready(self) -> None:
        submitit()
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise ValueError(
                "there is no sbatch here; run this where jobs of the cluster are submitted, or write "
                "executor.cluster=local to try it on this machine"
            )

    def __call__(self, tasks: Sequence[Task], look: Look) -> None:
        tasks = [task._replace(folder=task.folder.resolve(), threads=self.cpus) for task in tasks]
        there = [] if self.cluster == "debug" else alive(remembered(tasks, self.cluster), self.cluster)
        known = {job.task.name for job in there}
        waiting = [task for task in tasks if task.name not in known]
        at_once = MOST if self.cluster == "slurm" else self.width(tasks)
        with Interrupts() as interrupts:
            while (waiting or there) and not interrupts.asked():
                while waiting and (self.cluster == "slurm" or not there):
                    there += self._submitted(waiting[:at_once])
                    del waiting[:at_once]
                self._watch(there, look, interrupts)
            if received := interrupts.asked():
                raise Interrupted(received, self._left(there))
        look()

    def _left(self, jobs: Sequence[Job]) -> str:
        ids = " ".join(sorted({job.id.partition("_")[0] for job in jobs}))
        stop = f"{'scancel' if self.cluster == 'slurm' else 'kill'} {ids}"
        return f"jobs go on without this: the same command looks after them again, and {stop} ends them"

    def _submitted(self, tasks: Sequence[Task]) -> list[Job]:
        """Submit the jobs of some tasks, and keep which they are; those of cluster=debug are then over."""
        folder, library = tasks[0].folder, submitit()
        most = {f"{self.cluster}_max_num_timeout": self.requeues} if self.cluster != "debug" else {}
        executor = library.AutoExecutor(folder / JOBS, cluster=self.cluster, **most)
        executor.update_parameters(**self._parameters(folder))
        submitted = executor.submit_array([Cell(task) for task in tasks])
        jobs = [Job(task, str(job.job_id), job) for task, job in zip(tasks, submitted, strict=True)]
        for job in jobs:
            if self.cluster != "debug":
                remember(job, self.cluster)
            elif (error := job.handle.exception()) is not None:
                raise error
        return jobs

    def _parameters(self, folder: Path) -> dict[str, Any]:
        given: dict[str, Any] = {"name": f"kontrast {folder.name}"[:60].replace(" ", "-")}
        given |= {"timeout_min": self.minutes, "cpus_per_task": self.cpus, "mem_gb": self.memory_gb}
        own = {"slurm_partition": self.partition, "slurm_account": self.account, "gpus_per_node": self.gpus}
        given |= {name: value for name, value in own.items() if value}
        if self.parallel:
            given["slurm_array_parallelism"] = self.parallel
        if self.setup:
            given["slurm_setup"] = [self.setup]
        return given

    def _watch(self, jobs: list[Job], look: Look, interrupts: Interrupts) -> None:
        """Wait until each cell has a record of how it went, or its job is gone; until then it stays in `jobs`."""
        asked, seen = float("-inf"), dict[str, float]()
        while jobs and not interrupts.asked():
            look()
            jobs[:] = [job for job in jobs if is_open(job)]
            if jobs and time.monotonic() - asked > POLL.get(self.cluster, 0):
                asked = time.monotonic()
                seen |= {job.id: asked for job in alive(jobs, self.cluster)}
                for job in [job for job in jobs if asked - seen.setdefault(job.id, asked) >= LATE.get(self.cluster, 0)]:
                    lost(job.task, f"its job {job.id} is gone{said_of(job)}")
                    jobs.remove(job)
            time.sleep(PAUSE)
