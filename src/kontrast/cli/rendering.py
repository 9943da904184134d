"""`kontrast data render`: a dataset whose latents are known, written to disk as the set it resembles was published."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from kontrast import parts
from kontrast.datasets import Dataset, Generative, Order, Writable
from kontrast.datasets.picture_folder import ROWS, PictureFolder, write_splits
from kontrast.views import Split
from kontrast.words import built, whole_number

USAGE = (
    "kontrast data render NAME [field=value ...] out=FOLDER [rows=20000] [test=2000] [seed=0] [workers=2] "
    "[shard=1/16] [device=cpu]"
)
SPLITS: dict[str, Split] = {"rows": "train", "test": "test"}
"""The words that say how many rows each split has."""
OWN = (*SPLITS, "seed", "workers", "shard", "out", "device")
MOST_WORKERS = 256


def render_data(name: str, given: dict[str, str]) -> None:
    """Render a dataset into the folder out=, or go on with it, and say what reads it."""
    options = {field: given.pop(field) for field in OWN if field in given}
    fields = {field.removeprefix("data."): value for field, value in given.items()}
    known = {key: cls for key, cls in parts.known(Dataset).items() if _is_rendered(cls)}
    dataset = built(known[parts.choose(name, known, "dataset that is rendered")], fields)
    # What has no published reader is written as pictures, whatever else it could be written as.
    reader = dataset.reader if isinstance(dataset, Writable) else "Rendered"
    folders = isinstance(dataset, PictureFolder) or reader == "Rendered"
    if "out" not in options:
        raise ValueError(f"say where to: {USAGE}")
    out, order = Path(options["out"]).expanduser(), _order(options, folders)
    begun = time.perf_counter()
    with _shown(str(out)) as tell:
        order = order._replace(tell=tell)
        if folders:
            write_splits(dataset, out, order)
        else:
            dataset.write(out, order)
    told = "" if order.shard[1] > 1 else f"; read with {_reading(reader, dataset, fields, folders)} data.root={out}"
    print(f"{out}: {_said(order, folders)}, {time.perf_counter() - begun:,.0f} s{told}")


def _reading(reader: str, dataset: Dataset, fields: dict[str, str], folders: bool) -> str:
    """The dataset that reads what was rendered, as a command line names it."""
    words = [f"data={reader}"]
    if reader == "Rendered":
        words += [f"data.of={type(dataset).__name__}", *(f"data.of.{name}={value}" for name, value in fields.items())]
    if folders:
        words += [f"data.size={dataset.shape[-1]}", f"data.channels={dataset.shape[0]}"]
    return " ".join(words)


def _is_rendered(cls: type) -> bool:
    return issubclass(cls, (Generative, Writable))


def _order(options: dict[str, str], folders: bool) -> Order:
    """What the words ask for. A dataset that writes itself has its own number of rows where none is given."""
    rows: dict[Split, int] = dict(ROWS) if folders else {}
    rows |= {split: whole_number(field, options[field]) for field, split in SPLITS.items() if field in options}
    if folders and not all(rows.values()):
        raise ValueError("a set has rows to train on and others to test on; write rows=20000 test=2000")
    workers = whole_number("workers", options.get("workers", "2"))
    if not 1 <= workers <= MOST_WORKERS:
        raise ValueError(f"a rendering has 1 to {MOST_WORKERS} processes, not {workers}; write workers=2")
    if not folders and "shard" in options:
        raise ValueError("one file cannot be written by several machines; leave out shard=")
    device = options.get("device", "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise ValueError(f"device={device} is not there; write device=cpu") from None
    seed = whole_number("seed", options.get("seed", "0"))
    return Order(rows, seed, workers, shard=_shard(options.get("shard", "1/1")), device=device)


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"shard={text} is no share of a rendering; write shard=1/16, up to shard=16/16")
    return int(found[1]), int(found[2])


def _said(order: Order, folders: bool) -> str:
    if order.shard[1] > 1:
        again = "when all are, the same command without shard= says whether all pictures are there"
        return f"shard {order.shard[0]} of {order.shard[1]} is whole; {again}"
    counts = ", ".join(f"{count:,} in {split}" for split, count in order.rows.items() if count)
    return f"whole ({counts})" if folders else "whole"


@contextmanager
def _shown(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the standard error stream, if that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, count: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, count: bars.update(task, completed=done, total=count)
