"""`kontrast list` and `kontrast show`: what there is, and what an experiment consists of."""

from __future__ import annotations

import inspect

import chz
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast import methods, parts
from kontrast.augmentations import Augmentation
from kontrast.blueprints import values
from kontrast.datasets import Dataset
from kontrast.encoders import Encoder
from kontrast.experiment import Experiment
from kontrast.heads import Head
from kontrast.marginals import Marginal
from kontrast.objectives import Objective
from kontrast.optimizers import Optimizer
from kontrast.pairings import Pairing
from kontrast.probes import Comparison, Probe
from kontrast.probes.uncertainty import Measure
from kontrast.schedules import Schedule
from kontrast.similarities import Similarity
from kontrast.spaces import Space
from kontrast.teachers import Teacher
from kontrast.tuning import Tuning

FAMILIES: dict[str, type] = {
    "datasets": Dataset,
    "marginals": Marginal,
    "pairings": Pairing,
    "augmentations": Augmentation,
    "encoders": Encoder,
    "heads": Head,
    "spaces": Space,
    "teachers": Teacher,
    "objectives": Objective,
    "similarities": Similarity,
    "optimizers": Optimizer,
    "schedules": Schedule,
    "probes": Probe,
    "tunings": Tuning,
    "comparisons": Comparison,
    "measures": Measure,
}


def list_command(words: list[str]) -> None:
    """Print methods and parts; all families, or those named."""
    names = ["methods", *FAMILIES]
    chosen = [parts.choose(word, names, "family") for word in words] or names
    console = Console()
    for name in chosen:
        rows = (
            {key: _said(method) for key, method in methods.known().items()}
            if name == "methods"
            else {key: parts.summary(part) for key, part in parts.known(FAMILIES[name]).items()}
        )
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        table.add_column(no_wrap=True, style="bold", min_width=16)
        table.add_column()
        for key, text in rows.items():
            table.add_row(Text(key), Text(text))
        console.print(Text(name, "bold cyan"))
        console.print(table)


def _said(method: methods.Method) -> str:
    """What a method is, and the settings in which it was published."""
    settings = (
        f" Published: {', '.join(f'{method.name}-{name}' for name in method.settings)}." if method.settings else ""
    )
    return f"{inspect.getdoc(method)}{settings}"


def show_command(words: list[str]) -> None:
    """Print every field of a method's experiment."""
    if not words:
        raise ValueError(f"say which method to show: kontrast show METHOD, one of {', '.join(methods.known())}")
    method = methods.get(words[0])
    here = values(method.read(words[1:]))
    preset = {path: part.__name__ if isinstance(part, type) else part for path, part in method.values.items()}
    said = [word.partition("=")[0] for word in words[1:]]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("field", "value", "from", "meaning"):
        table.add_column(heading, no_wrap=heading == "field")
    for path, value in here.items():
        spoken = any(path == name or (name[:3] == "..." and f".{path}".endswith(name[2:])) for name in said)
        kept = path in preset and preset[path] == value
        origin = "command line" if spoken else method.name if kept or path == "method" else "default"
        style = "bold green" if spoken else "bold" if origin == method.name else ""
        table.add_row(Text(path), Text(str(value), style), Text(origin, "dim"), Text(_meaning(path, here), "dim"))
    console = Console()
    console.print(Text(method.name, "bold cyan") + Text(f"  {inspect.getdoc(method)}"))
    console.print(table)


def _meaning(path: str, flat: dict[str, object]) -> str:
    owner: type = Experiment
    *parents, name = path.split(".")
    for depth in range(len(parents)):
        field = chz.chz_fields(owner)[parents[depth]].meta_factory
        assert isinstance(field, parts.Named)
        owner = parts.resolve(field.family, str(flat[".".join(parents[: depth + 1])]))
    return str(chz.chz_fields(owner)[name]._doc)
