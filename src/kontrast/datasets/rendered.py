"""Pictures that were rendered from a generative dataset and written to disk, with its own latents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import chz

from kontrast import parts
from kontrast.datasets import arrays
from kontrast.datasets.dataset import Dataset
from kontrast.datasets.picture_files import PictureFiles, Row
from kontrast.datasets.picture_folder import DRAWN as DRAWN
from kontrast.datasets.picture_folder import RECORD
from kontrast.datasets.stores import Holding
from kontrast.views import Factor, Split

IMAGES = re.compile(r"images(?:_(\d{1,6}))?")


@chz.chz
class Rendered(PictureFiles):
    """The pictures that `kontrast data render` or `kontrast data pairs ... render=` wrote: folders train and test.

    Latents float32 [n, k] are those of the dataset that was rendered, `of`, as `drawn.npy` has them. Where pairs were
    rendered, row 2 i of train and row 2 i + 1 are one, of the law that the pairing names: pairing=Pairs
    pairing.table=FOLDER/pairs.csv. A FileNotFoundError where nothing was rendered, a ValueError where it was another
    dataset, or one with other factors, or latents and pictures are not as many as were to be rendered.
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
                f"nothing was rendered into {folder}; write kontrast data render {type(self.of).__name__} "
                f"out={self.root}, or kontrast data pairs ... render={self.root}"
            )
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.get("dataset") != type(self.of).__name__:
            found = record.get("dataset") if isinstance(record, dict) else "nothing known"
            raise ValueError(
                f"{folder} has pictures of {found}, not of {type(self.of).__name__}; write data.of={found}"
            )
        self._check_factors(folder, record.get("fields", {}))
        found = {int(name[1] or 0): path for path in folder.iterdir() if (name := IMAGES.fullmatch(path.name))}
        names = [
            f"{split}/{found[number].name}/{path.name}"
            for number in sorted(found)
            for path in sorted(found[number].iterdir())
            if path.suffix == ".png" and not path.name.startswith(".")
        ]
        if len(names) != record.get("rows"):
            raise ValueError(
                f"{folder} has {len(names):,} pictures of {record.get('rows')}; let its rendering go on with the same "
                "command"
            )
        return [Row(name) for name in names]

    def _check_factors(self, folder: Path, fields: Mapping[str, Any]) -> None:
        """ValueError that names the field by which what was rendered has other factors than `of`."""
        here = chz.beta_to_blueprint_values(self.of)
        for name, value in fields.items():
            there = tuple(value) if isinstance(value, list) else value
            if name not in chz.chz_fields(self.of) or here.get(name) == there:
                continue
            try:
                other = chz.replace(self.of, **{name: there})
            except (TypeError, ValueError):
                continue  # of another kind, or allowed together with other fields alone
            if other.factors != self.of.factors:
                told = ",".join(map(str, there)) if isinstance(there, tuple) else there
                raise ValueError(f"{folder} has pictures of other factors; write data.of.{name}={told}")

    def hold(self, split: Split) -> Holding:
        path = self.base() / split / DRAWN
        values = arrays.read(path, "f4", (None, len(self.factors)))
        latents = arrays.finite(path, values, len(self.rows(split)))
        held = super().hold(split)
        return replace(held, latents=latents[held.index])
