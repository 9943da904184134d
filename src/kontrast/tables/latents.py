"""A dataset as a table of its latents: a row for each of its own, a column for each factor."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets import Dataset, Generative, PictureFiles, Sprites, Stored
from kontrast.datasets.dataset import ROWS
from kontrast.datasets.dsprites import DSprites
from kontrast.datasets.splits import divided
from kontrast.files import write_whole
from kontrast.views import Split

if TYPE_CHECKING:
    from pandas import DataFrame

    Bytes = NDArray[np.uint8]

PIECE = 1000
SHAPES = ("square", "ellipse", "heart")
TURN = "value_orientation"


class Pictures(NamedTuple):
    """Pictures of rows, which are named by `numbers` int64 [n]; `make` gives them, uint8 [n, c, h, w]."""

    numbers: NDArray[np.int64]
    make: Callable[[], Bytes]


def latent_table(dataset: Dataset, split: Split | None = None, rows: int = ROWS) -> DataFrame:
    """The latents of a dataset as a table, a row for each; without a split, of both, which a column `split` names.

    Columns are named by the factors and in their units, and `id` is the number of a row within its split. Where rows
    are picture files, `img_path` is where each lies: so 3DIdent has pos_x, pos_y, pos_z, rot_phi, rot_theta, rot_psi,
    spotlight, hue_object, hue_spotlight, hue_background, id, img_path, split.

    dSprites has, in the order of the published file, square, ellipse, heart (0 or 1), label_orientation, label_scale,
    label_x_position, label_y_position (from 0), value_orientation (0 to 2 pi, both inclusive), value_scale,
    value_x_position and value_y_position. So have `Sprites(law="grid")`, all 737,280 rows at once, for which a split is
    one of `divided_table`. The index of the table is the number of each row, there of the published file. Of other
    data that are rendered there are `rows` of a split, those that probes see. ValueError for unknown latents.
    """
    import pandas as pd

    if not dataset.factors:
        raise ValueError(f"{type(dataset).__name__} does not know its latents; choose data that do, as DSprites")
    if isinstance(dataset, Sprites) and dataset.law == "grid":
        table = _sprites(dataset, torch.arange(dataset.rows))
        return table if split is None else divided_table(table)[split]
    if split is not None:
        return _split(dataset, split, rows)
    splits: tuple[Split, ...] = get_args(Split)
    each = [_split(dataset, name, rows).assign(split=name) for name in splits]
    if isinstance(dataset, DSprites):
        return pd.concat(each).sort_index()
    return pd.concat(each, ignore_index=True)


def _split(dataset: Dataset, split: Split, rows: int) -> DataFrame:
    import pandas as pd

    if isinstance(dataset, Stored):
        held = dataset.hold(split)
        if held.latents is None:
            raise ValueError(f"{type(dataset).__name__} does not know its latents; choose data that do")
        if isinstance(dataset, DSprites):
            return _sprites(Sprites(law="grid"), held.index)
        latents, index = held.latents, held.index.numpy()
    else:
        chunks = list(dataset.open(split).chunks(PIECE, rows))
        found = [chunk.latents for chunk in chunks if chunk.latents is not None]
        latents, index = torch.cat(found), np.arange(rows)
    table = pd.DataFrame(latents.double().numpy(), columns=[factor.name for factor in dataset.factors])
    for factor in dataset.factors:
        if factor.kind == "discrete":
            table[factor.name] = table[factor.name].astype(np.int64)
    table["id"] = index
    if isinstance(dataset, PictureFiles):
        base, names = dataset.base().absolute(), dataset.names(split)
        table["img_path"] = [str(base / names[number]) for number in index]
    return table


def _sprites(sprites: Sprites, numbers: torch.Tensor) -> DataFrame:
    """Rows of the dSprites table by their numbers, in the columns that tensorflow_datasets gives it."""
    import pandas as pd

    grid = sprites.grid(numbers)
    classes, values = grid.classes.numpy(), grid.values.numpy()
    columns: dict[str, NDArray[np.generic]] = {
        name: (classes[:, 1] == number).astype(np.int64) for number, name in enumerate(SHAPES)
    }
    places = {"orientation": 3, "scale": 2, "x_position": 4, "y_position": 5}
    columns |= {f"label_{name}": classes[:, k] for name, k in places.items()}
    columns |= {f"value_{name}": values[:, k] for name, k in places.items()}
    if sprites.grid(numbers[:1]).latents.shape[1] > 5:
        columns |= {"label_color": classes[:, 0], "value_color": values[:, 0]}
    return pd.DataFrame(columns, index=numbers.numpy())


def divided_table(table: DataFrame, test: float = 0.1, seed: int = 0) -> dict[Split, DataFrame]:
    """A table in two: floor(test n) rows, drawn without replacement by `seed`, and all others, both in their order.

    The same seed gives the same rows. 73,728 of the rows of dSprites are a tenth. Of the sprites at its first and last
    orientation, which look the same, both are in one, so that all its rows are split as those of DSprites are.
    """
    same = _same(table) if TURN in table else None
    rows = divided(len(table), test, seed, same)
    return {split: table.iloc[numbers.numpy()] for split, numbers in rows.items()}


def _same(table: DataFrame) -> torch.Tensor:
    """A number int64 [n] for each row of a dSprites table; rows that differ by a whole turn alone have the same."""
    angle = np.where(np.isclose(table[TURN], math.tau), 0.0, table[TURN])
    columns = [*SHAPES, "value_scale", "value_x_position", "value_y_position", "value_color"]
    looks = table[[name for name in columns if name in table]].assign(angle=angle)
    return torch.from_numpy(looks.groupby([*looks.columns], sort=False).ngroup().to_numpy(np.int64, copy=True))


def observed(dataset: Dataset, rows: int = ROWS) -> Iterator[Pictures]:
    """The pictures of the rows of `latent_table` of both splits, a piece at a time, made when they are asked for.

    ValueError for a dataset whose observations are no pictures.
    """
    if len(dataset.shape) != 3:
        raise ValueError(f"{type(dataset).__name__} shows vectors and no pictures; leave out pictures=")
    if isinstance(dataset, Sprites) and dataset.law == "grid":
        for start in range(0, dataset.rows, PIECE):
            numbers = torch.arange(start, min(start + PIECE, dataset.rows))
            yield Pictures(numbers.numpy(), partial(_rendered, dataset, numbers))
        return
    before, splits = 0, get_args(Split)
    for split in splits:
        limit = rows if isinstance(dataset, Generative) else None
        for things in dataset.open(split, place="streamed").chunks(PIECE, limit):
            count = len(things.index)
            numbers = things.index if isinstance(dataset, DSprites) else before + torch.arange(count)
            yield Pictures(numbers.cpu().numpy(), things.observations.cpu().numpy)
            before += count


def _rendered(dataset: Sprites, numbers: torch.Tensor) -> Bytes:
    found: Bytes = dataset.render(dataset.grid(numbers).latents, torch.device("cpu")).numpy()
    return found


def write_pictures(
    dataset: Dataset,
    table: DataFrame,
    folder: Path | str,
    rows: int = ROWS,
    tell: Callable[[int, int], None] = lambda done, count: None,
) -> DataFrame:
    """Write the picture of each row of `latent_table(dataset)` as a PNG file, and give the table with their `img_path`.

    Files are named by the number of the row, with as many digits as the count of rows has: 000000.png. Those that are
    there are left, so that what was interrupted goes on.
    """
    from PIL import Image

    folder = Path(folder).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    digits, done = len(str(len(table))), 0
    there = {path.name for path in folder.iterdir()}
    for pictures in observed(dataset, rows):
        names = [f"{number:0{digits}d}.png" for number in pictures.numbers.tolist()]
        done += len(names)
        if not there.issuperset(names):
            for name, picture in zip(names, pictures.make().transpose(0, 2, 3, 1), strict=True):
                if name not in there:
                    file = io.BytesIO()
                    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(file, "png")
                    write_whole(folder / name, file.getvalue())
        tell(done, len(table))
    paths = [str(folder / f"{number:0{digits}d}.png") for number in table.index]
    found = table.assign(img_path=paths)
    return found[[*(name for name in found.columns if name != "split"), *(["split"] if "split" in found else [])]]
