"""Pictures that were rendered from a generative dataset and written to disk, with its own latents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import chz

from kontrast import parts
from kontrast.datasets import arrays
from kontrast.datasets.dataset import Dataset
from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.datasets.picture_folder import RECORD
from kontrast.datasets.stores import Holding
from kontrast.views import Factor, Split

DRAWN = "drawn.npy"
"""The latents [n, k] of a folder's pictures, in the units of the factors of the dataset that was rendered."""


@chz.chz
class Rendered(PictureFiles):
    """The pictures that `kontrast data pairs ... render=FOLDER` wrote: folders train and test in the layout of 3DIdent.

    Latents float32 [n, k] are those of the dataset that was rendered, `of`, as `drawn.npy` has them. Row 2 i of train
    and row 2 i + 1 are a pair, of the law that the pairing names: pairing=Pairs pairing.table=FOLDER/pairs.csv.
    A FileNotFoundError where nothing was rendered, a ValueError where it was another dataset or latents and pictures
    are not as many.
    """

    of: Dataset = parts.field(Dataset, None, doc="the generative dataset that was rendered")
    root: str = chz.field(doc="the folder that was rendered into")

    @property
    def factors(self) -> tuple[Factor, ...]:
        return self.of.factors

    def base(self) -> Path:
        return Path(self.root).expanduser()

    def rows(self, split: Split) -> Sequence[Row]:
        folder = self.base() / split
        if not (folder / RECORD).is_file():
            raise FileNotFoundError(
                f"nothing was rendered into {folder}; write kontrast data pairs ... render={self.root}"
            )
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.get("dataset") != type(self.of).__name__:
            found = record.get("dataset") if isinstance(record, dict) else "nothing known"
            raise ValueError(
                f"{folder} has pictures of {found}, not of {type(self.of).__name__}; write data.of={found}"
            )
        names = sorted(path.name for path in (folder / "images").iterdir() if path.suffix == ".png")
        return [Row(f"{split}/images/{name}") for name in names]

    def hold(self, split: Split) -> Holding:
        path = self.base() / split / DRAWN
        values = arrays.read(path, "f4", (None, len(self.factors)))
        latents = arrays.finite(path, values, len(self.rows(split)))
        held = super().hold(split)
        return replace(held, latents=latents[held.index])
