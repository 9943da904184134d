"""`kontrast data`: which data sets there are, how they come here, what is wrong with them, and how views look."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import chz
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast import methods, parts
from kontrast.augmentations import Augmentation, Recipe, alone
from kontrast.cli.pairing import pair_data
from kontrast.cli.rendering import render_data
from kontrast.cli.tabling import table_data
from kontrast.cli.work import built, split_words, whole_number
from kontrast.datasets import Dataset, Downloadable, Generative, ImageFolder, PictureFiles, check, download
from kontrast.datasets.download import ByHand
from kontrast.draws import Draws
from kontrast.experiment import Experiment
from kontrast.files import write_whole
from kontrast.sheets import Column, Picture, labeled
from kontrast.text import plain
from kontrast.training.pictures import drawable, recipes, seen
from kontrast.views import Split, Things, Views

USAGE = (
    "write kontrast data, kontrast data get NAME [field=value ...] [to=FOLDER], "
    "kontrast data check NAME|FOLDER [field=value ...], "
    "kontrast data render NAME [field=value ...] out=FOLDER [rows=N] [test=N] [seed=0] [workers=2] [shard=1/16], "
    "kontrast data pairs METHOD|NAME [field=value ...] [rows=10000] [out=pairs.csv | render=FOLDER], "
    "kontrast data table NAME [field=value ...] out=table.csv [rows=10000] [test=.1 seed=0] [pictures=FOLDER], or "
    "kontrast data preview METHOD [field=value ...] [out=FILE.png] [pictures=8]"
)
MOST = 64
"""Pictures on a preview."""


def data_command(words: list[str]) -> None:
    """List data sets, fetch one, check one, or draw what augmentations make of it."""
    if not words:
        list_data()
        return
    named, given = split_words(words)
    verbs = {
        "get": get_data,
        "check": check_data,
        "preview": preview_data,
        "pairs": pair_data,
        "render": render_data,
        "table": table_data,
    }
    if len(named) != 2 or named[0] not in verbs:
        raise ValueError(USAGE)
    verbs[named[0]](named[1], given)


def list_data() -> None:
    """Print each data set, what it is, and whether it lies here or how it comes here."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("data", "here", "how", "what"):
        table.add_column(heading, no_wrap=heading in ("data", "here"))
    for name, cls in parts.known(Dataset).items():
        here, how = _state(name, cls)
        style = {"yes": "green", "no": "yellow"}.get(here, "dim")
        table.add_row(Text(name, "bold"), Text(here, style), Text(how), Text(parts.summary(cls).split(". ")[0], "dim"))
    console = Console()
    console.print(table)
    console.print(Text(f"downloaded data lie in {download.cache()}; KONTRAST_DATA names another folder", "dim"))


def _state(name: str, cls: type) -> tuple[str, str]:
    if issubclass(cls, Generative):
        return "drawn", f"data={name}"
    if issubclass(cls, Downloadable):
        files = cls().wanted
        size = (
            f"{sum(file.size for file in files) / 1e6:,.0f} MB" if all(file.size for file in files) else "size unknown"
        )
        try:
            where = cls().find(None)
        except FileNotFoundError:
            return "no", f"kontrast data get {name} ({size})"
        return "yes", f"data={name} ({where})"
    if issubclass(cls, ByHand) and issubclass(cls, PictureFiles):
        try:
            return "yes", f"data={name} ({cls().base()})"
        except FileNotFoundError:
            return "no", f"by hand: kontrast data get {name} says how"
    if any(getattr(field.meta_factory, "family", None) is Dataset for field in chz.chz_fields(cls).values()):
        return "part", f"data={name}"
    needed = [
        field.name
        for field in inspect.signature(cls).parameters.values()
        if field.kind is field.KEYWORD_ONLY and field.default is field.empty
    ]
    own = " ".join(f"data.{field}=..." for field in needed)
    return ("yours", f"data={name} {own}") if needed else ("yes", f"data={name}")


def get_data(name: str, given: dict[str, str]) -> None:
    """Download a published data set, and say where it lies."""
    to = given.pop("to", None)
    print(download.get(built(download.downloadable(name), given), to))


def check_data(word: str, given: dict[str, str]) -> None:
    """Print everything that is wrong with a data set, or with a folder of pictures."""
    known = parts.known(Dataset)
    if word not in known and Path(word).expanduser().is_dir():
        dataset: Dataset = built(ImageFolder, {"root": word, **given})
    else:
        dataset = built(known[parts.choose(word, known, "data set or folder")], given)
    faults = check(dataset)
    for fault in faults:
        print(f"{plain(fault.where)}: {plain(fault.what, 2000)}")
    if faults:
        raise ValueError(f"{word} has {len(faults)} fault{'s' * (len(faults) > 1)}; each is a line above")
    print(f"{word}: nothing is wrong ({', '.join(_counted(dataset))})")


def _counted(dataset: Dataset) -> Iterator[str]:
    if isinstance(dataset, Generative):
        yield "drawn and rendered as it is needed"
        return
    splits: tuple[Split, ...] = get_args(Split)
    for split in splits:
        try:
            yield f"{dataset.open(split, place='streamed').count:,} rows in {split}"
        except (ValueError, FileNotFoundError) as error:
            yield f"no {split} split: {error}"
    if dataset.classes:
        yield f"{len(dataset.classes)} classes"


def preview_data(method: str, given: dict[str, str]) -> None:
    """Draw a sheet of pictures, their views by the pairing of a method, and each operation alone."""
    out, count = Path(given.pop("out", "preview.png")), whole_number("pictures", given.pop("pictures", "8"))
    if not 1 <= count <= MOST:
        raise ValueError(f"a preview shows 1 to {MOST} pictures, not {count}; write pictures=8")
    if out.suffix.lower() != ".png":
        raise ValueError(f"a preview is a PNG file, not {out.name}; write out=preview.png")
    experiment = methods.get(method).read([f"{field}={value}" for field, value in given.items()])
    source = experiment.pairing.open(experiment.data, place="streamed")
    count = count if source.count is None else min(count, source.count)
    draws = Draws(experiment.seed, 0, count)
    things = source.batch(draws)
    views = experiment.pairing(things, source, draws)
    if not drawable(things.observations):
        raise ValueError(f"{type(experiment.data).__name__} shows no pictures of 1 or 3 channels, so there is no sheet")
    columns = [*_columns(experiment, things, views, draws)]
    write_whole(out, labeled(columns, [_name(experiment, things, row) for row in range(count)]))
    print(f"{out}: {count} pictures, {len(columns)} columns")


def _columns(experiment: Experiment, things: Things, views: Views, draws: Draws) -> Iterator[Column]:
    yield Column("original", _pixels(seen(things.observations)), "", seen(things.observations))
    made = recipes(experiment.pairing, views)
    for number, (each, recipe) in enumerate(zip(views.views, made, strict=True), 1):
        if drawable(each):
            shown = seen(each, recipe)
            yield Column(f"view {number}", _pixels(shown), "views, as they enter the network", shown)
    distinct = [recipe for k, recipe in enumerate(made) if recipe is not None and recipe not in made[:k]]
    for recipe in distinct:
        whose = ", ".join(str(number) for number, other in enumerate(made, 1) if other == recipe)
        block = f"each operation{f' of view {whose}' * (len(distinct) > 1)} alone, applied to all"
        first: dict[str, Augmentation] = {}
        if recipe is not distinct[0]:
            block, first = f"own to view {whose}", distinct[0].steps()
        noise = draws.noise(things.index, things.epoch, "view", made.index(recipe))
        for name, (change, detail) in _operations(recipe).items():
            if first.get(name) != recipe.steps()[name]:
                yield Column(name.replace("_", " "), detail, block, seen(change(things.observations, noise)))


def _operations(recipe: Recipe) -> dict[str, tuple[Augmentation, str]]:
    """Each change of a recipe alone and certain, and how probable it is in the recipe."""
    found: dict[str, tuple[Augmentation, str]] = {}
    for name, single in alone(recipe).items():
        part = getattr(single, name)
        p = part.p if "p" in chz.chz_fields(part) else 1.0
        certain = chz.replace(single, **{name: chz.replace(part, p=1.0)}) if p < 1 else single
        found[name] = certain, "always" if p == 1 else f"p = {p:g}"
    return found


def _pixels(pictures: Sequence[Picture]) -> str:
    height, width, _ = pictures[0].shape
    return f"{width} x {height}"


def _name(experiment: Experiment, things: Things, row: int) -> str:
    label = -1 if things.labels is None else int(things.labels[row])
    classes = experiment.data.classes
    return plain(classes[label], 24) if 0 <= label < len(classes) else f"row {int(things.index[row])}"
