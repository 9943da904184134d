"""`kontrast embed` and `kontrast export`: files that leave kontrast."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kontrast import parts
from kontrast.cli.work import split_words, whole_number
from kontrast.export import FORMATS, embed, export
from kontrast.export.network import Format
from kontrast.passes import Layer
from kontrast.run import Run
from kontrast.text import plain
from kontrast.training.devices import chosen as chosen_device

EMBED = {"out", "layer", "samples", "skip", "checkpoint", "device"}
NAMED = 20


def embed_command(words: list[str]) -> None:
    """Write names, features and confidence of every picture in a folder to a file, piece by piece."""
    named, given = split_words(words)
    if len(named) != 2 or "out" not in given or set(given) - EMBED:
        raise ValueError(
            "write kontrast embed RUN FOLDER out=features.parquet (or .csv, .npz), with layer=feature|embedding|raw, "
            "samples=, skip=, checkpoint= or device="
        )
    run = Run(named[0])
    layer = cast(Layer, parts.choose(given.get("layer", "feature"), get_args(Layer), "layer"))
    samples, skip = (
        whole_number(field, given.get(field, default)) for field, default in (("samples", "1"), ("skip", "0"))
    )
    device = str(chosen_device(given.get("device", "cpu"), None))
    with _bar("embedding") as bar:
        task = bar.add_task("")
        found = embed(
            run,
            named[1],
            given["out"],
            layer=layer,
            samples=samples,
            skip=skip,
            step=_step(given),
            device=device,
            tell=lambda done, total: bar.update(task, completed=done, total=total),
        )
    beside = ", ".join(name for name in found.columns if name != "feature")
    said = f"{found.out}: {found.rows} pictures, {found.columns['feature']} features each"
    print(f"{said}, with {beside}" if beside else said)
    for name, why in sorted(found.skipped.items())[:NAMED]:
        print(f"left out: {plain(name)}: {plain(why)}")
    if len(found.skipped) > NAMED:
        print(f"left out: {len(found.skipped) - NAMED} more")


def export_command(words: list[str]) -> None:
    """Write the network of RUN to a file that other programs read."""
    named, given = split_words(words)
    if len(named) != 1 or "out" not in given or set(given) - {"out", "format", "checkpoint"}:
        raise ValueError(f"write kontrast export RUN out=FILE, with format={'|'.join(FORMATS)} or checkpoint=")
    chosen = given.get("format")
    format = None if chosen is None else cast(Format, parts.choose(chosen, FORMATS, "format"))
    out = export(Run(named[0]), Path(given["out"]), format, step=_step(given))
    print(f"{out}: {out.stat().st_size:,} bytes")


def _step(given: dict[str, str]) -> int | None:
    return None if given.get("checkpoint", "last") == "last" else whole_number("checkpoint", given["checkpoint"])


def _bar(what: str) -> Progress:
    """A line on the standard error stream, if it is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn(what), MofNCompleteColumn(), BarColumn(bar_width=32), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
