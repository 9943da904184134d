"""Multimodal3DIdent: pictures of seven objects, and a sentence about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import chz
import numpy as np
import torch
from numpy.typing import NDArray

from kontrast.datasets.archives import Bounds
from kontrast.datasets.causal3dident import SHAPES
from kontrast.datasets.download import Published
from kontrast.datasets.picture_files import Row
from kontrast.datasets.scenes import Scene, Scenes, numbered, seen, stamps
from kontrast.views import Factor, Split

SHARED = (
    Factor("object_shape", "discrete", 0.0, len(SHAPES) - 1.0, size=len(SHAPES)),
    Factor("object_xpos", "discrete", 0.0, 2.0, size=3),
    Factor("object_ypos", "discrete", 0.0, 2.0, size=3),
)
"""The latents that a picture and its sentence have in common."""
IMAGE = (
    *SHARED,
    *(Factor(f"object_{name}rot") for name in ("alpha", "beta", "gamma")),
    Factor("object_color", "periodic"),
    *(Factor(name) for name in ("spotlight_pos", "spotlight_color", "background_color")),
)
COLORS = 1107
"""Names of colors in the three palettes of Matplotlib (Tableau, CSS4, xkcd) that sentences take theirs from."""
TEXT = (
    Factor("object_color_index", "discrete", 0.0, COLORS - 1.0, size=COLORS),
    Factor("text_phrasing", "discrete", 0.0, 4.0, size=5),
)
CAP = 1 << 28
"""Bytes of a table or a text above which it is none of these."""


@chz.chz
class Multimodal3DIdent(Scenes):
    """Multimodal3DIdent: pictures of seven objects, 224 x 224, color, each with a sentence about it.

    Observations are uint8 [n, 3, size, size], decoded and resized once; labels int64 [n] are the objects. Latents
    float32 [n, 10] are the columns of latents_image.csv: object_shape in 0..6, object_xpos and object_ypos in 0..2,
    object_alpharot, object_betarot, object_gammarot, object_color, spotlight_pos, spotlight_color and background_color
    in [0, 1], of which object_color is a hue that goes once around the circle. The column object_zpos is 0 throughout
    and left out. With `text` there are two more, those that only the sentence has, of latents_text.csv:
    object_color_index, the number of a color's name among 1,107, and text_phrasing in 0..4. `sentences(split)` are the
    sentences themselves.

    The hues of spotlight and background go from -1/4 to 1/4 of the circle as the latent goes from 0 to 1; what is said
    of negative hues in ThreeDIdent may hold below 1/2. Any folder in the same layout is read: train/, val/ and test/
    with latents_image.csv, latents_text.csv, text/text_raw.txt and images/000000.png ... A FileNotFoundError if there
    is none; a ValueError for pictures, rows and sentences that are not equally many, other files among the pictures,
    columns that are missing, values out of range, tables that disagree about what they share, and pictures that cannot
    be read. The archive has no published checksum. Source: Daunhawer, Bizeul, Palumbo, Marx, Vogt, "Identifiability
    Results for Multimodal Contrastive Learning" (2023), arXiv:2303.09166; https://zenodo.org/records/7678231.
    """

    text: bool = chz.field(default=False, doc="whether the latents of the sentence alone are latents, too")
    part: Literal["test", "val"] = chz.field(default="test", doc="the rows of the test split: test, or val")

    inside: ClassVar[Mapping[Split, tuple[str, ...]]] = {
        "train": ("m3di/train", "train"),
        "test": ("m3di/test", "test"),
    }
    sign: ClassVar[str] = "latents_image.csv"
    folder: ClassVar[str] = "multimodal3dident"
    files: ClassVar[tuple[Published, ...]] = (
        Published(
            "m3di.tar.gz",
            0,
            "",
            ("https://zenodo.org/records/7678231/files/m3di.tar.gz?download=1",),
            Bounds("m3di", 36_000_000_000, 300_000),
            {f"{split}/{name}": 0 for split in ("train", "val", "test") for name in ("images", "latents_image.csv")},
        ),
    )

    @chz.validate
    def _known_part(self) -> None:
        if self.part not in ("test", "val"):
            raise ValueError(f"the test split is test or val, not {self.part!r}; write part=test")

    @property
    def classes(self) -> tuple[str, ...]:
        return SHAPES

    @property
    def factors(self) -> tuple[Factor, ...]:
        return IMAGE + TEXT if self.text else IMAGE

    def place(self, split: Split) -> str:
        found = super().place(split)
        return found if split == "train" else found.removesuffix("test") + self.part

    def scene(self, split: Split) -> Scene:
        base, inside = self.base(), self.place(split)
        stamp = stamps(base / inside, "latents_image.csv", "latents_text.csv", "images")
        found = seen(_scene, base, inside, stamp)
        return Scene(found.rows, found.latents[:, : len(self.factors)])

    def sentences(self, split: Split) -> tuple[str, ...]:
        """The sentence about each picture of a split."""
        path = self.base() / self.place(split) / "text/text_raw.txt"
        found = tuple(_short(path).read_text("utf-8").removesuffix("\n").split("\n"))
        if len(found) != (count := len(self.rows(split))):
            raise ValueError(f"{path} has {len(found):,} sentences for {count:,} pictures; get it anew")
        return found


def _short(path: Path) -> Path:
    if (size := path.stat().st_size) > CAP:
        raise ValueError(f"{path} has {size:,} bytes, more than the {CAP:,} that such a file may have; get it anew")
    return path


def _table(path: Path, factors: Sequence[Factor]) -> NDArray[np.float64]:
    """The columns [n, k] of a table that have the names of these factors, each within its range."""
    import pandas as pd

    try:
        table = pd.read_csv(_short(path), low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise ValueError(f"{path} is no table of comma-separated values ({error}); get it anew") from error
    if missing := [factor.name for factor in factors if factor.name not in table]:
        raise ValueError(f"{path} has no column {missing[0]!r}; get it anew")
    columns = []
    for factor in factors:
        column = pd.to_numeric(table[factor.name], errors="coerce").to_numpy(np.float64)
        good = (column >= factor.low) & (column <= factor.high)
        good &= (column == np.round(column)) | (factor.kind != "discrete")
        if not good.all():
            row = int((~good).argmax())
            what = "a whole number" if factor.kind == "discrete" else "a number"
            raise ValueError(
                f"row {row} of {path} has {str(table[factor.name].iloc[row])[:40]!r} as {factor.name}, not {what} in "
                f"[{factor.low:g}, {factor.high:g}]; get it anew"
            )
        columns.append(column)
    return np.stack(columns, 1)


def _scene(base: Path, inside: str) -> Scene:
    """The scene of a folder, with the latents of the sentences."""
    folder = base / inside
    image = _table(folder / "latents_image.csv", IMAGE)
    text = _table(folder / "latents_text.csv", SHARED + TEXT)
    if len(image) != len(text):
        raise ValueError(f"{folder} has latents of {len(image):,} pictures and {len(text):,} sentences; get it anew")
    bad = (image[:, : len(SHARED)] != text[:, : len(SHARED)]).any(1)
    if bad.any():
        raise ValueError(f"row {int(bad.argmax())} of the two tables in {folder} is not the same scene; get it anew")
    labels = image[:, 0].astype(int).tolist()
    pictures = numbered(base, f"{inside}/images", len(image))
    rows = tuple(Row(picture.name, label) for picture, label in zip(pictures, labels, strict=True))
    latents = np.concatenate((image, text[:, len(SHARED) :]), 1)
    return Scene(rows, torch.from_numpy(latents.astype(np.float32)))
