"""Rendered pictures in the layout of 3DIdent: arrays of latents, and a folder of pictures named by their row."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import chz
import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from kontrast.datasets.dataset import BLOCK as BLOCK_OF_DRAWS
from kontrast.datasets.dataset import Generative
from kontrast.datasets.picture_writing import BLOCK, PAGE, Album, check_pictures, free_at, render_albums
from kontrast.datasets.writing import Order, Writable
from kontrast.draws import generator
from kontrast.files import write_json, write_whole
from kontrast.views import Split

RECORD = "rendered.json"
"""What was rendered, so that nothing else is ever put among it."""
DRAWN = "drawn.npy"
"""The latents [n, k] of a folder's pictures, in the units of the factors of the dataset that was rendered."""
ROWS: Mapping[Split, int] = {"train": 20_000, "test": 2000}


class PictureFolder(Writable):
    """A generative dataset of pictures that writes itself as 3DIdent was published: folders `train` and `test`.

    In each, `raw_latents.npy` float32 [n, k] are the latents in the units that the dataset draws them in,
    `latents.npy` the same in the units of the scene, and images/000000.png is the picture of row 0. Where rows are of
    several `kinds`, each kind k has files of its own, raw_latents_k.npy, latents_k.npy and images_k, as Causal3DIdent.
    `drawn.npy` float32 [n, k] are the latents of all rows, those of kind 0 first, in the units of the factors.

    Derive from it before `Generative`, and say what differs from these defaults.
    """

    @property
    def reader(self) -> str:
        return "Rendered"

    @property
    def rows_at_once(self) -> int:
        """Rows that are rendered at once; fewer where each takes long, for a block is rendered anew as a whole."""
        return BLOCK

    def raw(self, latents: Tensor) -> Tensor:
        """The columns of raw_latents.npy, for latents [n, k] of the dataset, of one kind where there are kinds."""
        return latents

    def scene(self, latents: Tensor) -> Tensor:
        """The columns of latents.npy."""
        return self.raw(latents)

    def kinds(self, latents: Tensor) -> tuple[Tensor, int] | None:
        """The number int64 [n] of the folder of each row, and how many folders there are; None where there is one."""
        return None

    def write(self, out: Path, order: Order) -> None:
        assert isinstance(self, Generative)
        write_splits(self, out, order)


def write_splits(dataset: Generative, out: Path, order: Order) -> None:
    """Draw rows of each split, and write `out`/train and `out`/test, as `PictureFolder` says.

    Rows come from the marginal law of the dataset by the seed of the order, and those of a smaller order begin those of
    a larger one. ValueError, before anything is rendered, where a folder holds something else.
    """
    check_pictures(dataset)
    if order.rows and not any(order.rows.values()):
        raise ValueError("there is nothing to render in 0 rows; write rows=20000")
    if (count := sum(order.rows.values())) * PAGE > (free := free_at(out)):
        raise OSError(f"{count:,} pictures do not fit in the {free / 1e9:,.1f} GB that are free; write fewer rows=")
    splits: tuple[Split, ...] = get_args(Split)
    rows = {split: (order.rows or ROWS).get(split, 0) for split in splits}
    drawn = {split: _drawn(dataset, split, count, order.seed) for split, count in rows.items() if count}
    records = {split: _record(dataset, latents, order) for split, latents in drawn.items()}
    for split in splits:
        _check_free(out / split, records.get(split))
    albums: list[Album] = []
    for split, latents in drawn.items():
        albums += _lay(dataset, latents, out / split, records[split])
    _render(dataset, albums, order)


def write_pictures(dataset: Generative, latents: Tensor, folder: Path, order: Order) -> None:
    """Write the pictures of latents [n, k] and the latents themselves into one folder, as `PictureFolder` says.

    Rendering is resumable, and shared as the order says, of which `rows` and `seed` mean nothing here but are recorded:
    rendered.json says what was rendered. ValueError, before anything is written, where the folder holds another
    rendering, and then what differs, or something else.
    """
    check_pictures(dataset)
    record = _record(dataset, latents, order)
    _check_free(folder, record)
    _render(dataset, [*_lay(dataset, latents, folder, record)], order)


def _render(dataset: Generative, albums: list[Album], order: Order) -> None:
    block = dataset.rows_at_once if isinstance(dataset, PictureFolder) else BLOCK
    lock = albums[0].folder.parent / f".rendering-{'-of-'.join(map(str, order.shard))}.lock"
    try:
        with FileLock(lock, timeout=0):
            render_albums(dataset, albums, order, block)
            # While it is held: whoever comes next makes one of their own. Some systems keep a file that is open.
            with suppress(OSError):
                lock.unlink()
    except Timeout:
        raise ValueError(f"another process renders into {lock.parent} now; wait for it, or give another out=") from None


def _drawn(dataset: Generative, split: Split, count: int, seed: int) -> Tensor:
    """`count` rows of latents, in blocks of one size, each from its own generator."""
    draws = (generator(seed, "written", split, step=block) for block in range(-(-count // BLOCK_OF_DRAWS)))
    return torch.cat([dataset.sample(BLOCK_OF_DRAWS, draw) for draw in draws])[:count]


def _record(dataset: Generative, latents: Tensor, order: Order) -> dict[str, Any]:
    """What is rendered, as rendered.json has it."""
    flat = chz.beta_to_blueprint_values(dataset)
    fields = {path: value.__name__ if isinstance(value, type) else value for path, value in flat.items()}
    record = {
        "dataset": type(dataset).__name__,
        "fields": fields,
        "seed": order.seed,
        "rows": len(latents),
        "latents": hashlib.sha256(_array(latents)).hexdigest(),
        "device": torch.device(order.device).type,
        "kontrast": version("kontrast"),
    }
    found: dict[str, Any] = json.loads(json.dumps(record))
    return found


def _check_free(folder: Path, record: Mapping[str, Any] | None) -> None:
    """ValueError unless a folder is empty or holds the rendering of this record, which is None where it stays empty."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; give another out=")
    if not (folder / RECORD).exists():
        if any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise ValueError(f"{folder} holds something that was not rendered here; give another out=")
        return
    try:
        there = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except ValueError:
        there = None
    if not isinstance(there, dict):
        raise ValueError(f"{folder / RECORD} is damaged; delete {folder}, or give another out=")
    if record is None:
        raise ValueError(f"{folder} holds {there.get('rows')} rows, and none are asked for; give another out=")
    for name, here, other in _differences(record, there):
        raise ValueError(
            f"{folder} holds another rendering: {name} is {other!r} there and {here!r} here; give another out="
        )


def _differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, value here and value there of all that two records do not have in common."""
    for name in {**here, **there}:
        one, other = here.get(name), there.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differences(one, other)
        elif one != other:
            yield name, one, other


def _lay(dataset: Generative, latents: Tensor, folder: Path, record: Mapping[str, Any]) -> Iterator[Album]:
    """Write the record and the arrays of latents, and give the folders of pictures that belong to them."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / RECORD).exists():
        write_json(folder / RECORD, record)
    own = dataset if isinstance(dataset, PictureFolder) else None
    kinds = None if own is None else own.kinds(latents)
    parts = [("", latents)] if kinds is None else [(f"_{k}", latents[kinds[0] == k]) for k in range(kinds[1])]
    _keep(folder / DRAWN, _array(torch.cat([rows for _, rows in parts])))
    for end, rows in parts:
        _keep(folder / f"raw_latents{end}.npy", _array(rows if own is None else own.raw(rows)))
        _keep(folder / f"latents{end}.npy", _array(rows if own is None else own.scene(rows)))
        yield Album(folder / f"images{end}", rows.cpu().numpy().astype(np.float32))


def _array(latents: Tensor) -> bytes:
    """Numbers as the bytes of an npy file of float32."""
    target = io.BytesIO()
    np.save(target, latents.cpu().numpy().astype(np.float32), allow_pickle=False)
    return target.getvalue()


def _keep(path: Path, content: bytes) -> None:
    """Write a file unless it is there as it is to be."""
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
