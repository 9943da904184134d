"""`kontrast theory` and `kontrast lab`: what an experiment should recover of its latents, and what it does recover."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast import methods
from kontrast.cli.work import split_words, truth
from kontrast.lab import Inversion, final_loss, invert
from kontrast.run import Run
from kontrast.theory import Prediction, check

MEANING = {
    "none": "nothing is promised",
    "linear": "the latents up to an affine map: linear R² is 1",
    "orthogonal": "the latents up to rotation, reflection, scale and shift: linear R² is 1, MCC need not be",
    "permutation and sign": "every latent by itself, up to order, sign, scale and shift: MCC is 1",
}
NUMBERS = {"supervised_steps": int, "limit": int, "threads": int}
WORDS = ("device", "only", "out")
SCORES = {"r2": "R²", "mcc": "MCC"}
MOST_SEEDS = 1000


def theory_command(words: list[str]) -> None:
    """Say what the theory predicts of METHOD, or of the run in a folder and how its loss compares."""
    named, given = split_words(words)
    if len(named) != 1:
        raise ValueError(
            "say what to check: kontrast theory METHOD [field=value ...], or kontrast theory RUN; METHOD is one of "
            f"{', '.join(methods.known())}"
        )
    loss = None
    if (Path(named[0]) / "experiment.json").is_file():
        if given:
            raise ValueError(f"a run is as it was trained; leave out {next(iter(given))}=")
        experiment, loss = Run(named[0]).experiment, final_loss(Path(named[0]))
    else:
        experiment = methods.get(named[0]).read([f"{field}={value}" for field, value in given.items()])
    print_prediction(check(experiment), Console(), loss)


def lab_command(words: list[str]) -> None:
    """Train METHOD and its supervised ceiling over seeds, and print what they recovered beside its floors."""
    named, given = split_words(words)
    if len(named) != 1:
        raise ValueError(f"say which method: kontrast lab METHOD, one of {', '.join(methods.known())}")
    where: dict[str, Any] = {field: given.pop(field) for field in WORDS if field in given}
    where |= {field: _whole(field, given.pop(field)) for field in NUMBERS if field in given}
    where["compile"] = truth(given.pop("compile", "False"), "compile")
    if "seeds" in given:
        where["seeds"] = read_seeds(given.pop("seeds"))
    for field in ("seed", "...seed"):
        if field in given:
            raise ValueError(f"the laboratory runs over seeds; write seeds={given[field]} instead of {field}=")
    experiment = methods.get(named[0]).read([f"{field}={value}" for field, value in given.items()])
    console = Console(stderr=True)
    found = invert(experiment, reseed_data="data.seed" not in given, console=console, **where)
    print_prediction(found.prediction, Console())
    print_inversion(found, Console())


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds as 0,1,2 or as 0..2. ValueError for anything else."""
    span = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", text)
    if span and 0 <= int(span[2]) - int(span[1]) < MOST_SEEDS:
        return tuple(range(int(span[1]), int(span[2]) + 1))
    if re.fullmatch(r"\d{1,9}(,\d{1,9})*", text):
        return tuple(map(int, text.split(",")))
    raise ValueError(f"seeds={text} are no seeds; write seeds=0,1,2 or seeds=0..2")


def _whole(field: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise ValueError(f"{field}={text} is no whole number; write {field}=1000")
    return int(text)


def print_prediction(prediction: Prediction, console: Console, loss: float | None = None) -> None:
    """What the theory says, a line or a few for each point; and the distance of a loss to it."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    promised = Text(MEANING[prediction.recovery], "green" if prediction.recovery != "none" else "yellow")
    table.add_row("recovers", promised)
    if prediction.recovery != prediction.otherwise:
        table.add_row("otherwise", f"if nothing were violated, {MEANING[prediction.otherwise]}")
    source = f" ({prediction.source})" if prediction.source else ""
    table.add_row("because", Text(prediction.reason + source))
    for number, sentence in enumerate(prediction.violated):
        table.add_row("violated" if not number else "", Text(sentence, "yellow"))
    if not prediction.violated:
        table.add_row("violated", "nothing")
    for label, sentence in _sentences(prediction, loss):
        table.add_row(label, Text(sentence))
    for number, sentence in enumerate(prediction.notes):
        table.add_row("note" if not number else "", Text(sentence, "dim"))
    console.print(table)


def _sentences(prediction: Prediction, loss: float | None) -> Iterator[tuple[str, str]]:
    if prediction.information is not None and prediction.candidates is not None:
        most = math.log(prediction.candidates)
        verdict = "more than these can show: saturated" if prediction.saturated else "which these can show"
        share = f"share I(z; z') = {prediction.information:.3f} nats"
        yield "pairs", f"{share}; log of {prediction.candidates:,} candidates is {most:.3f}: {verdict}"
    if prediction.floor is not None and prediction.least is not None:
        floor = f"loss - log M is at least {prediction.floor:.5f}"
        yield "loss floor", f"{floor}, so the loss at least {prediction.least:.4f}"
    if prediction.truth is not None and prediction.truth_error is not None:
        mean = f"{prediction.truth:.4f} ± {prediction.truth_error:.4f}"
        yield "at the truth", f"the loss of the true latents in such batches is {mean}"
    if prediction.self_pairs is not None:
        share = "" if prediction.self_share is None else f", {100 * prediction.self_share:.3g} % of the denominator"
        weight = f"{prediction.self_pairs:.4g} times all others"
        yield "self-pairs", f"as a candidate (own=True) an anchor would weigh {weight}{share}"
    if loss is not None:
        yield "this run", _compared(prediction, loss)


def _compared(prediction: Prediction, loss: float) -> str:
    gap = prediction.gap(loss)
    text = f"its final loss (mean over the last 5 % of its steps) is {loss:.4f}"
    if gap is None:
        return f"{text}; there is no formula to compare it with"
    than = "the true latents have" if prediction.truth is not None else "there can be"
    return f"{text}, {abs(gap):.4f} {'above' if gap >= 0 else 'below'} what {than}"


def print_inversion(found: Inversion, console: Console) -> None:
    """The table of the laboratory: encoders down, scores and costs across."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    for heading in (*SCORES.values(), "CPU min", "wall min", "loss", "gap"):
        table.add_column(heading, justify="right", no_wrap=True)
    encoders = list(dict.fromkeys(row.encoder for row in found.rows))
    for encoder in encoders:
        cells = [_pm(found.over_seeds(encoder, column)) for column in SCORES]
        for clock in ("cpu", "wall"):
            spent = found.over_seeds(encoder, clock)
            cells.append("" if spent is None else f"{spent[0] / 60:.{1 if spent[0] > 600 else 2}f}")
        cells += [_short(found.over_seeds(encoder, column)) for column in ("loss", "gap")]
        table.add_row(Text(encoder, "bold" if encoder == encoders[-1] else ""), *map(Text, cells))
    nulls = [_pm(found.over_seeds(encoders[-1], f"{column}_null")) for column in SCORES]
    table.add_row(Text("null", "dim"), *(Text(cell, "dim") for cell in nulls), "", "", "", "")
    console.print(table)
    console.print(Text(found.protocol, "dim"))
    console.print(Text(f"all numbers: {found.out / 'lab.json'}", "dim"))


def _pm(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.3f} ± {value[1]:.3f}"


def _short(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.4f}"
