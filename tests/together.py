"""Processes that train together in a test: what each of them runs, and how a test starts them."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save_file

from kontrast import methods, train
from kontrast.checkpoints import fingerprint
from kontrast.datasets import Digits, Mixing
from kontrast.encoders import Conv, Mlp, ResNet
from kontrast.optimizers import SGD
from kontrast.training import Trainer, processes
from kontrast.training.distributed import rank, ranks, told

from forked import Forked

STEPS = 4
# Not Adam, which makes a step of its full size of a gradient that is nothing but rounding.
DESCENT = SGD(rate=0.03)
QUIET = Console(quiet=True)
SIZES = {"head.hidden": 16, "head.dim": 8, "predictor.hidden": 8}


def pictures(name, **changes):
    """A method on digits, with batch normalization in encoder and head."""
    method = methods.get(name)
    sizes = {path: size for path, size in SIZES.items() if path in method.values}
    encoder = Conv(width=4, batch_norm=True)
    return method(
        **{"data": Digits(), "encoder": encoder, "batch": 32, "steps": STEPS, "optimizer": DESCENT, **sizes, **changes}
    )


def vectors(**changes):
    """Inversion of a mixing of three latents."""
    return methods.inversion(
        **{"data": Mixing(dim=3, layers=1), "encoder": Mlp(widths=(8,)), "batch": 32, "steps": STEPS, **changes}
    )


def plain_network(**changes):
    """SimCLR whose network has no batch statistics, so that micro-batches change nothing."""
    return pictures("simclr", **{"encoder": Conv(width=4, batch_norm=False), "head.norm": False, **changes})


BOX = ["data.space=Box", "space=Box", "...similarity=Lp", "...similarity.p=1", "...dim=3", "batch=32", f"steps={STEPS}"]
BOX += ["optimizer=SGD", "optimizer.rate=0.03"]
SAME = {
    **{name: (lambda name=name: pictures(name)) for name in ("simclr", "barlow_twins", "byol", "simsiam", "supcon")},
    **{name: (lambda name=name: pictures(name)) for name in ("mcinfonce", "vicreg", "sigreg", "supervised")},
    "inversion": vectors,
    "inversion in a box": lambda: methods.inversion.read(BOX),
    # A deep network normalizes few numbers again and again: at DESCENT's rate, weights that begin one rounding (6e-8)
    # apart are 7e-5 apart after four steps of one process; at this one, 3e-7.
    "residual, clipped, averaged": lambda: pictures(
        "simclr", encoder=ResNet(width=4), clip=0.5, average=0.9, optimizer=SGD(rate=1e-3)
    ),
    "micro-batches": lambda: plain_network(micro=4),
    "learned temperature": lambda: pictures("simclr", **{"objective.learn_temperature": True}),
}
"""Experiments whose parameters do not depend on the number of processes."""
RUNS = {"plain micro-batches": lambda: pictures("simclr", micro=4, accumulation="plain")}
RUNS |= {"own statistics": lambda: pictures("simclr", sync=False), "float16": lambda: vectors(precision="float16")}
"""Experiments that any number of processes can train."""


def stepped(make):
    """A trainer after all its steps."""
    trainer = Trainer(make(), torch.device("cpu"))
    while trainer.step < trainer.steps:
        trainer.advance()
    return trainer


def compare(folder):
    """Train every experiment; write what the first process has, and whether all have the same."""
    said = {}
    for name, make in {**SAME, **RUNS}.items():
        tensors = stepped(make).tensors()
        shared = {key: value for key, value in tensors.items() if "running" not in key or name in SAME}
        said[name] = told(fingerprint(shared)) == fingerprint(shared)
        if rank() == 0 and name in SAME:
            save_file({key: value.contiguous() for key, value in tensors.items()}, folder / f"{name}.safetensors")
    (folder / f"same-{rank()}-of-{ranks()}.json").write_text(json.dumps(said))


def main(what, folder, *words):
    """One of the processes."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    if what == "compare":
        with processes.together(processes.seat(), torch.device("cpu"), 120.0):
            compare(Path(folder))
    elif what == "train":
        changes = json.loads(words[0])
        options = {"threads": 1, "wait_seconds": 60.0, **json.loads(words[1])}
        if sleeping := options.pop("sleep", 0):
            _slowed(sleeping)
        train(pictures("simclr", **changes), Path(folder), **options)


def _slowed(seconds):
    """Every step takes a while, so that something can happen meanwhile."""
    advance = Trainer.advance

    def slow(trainer):
        time.sleep(seconds)
        return advance(trainer)

    Trainer.advance = slow


def environment(number, count, port, starter="torchrun"):
    """The variables by which torchrun or srun says which process this is."""
    if starter == "torchrun":
        own = {"RANK": number, "WORLD_SIZE": count, "LOCAL_RANK": number, "MASTER_ADDR": "127.0.0.1"}
    else:
        own = {"SLURM_PROCID": number, "SLURM_STEP_NUM_TASKS": count, "SLURM_LOCALID": number, "SLURM_STEP_ID": 0}
        own |= {"SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": 7}
    fixed = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "MASTER_PORT": port}
    return {**os.environ, **{key: str(value) for key, value in {**own, **fixed}.items()}}


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def started(count, *words, starter="torchrun", start=Forked):
    """So many processes that run `main` on these words; all are gone in the end."""
    port = free_port()
    here = [start(main, *map(str, words), environment=environment(n, count, port, starter)) for n in range(count)]
    try:
        yield here
    finally:
        for process in here:
            process.kill()
            process.communicate()


def interpreter(_, *words, environment):
    """A process of its own interpreter, which hashes words as no other does."""
    command = [sys.executable, "-W", "error", __file__, *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(here, seconds=240):
    """Wait for all of them: exit statuses, and what each said."""
    said = [process.communicate(timeout=seconds)[1].decode() for process in here]
    return [process.returncode for process in here], said


if __name__ == "__main__":
    main(*sys.argv[1:])
