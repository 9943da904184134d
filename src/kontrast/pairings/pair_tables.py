"""Tables of pairs: which rows belong together and what their latents are, drawn, saved and read."""

from __future__ import annotations

import io
import warnings
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kontrast.datasets import Generative, Source, Table, World
from kontrast.datasets.placement import Shelf
from kontrast.draws import Draws
from kontrast.files import write_whole
from kontrast.pairings.latent import LatentPairing, numbers
from kontrast.pairings.neighbors import Neighbors
from kontrast.pairings.pairing import Pairing
from kontrast.parts import choose
from kontrast.views import Things

if TYPE_CHECKING:
    import pandas as pd

First = Literal["rows", "drawn"]
BATCH = 512
"""Pairs that are drawn at once, as a training step with batches of so many would draw them."""
ROW = "row"
MOST = 1 << 31
"""Bytes of a file that is read as a table of pairs, at most."""


@dataclass(frozen=True)
class PairTable:
    """m pairs: the numbers int64 [m] of their rows, and the latents float32 [m, k] of both, columns by `names`."""

    names: tuple[str, ...]
    first: Tensor
    second: Tensor
    z: Tensor
    zprime: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def frame(self) -> pd.DataFrame:
        """The table with two levels of columns: z and zprime, and below each the row and the latents."""
        import pandas as pd

        sides = {"z": (self.first, self.z), "zprime": (self.second, self.zprime)}
        columns: dict[tuple[str, str], NDArray[np.generic]] = {}
        for side, (rows, latents) in sides.items():
            columns[side, ROW] = rows.numpy()
            columns |= {(side, name): latents[:, k].numpy() for k, name in enumerate(self.names)}
        return pd.DataFrame(columns)

    def save(self, path: Path) -> None:
        """Write a CSV or, by its ending, Parquet file: the same table the same bytes. ValueError for another ending."""
        target = io.BytesIO()
        if _ending(path) == ".csv":
            self.frame().to_csv(target, index=False, lineterminator="\n")
        else:
            frame = self.frame()
            frame.columns = [".".join(key) for key in frame.columns]
            frame.to_parquet(target, index=False)
        write_whole(path, target.getvalue())

    @staticmethod
    def load(path: Path) -> PairTable:
        """Read a table that was saved. FileNotFoundError, or a ValueError that says what is wrong with it."""
        import pandas as pd

        ending = _ending(path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no table of pairs {path}; write kontrast data pairs METHOD out={path}")
        if path.stat().st_size > MOST:
            raise ValueError(f"{path} is larger than a table of pairs may be, 2 GiB; save fewer pairs")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)
                frame = pd.read_csv(path, header=[0, 1]) if ending == ".csv" else _flat(path)
        except (ValueError, OSError, IndexError, KeyError, pd.errors.ParserWarning) as error:
            raise ValueError(f"{path} is no table of pairs: {str(error).splitlines()[0]}") from None
        return _read(path, frame)


def _flat(path: Path) -> pd.DataFrame:
    """A Parquet file, whose columns have one level: z.row and so on."""
    import pandas as pd

    frame = pd.read_parquet(path)
    frame.columns = pd.MultiIndex.from_tuples([str(name).partition(".")[::2] for name in frame.columns])
    return frame


def _ending(path: Path) -> str:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"a table of pairs is a .csv or .parquet file, not {path.name}; write out=pairs.csv")
    return path.suffix.lower()


def _read(path: Path, frame: pd.DataFrame) -> PairTable:
    names = {side: [str(key[1]) for key in frame.columns if key[0] == side] for side in ("z", "zprime")}
    if frame.columns.nlevels != 2 or names["z"][:1] != [ROW] or names["z"] != names["zprime"]:
        raise ValueError(f"{path} is no table of pairs: below z and zprime it has not row and latents")
    if len(set(names["z"])) < len(names["z"]) or len(frame.columns) != 2 * len(names["z"]):
        raise ValueError(f"{path} is no table of pairs: it has other columns, or the same twice")
    sides = []
    for side in ("z", "zprime"):
        part = frame[side]
        if part[ROW].dtype.kind not in "iu" or any(part[name].dtype.kind not in "iuf" for name in names["z"]):
            raise ValueError(f"{path} is no table of pairs: a column has something that is no number, or no row")
        latents = torch.from_numpy(part[names["z"][1:]].to_numpy(np.float32, copy=True))
        sides.append((torch.from_numpy(part[ROW].to_numpy(np.int64, copy=True)), latents))
    (first, z), (second, zprime) = sides
    if not len(first):
        raise ValueError(f"{path} has no pairs")
    return PairTable(tuple(names["z"][1:]), first, second, z, zprime)


class Numbers(Shelf):
    """Instead of observations the numbers of their rows, so that any pairing says which rows it pairs."""

    where = "numbers alone"

    def take(self, rows: Tensor) -> Tensor:
        return rows[:, None]


def numbered(table: Table) -> Table:
    """The same table with its row numbers, int64 [m, 1] on the CPU, as observations."""
    found = copy(table)
    found.shelf = Numbers()
    return found


def draw_pairs(pairing: Pairing, source: Source, count: int, seed: int = 0, first: First = "rows") -> PairTable:
    """The first `count` pairs that training would see with this seed and batches of 512.

    Of stored data, anchors are rows in random order, each equally often; with first="drawn" each is the row nearest to
    a latent drawn uniformly, around which the partner is drawn, as in the code of Zimmermann et al. 2021. Of generative
    data pair i is named by the rows 2 i and 2 i + 1 that it would have, in a set that is rendered of all pairs.
    ValueError where a pairing does not choose its partners by rows or latents.
    """
    choose(first, get_args(First), "kind of anchor")
    if count < 1:
        raise ValueError(f"a table has at least one pair, not {count}; write rows=100000")
    names = tuple(factor.name for factor in source.dataset.factors)
    if isinstance(source, Table):
        one, other = _rows(pairing, source, count, seed, first)
        latents = torch.zeros(len(source.index), 0) if source.latents is None else source.latents.cpu()
        return PairTable(names if source.latents is not None else (), one, other, latents[one], latents[other])
    assert isinstance(source, World)
    if first != "rows":
        raise ValueError(f"{type(source.dataset).__name__} draws its latents as it is; leave out first=")
    z, partner = _latents(pairing, source, count, seed)
    even = 2 * torch.arange(count)
    return PairTable(names, even, even + 1, z, partner)


def _rows(pairing: Pairing, table: Table, count: int, seed: int, first: First) -> tuple[Tensor, Tensor]:
    table = numbered(table)
    size = min(BATCH, table.count, count)
    pairs = []
    for step in range(-(-count // size)):
        draws = Draws(seed, step, size)
        if first == "drawn":
            if not isinstance(pairing, LatentPairing):
                raise ValueError(f"{type(pairing).__name__} draws around rows; leave out first=drawn")
            found = pairing.loose(table, size, draws.generator("pairs"))
            pairs.append((found.anchors, found.rows))
        elif isinstance(pairing, LatentPairing):
            found = pairing.step(table, draws)
            pairs.append((found.anchors, found.rows))
        else:
            pairs.append((numbers(table, draws), _chosen(pairing, table, draws)))
    one, other = (torch.cat(side)[:count] for side in zip(*pairs, strict=True))
    return one, other


def _chosen(pairing: Pairing, table: Table, draws: Draws) -> Tensor:
    """The rows int64 [size] that a pairing shows as second views, because they are all it can see."""
    unfit = ValueError(f"{type(pairing).__name__} does not pair rows with rows; write pairing=Conditional or Content")
    try:
        views = pairing(table.batch(draws), table, draws).views
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        raise unfit from None
    second = views[1] if len(views) == 2 else None
    if second is None or second.dtype != torch.int64 or second.shape != (draws.size, 1):
        raise unfit
    return second[:, 0]


def _latents(pairing: Pairing, world: World, count: int, seed: int) -> tuple[Tensor, Tensor]:
    found: list[tuple[Tensor, Tensor]] = []
    dataset = world.dataset
    assert isinstance(dataset, Generative)
    for step in range(-(-count // BATCH)):
        draws = Draws(seed, step, BATCH)
        z = dataset.latents(draws)
        if isinstance(pairing, LatentPairing):
            partner = pairing.partner(z, world, draws)
        elif isinstance(pairing, Neighbors):
            index = step * BATCH + torch.arange(BATCH)
            partner = pairing.latents(Things(index[:, None], index, 0, None, z), dataset, draws)
        else:
            raise ValueError(f"{type(pairing).__name__} does not draw latents; write pairing=Conditional or Content")
        found.append((z, partner))
    one, other = (torch.cat(side)[:count] for side in zip(*found, strict=True))
    return one, other
