"""Pictures rendered into folders by one process or several, each file whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from kontrast.datasets.crew import together
from kontrast.datasets.dataset import Generative
from kontrast.datasets.writing import Order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 64
"""Rows that are rendered at once, unless a dataset says otherwise."""
SAMPLES = 4
"""Pictures by which it is told how much room all of them take."""
PAGE = 4096
"""Bytes by which files take room on a disk, so that none takes less."""
BEGIN, END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
"""What a whole PNG begins and ends with."""


@dataclass(frozen=True)
class Album:
    """A folder of pictures: number i is rendered from row i of `latents` float32 [n, k]."""

    folder: Path
    latents: NDArray[np.float32]

    def path(self, row: int) -> Path:
        """The file of a picture: its number from 0 on, padded with zeros so that all names have one length."""
        return self.folder / f"{row:0{len(str(len(self.latents) - 1))}d}.png"


class Task(NamedTuple):
    """A block of rows of an album, from `start` to before `stop`; the pictures of `rows` are missing."""

    album: int
    start: int
    stop: int
    rows: tuple[int, ...]


def render_albums(dataset: Generative, albums: Sequence[Album], order: Order, block: int = BLOCK) -> None:
    """Render what is missing of albums, as `order` says; whole pictures that are there are left as they are.

    Rows are rendered in blocks of `block` that depend on nothing else, on one thread each, so that neither the number
    of processes nor an interruption changes a byte. With several workers the main module must be importable, as for
    every process that Python spawns. OSError where the disk has no room, checked before, or a process was ended.
    """
    check_pictures(dataset)
    tasks, there, whole = _tasks(albums, order.shard, block)
    order.tell(there, whole)
    if not tasks:
        return
    for album in albums:
        album.folder.mkdir(parents=True, exist_ok=True)
    with _one_thread():
        _check_room(dataset, albums, tasks, order.device)
    if order.workers > 1 and len(tasks) > 1:
        for written in together(_work, [(dataset, albums, each, order.device) for each in _shares(tasks, order)]):
            there += written
            order.tell(there, whole)
        return
    for written in _work(dataset, albums, tasks, order.device):
        there += written
        order.tell(there, whole)


def check_pictures(dataset: Generative) -> None:
    """ValueError if observations are no pictures that a PNG file holds."""
    if len(dataset.shape) != 3 or dataset.shape[0] not in (1, 3):
        raise ValueError(
            f"{type(dataset).__name__} shows no pictures of 1 or 3 channels, so there is nothing to write; name a "
            "dataset that does, as Sprites"
        )


def _tasks(albums: Sequence[Album], shard: tuple[int, int], block: int) -> tuple[list[Task], int, int]:
    """The blocks of a shard of which pictures are missing, how many pictures are there, and of how many."""
    found, there, whole, number = list[Task](), 0, 0, 0
    for at, album in enumerate(albums):
        names = {entry.name for entry in os.scandir(album.folder)} if album.folder.is_dir() else set[str]()
        for start in range(0, len(album.latents), block):
            number += 1
            if number % shard[1] != shard[0] % shard[1]:
                continue
            stop = min(start + block, len(album.latents))
            paths = ((row, album.path(row)) for row in range(start, stop))
            missing = tuple(row for row, path in paths if path.name not in names or not is_whole(path))
            whole, there = whole + stop - start, there + stop - start - len(missing)
            if missing:
                found.append(Task(at, start, stop, missing))
    return found, there, whole


def is_whole(path: Path) -> bool:
    """Whether a PNG file ends as one does: what was cut off does not."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < len(BEGIN) + len(END):
            return False
        file.seek(size - len(END))
        end = file.read()
        file.seek(0)
        return end == END and file.read(len(BEGIN)) == BEGIN


def _check_room(dataset: Generative, albums: Sequence[Album], tasks: Sequence[Task], device: str) -> None:
    """OSError if the disk has less room than what is missing takes, going by a few pictures."""
    task = tasks[0]
    sample = torch.from_numpy(albums[task.album].latents[list(task.rows[:SAMPLES])])
    sizes = [len(encoded(picture)) for picture in _rendered(dataset, sample, device)]
    each = sum(-(-size // PAGE) * PAGE for size in sizes) / len(sizes)
    count = sum(len(task.rows) for task in tasks)
    free = free_at(albums[0].folder)
    if count * each > free:
        needed, where = f"{count:,} pictures take about {count * each / 1e9:,.1f} GB", albums[0].folder.parent
        raise OSError(f"{needed}, and the disk of {where} has {free / 1e9:,.1f} GB; write fewer rows=, or another out=")


def free_at(path: Path) -> int:
    """Bytes that are free on the disk where a path is, or is to be."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free


def _rendered(dataset: Generative, latents: Tensor, device: str) -> NDArray[np.uint8]:
    """Pictures [n, height, width, channels]."""
    pictures = dataset.render(latents, torch.device(device))
    if pictures.dtype != torch.uint8 or tuple(pictures.shape) != (len(latents), *dataset.shape):
        raise ValueError(
            f"{type(dataset).__name__} rendered {tuple(pictures.shape)} of {pictures.dtype}, where pictures are uint8 "
            f"of {(len(latents), *dataset.shape)}"
        )
    found: NDArray[np.uint8] = pictures.permute(0, 2, 3, 1).cpu().numpy()
    return found


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """A picture [height, width, 1 or 3] as a PNG file."""
    import io

    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(target, "PNG")
    return target.getvalue()


def _shares(tasks: Sequence[Task], order: Order) -> list[Sequence[Task]]:
    count = min(order.workers, len(tasks))
    return [tasks[worker::count] for worker in range(count)]


def _work(dataset: Generative, albums: Sequence[Album], tasks: Sequence[Task], device: str) -> Iterator[int]:
    """Write the pictures of blocks, and say how many after each."""
    with _one_thread():
        for task in tasks:
            _write(dataset, albums[task.album], task, device)
            yield len(task.rows)


def _write(dataset: Generative, album: Album, task: Task, device: str) -> None:
    """Render a whole block, and write what is missing of it: each to a file of another name, which is then renamed."""
    pictures = _rendered(dataset, torch.from_numpy(album.latents[task.start : task.stop]), device)
    for row in task.rows:
        path = album.path(row)
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(encoded(pictures[row - task.start]))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        os.replace(part, path)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
