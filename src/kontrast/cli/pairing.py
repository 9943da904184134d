"""`kontrast data pairs`: draw pairs, say what became of their law, and save them as a table or as pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

import chz
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from kontrast import methods, parts
from kontrast.datasets import Dataset, Generative
from kontrast.datasets.picture_folder import PictureFolder, write_pictures
from kontrast.datasets.rendered import DRAWN
from kontrast.datasets.writing import Order
from kontrast.draws import generator
from kontrast.files import write_whole
from kontrast.pairings import Conditional, Pairing, PairTable, Realized, draw_pairs, realized
from kontrast.pairings.pair_tables import First
from kontrast.views import Split
from kontrast.words import built, whole_number

COUNT = 10_000
"""Pairs that are drawn where it is not said how many."""
MEASURED = 2000
"""Pairs of a table that is saved that are drawn once more to be measured, at most."""
TEST = 2000


@chz.chz
class _Asked(parts.Part):
    """Data and how they are paired, where no method says so."""

    data: Dataset = parts.field(Dataset, None, doc="what to pair")
    pairing: Pairing = parts.field(Pairing, Conditional, doc="how")


def pair_data(word: str, given: dict[str, str]) -> None:
    """Draw pairs of a method or a data set, and print what they are; save them where `out` or `render` says."""
    fields = dict(given)
    count, seed = (whole_number(name, fields.pop(name, str(least))) for name, least in (("rows", COUNT), ("seed", 0)))
    workers, test = (whole_number(name, fields.pop(name, str(n))) for name, n in (("workers", 1), ("test", TEST)))
    out, folder = fields.pop("out", None), fields.pop("render", None)
    first = cast(First, parts.choose(fields.pop("first", "rows"), get_args(First), "kind of anchor"))
    split = cast(Split, parts.choose(fields.pop("split", "train"), get_args(Split), "split"))
    asked = _asked(word, fields)
    dataset, pairing = asked.data, asked.pairing
    pairing.check(dataset)
    if out is not None and (folder is not None or isinstance(dataset, Generative)):
        raise ValueError(
            f"out= saves pairs of the rows of stored data, and render=FOLDER pictures of {type(dataset).__name__}; "
            "write one of them"
        )
    if folder is not None and not isinstance(dataset, Generative):
        raise ValueError(f"{type(dataset).__name__} has its pictures already; write out=pairs.csv instead of render=")
    source = pairing.open(dataset, split, place="streamed")
    if folder is not None:
        assert isinstance(dataset, Generative)
        render(dataset, draw_pairs(pairing, source, count, seed), Path(folder).expanduser(), seed, workers, test)
        return
    if out is not None:
        pairs = draw_pairs(pairing, source, count, seed, first)
        pairs.save(Path(out).expanduser())
        print(f"{out}: {len(pairs):,} pairs; train on them with pairing=Pairs pairing.table={out}")
        if not pairs.names:
            return
    show(realized(pairing, source, min(count, MEASURED) if out else count, seed, first), pairing)


def _asked(word: str, given: Mapping[str, str]) -> _Asked:
    """The data and the pairing of a method, or of a data set with fields data.field, or field alone, and pairing."""
    known = parts.known(Dataset)
    if word in known and word not in methods.known():
        own = {name: value for name, value in given.items() if name.partition(".")[0] in ("data", "pairing")}
        own |= {f"data.{name}": value for name, value in given.items() if name not in own}
        if own.get("pairing", "Conditional") == "Conditional" and not own.keys() & {"pairing.similarity"}:
            # What draws in any space; the noise is that of the preset for scenes.
            own = {"pairing.similarity": "Lp", "pairing.temperature": "0.045", **own}
        asked: _Asked = built(_Asked, {"data": word, **own})
        return asked
    experiment = methods.get(word).read([f"{field}={value}" for field, value in given.items()])
    return _Asked(data=experiment.data, pairing=experiment.pairing)


def render(dataset: Generative, pairs: PairTable, folder: Path, seed: int, workers: int, test: int) -> None:
    """Write both pictures of every pair into `folder`/train, the table beside it, and rows for testing.

    Rows 2 i and 2 i + 1 are pair i, so that pairs of the nominal law are trained from without rendering.
    """
    latents = torch.stack([pairs.z, pairs.zprime], 1).flatten(0, 1)
    if isinstance(dataset, PictureFolder) and dataset.kinds(latents) is not None:
        raise ValueError(
            f"{type(dataset).__name__} has a folder for each kind of row, which pairs have not; choose one"
        )
    order = Order(seed=seed, workers=workers)
    _write(dataset, latents, folder / "train", order)
    if test:
        _write(dataset, dataset.sample(test, generator(seed, "written", "test")), folder / "test", order)
    pairs.save(folder / "pairs.csv")
    name, shape = " ".join([type(dataset).__name__, *_options(dataset)]), dataset.shape
    print(
        f"{folder}: {len(pairs):,} pairs in {len(latents):,} pictures, and {test:,} to test; train on them with "
        f"data=Rendered data.of={name} data.root={folder} data.size={shape[-1]} data.channels={shape[0]} "
        f"pairing=Pairs pairing.table={folder / 'pairs.csv'}"
    )


def _options(dataset: Generative) -> list[str]:
    """The fields of a dataset that are not as they are by default, as a command line says them."""
    try:
        usual = chz.beta_to_blueprint_values(type(dataset)())
    except (TypeError, ValueError):
        usual = {}  # a dataset that has to be told more
    given = chz.beta_to_blueprint_values(dataset).items()
    said = {
        field: value.__name__ if isinstance(value, type) else value
        for field, value in given
        if field and value != usual.get(field)
    }
    return [f"data.of.{field}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for field, v in said.items()]


def _write(dataset: Generative, latents: Tensor, folder: Path, order: Order) -> None:
    write_pictures(dataset, latents, folder, order)
    target = io.BytesIO()
    np.save(target, latents.numpy().astype(np.float32), allow_pickle=False)
    write_whole(folder / DRAWN, target.getvalue())


def show(found: Realized, pairing: Pairing) -> None:
    """Print the law of pairs, latent by latent: as it was drawn, and as the rows show it."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("latent", "std drawn", "std shown", "kurtosis drawn", "kurtosis shown"):
        table.add_column(heading, justify="left" if heading == "latent" else "right")
    for one in found.spreads:
        numbers = (one.drawn, one.shown, one.drawn_kurtosis, one.shown_kurtosis)
        table.add_row(one.name, *("-" if number is None else f"{number:.3g}" for number in numbers))
    Console().print(table)
    print(
        f"{found.pairs:,} pairs of {type(pairing).__name__}; excess kurtosis is 0 for a normal law and 3 for Laplace's"
    )
    if found.hits is not None and found.distance is not None:
        print(
            f"{found.hits:.1%} of the draws were nearest to their anchor, and the second nearest row is shown; what is "
            f"shown is {found.distance:.3g} of a range away from what was drawn, on average"
        )
    if found.same:
        print(f"{found.same:.1%} of the pairs are of a row with itself")
