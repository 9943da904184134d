"""`kontrast effects`: what training with each augmentation does to the recovery of each latent."""

from __future__ import annotations

from typing import Any

import chz
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kontrast import methods, parts
from kontrast.augmentations import Augmentation, Recipe
from kontrast.augmentations.recipe import SLOTS
from kontrast.cli.laboratory import read_seeds
from kontrast.cli.work import built, split_words, truth, whole_number
from kontrast.experiment import Experiment
from kontrast.lab import Effects, measure
from kontrast.lab.effects import Effect
from kontrast.lab.trials import MILD, NOTHING
from kontrast.pairings import Augmented
from kontrast.probes import Probe

NUMBERS = ("limit", "threads")
WORDS = ("device", "out")


def effects_command(words: list[str]) -> None:
    """Train METHOD with each augmentation alone and with none, over seeds, and print the map of effects."""
    named, given = split_words(words)
    if len(named) != 1 or "augmentations" not in given:
        raise ValueError(
            "say which method and which augmentations: kontrast effects simclr data=Sprites augmentations=crop,flip"
        )
    names = [name.strip() for name in given.pop("augmentations").split(",")]
    for name in names:
        parts.choose(name, SLOTS, "augmentation")
    where: dict[str, Any] = {field: given.pop(field) for field in WORDS if field in given}
    where |= {field: whole_number(field, given.pop(field)) for field in NUMBERS if field in given}
    where["compile"] = truth(given.pop("compile", "False"), "compile")
    if "seeds" in given:
        where["seeds"] = read_seeds(given.pop("seeds"))
    if "seed" in given:
        raise ValueError(f"effects are over seeds; write seeds={given['seed']} instead of seed=")
    where["readout"] = _readout(given)
    base = given.pop("base", "mild")
    own = {field: given.pop(field) for field in list(given) if field.partition(".")[0] in SLOTS}
    experiment = methods.get(named[0]).read([f"{field}={value}" for field, value in given.items()])
    changes = {name: _change(name, experiment, own) for name in dict.fromkeys(names)}
    if own:
        raise ValueError(f"{next(iter(own))} belongs to no augmentation tried; write it into augmentations=")
    found = measure(experiment, changes, base=_base(base, experiment), console=Console(stderr=True), **where)
    print_effects(found, Console())


def _readout(given: dict[str, str]) -> Probe:
    """The probe that reads factors off, with its readout.field=value options."""
    known = {name.lower(): cls for name, cls in parts.known(Probe).items()}
    name = parts.choose(given.pop("readout", "recovery").lower(), known, "readout")
    own = {field.partition(".")[2]: given.pop(field) for field in list(given) if field.startswith("readout.")}
    if "layer" in given:
        own["layer"] = given.pop("layer")
    probe: Probe = built(known[name], own)
    return probe


def _recipe(experiment: Experiment) -> Recipe:
    if not isinstance(experiment.pairing, Augmented):
        pairing = type(experiment.pairing).__name__
        raise ValueError(f"{pairing} augments nothing; name a method of pictures, as simclr")
    return experiment.pairing.recipe


def _change(name: str, experiment: Experiment, own: dict[str, str]) -> Augmentation:
    """The augmentation that is tried in a slot: the method's own, or else the usual one, with NAME.field=value."""
    there: Augmentation = getattr(_recipe(experiment), name) or SLOTS[name]()
    said = {field: own.pop(field) for field in list(own) if field.partition(".")[0] == name}
    options = {field.partition(".")[2]: value for field, value in said.items()}
    made = built(type(there), options)
    changed: Augmentation = chz.replace(there, **{field: getattr(made, field) for field in options})
    return changed


def _base(text: str, experiment: Experiment) -> Recipe:
    """The recipe that all runs share: mild, none, or slots of the method's own recipe by name."""
    if text in ("mild", "none"):
        return MILD if text == "mild" else NOTHING
    recipe = _recipe(experiment)
    kept = [parts.choose(name.strip(), ("mild", "none", *SLOTS), "base") for name in text.split(",")]
    missing = next((name for name in kept if name in ("mild", "none") or getattr(recipe, name) is None), None)
    if missing:
        raise ValueError(f"the method's own recipe has no {missing}; write pairing.recipe.{missing}=, or base=mild")
    return chz.replace(recipe, **{slot: None for slot in SLOTS if slot not in kept})


def print_effects(found: Effects, console: Console) -> None:
    """The map as a table: augmentations down, factors across, what the base recovers above."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    panel = found.panel
    table.add_column("", no_wrap=True)
    for factor in panel.columns:
        table.add_column(factor, justify="right")
    table.add_row(Text("base", "dim"), *(Text(f"{found.base(factor):.2f}", "dim") for factor in panel.columns))
    for row in panel.rows:
        cells = [found.of(row, factor) for factor in panel.columns]
        table.add_row(row, *(Text(_shown(cell), "bold" if cell.high < 0 else "") for cell in cells))
    console.print(table)
    console.print(Text(found.protocol, "dim"))
    console.print(Text(f"all numbers: {found.out / 'effects.json'}", "dim"), soft_wrap=True)


def _shown(cell: Effect) -> str:
    return f"{cell.delta:+.2f} ±{(cell.high - cell.low) / 2:.2f}"
