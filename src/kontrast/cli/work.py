"""`kontrast train`, `probe`, `embed` and `data`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast, get_args

import chz
import numpy as np
from chz.blueprint import Castable
from chz.blueprint._entrypoint import EntrypointException
from rich.console import Console

from kontrast import methods, parts
from kontrast.datasets import ImageFolder, download
from kontrast.passes import Layer
from kontrast.probes import Probe
from kontrast.report import print_scores
from kontrast.run import Run
from kontrast.scores import Score, read_scores, write_scores
from kontrast.training import train
from kontrast.views import Split

WHERE = {"out": str, "device": str, "threads": int, "save_seconds": float}
"""Arguments of `train` that say where and how, not what: no part of the experiment."""


def split_words(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words as they are, and field=value arguments by field."""
    named = [word for word in words if "=" not in word]
    given = dict(word.split("=", 1) for word in words if "=" in word)
    return named, given


def truth(text: str, field: str) -> bool:
    """True or False, as a command line says it."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError(f"{field}={text} is neither True nor False; write {field}=True")
    return words[text.lower()]


def train_command(words: list[str]) -> None:
    """Train METHOD, or go on with the run in out= where resume=True and no method is named."""
    named, given = split_words(words)
    resume = truth(given.pop("resume", "False"), "resume")
    where: dict[str, Any] = {"compile": truth(given.pop("compile", "False"), "compile")}
    for field in list(given):
        if field in WHERE:
            where[field] = _number(field, given.pop(field))
    if len(named) > 1:
        raise ValueError(f"train takes one method, not {' '.join(named)}; write options as field=value")
    arguments = [f"{field}={value}" for field, value in given.items()]
    if named:
        experiment = methods.get(named[0]).read(arguments)
    elif resume and "out" in where and not arguments:
        experiment = Run(where["out"]).experiment
    else:
        raise ValueError(f"say what to train: kontrast train METHOD, one of {', '.join(methods.known())}")
    console = Console(stderr=True)
    run = train(experiment, resume=resume, console=console, **where)
    found = run.checkpoint()
    print(f"{run.path}: step {found.step}, parameters {found.state['fingerprint'][:16]}")
    print(f"next: kontrast probe {run.path}    kontrast report {run.path}")


def _number(field: str, text: str) -> Any:
    try:
        return WHERE[field](text)
    except ValueError:
        raise ValueError(f"{field}={text} is no number; write {field}=2") from None


def probe_command(words: list[str]) -> None:
    """Ask probes of a run, print a table, and keep the scores in the run's folder."""
    named, given = split_words(words)
    if not named:
        raise ValueError("say which run to probe: kontrast probe runs/simclr linear knn")
    run = Run(named[0])
    step = int(_digits("checkpoint", given.pop("checkpoint"))) if given.get("checkpoint", "last") != "last" else None
    given.pop("checkpoint", None)
    limit = int(_digits("limit", given.pop("limit"))) if "limit" in given else None
    rows = run.probe(*choose_probes(named[1:], given, run), step=step, limit=limit)
    keep_scores(run.path, rows)
    print_scores(rows, Console())


def _digits(field: str, text: str) -> str:
    if not text.isdigit():
        raise ValueError(f"{field}={text} is no whole number; write {field}=1000")
    return text


def choose_probes(names: list[str], options: dict[str, str], run: Run) -> list[Probe]:
    """Probes by name, whatever the case, with `probe.field=value` options; without a name, all that the data allow."""
    known = {name.lower(): cls for name, cls in parts.known(Probe).items()}
    if not names:
        names = ["linear", "knn"] if run.experiment.data.classes else []
        names += ["recovery", "mcc"] if run.experiment.data.factors else []
    if not names:
        raise ValueError(
            f"{type(run.experiment.data).__name__} has neither labels nor latents, so there is nothing to probe"
        )
    chosen = [parts.choose(name.lower(), known, "probe") for name in names]
    for field in options:
        if field.partition(".")[0].lower() not in chosen:
            raise ValueError(f"{field} belongs to no probe asked for; write options as {chosen[0]}.field=value")
    made: list[Probe] = []
    for name in chosen:
        own = {f.partition(".")[2]: Castable(v) for f, v in options.items() if f.partition(".")[0].lower() == name}
        for field in own:
            parts.choose(field, chz.chz_fields(known[name]), f"field of {known[name].__name__}")
        try:
            made.append(chz.Blueprint(known[name]).apply(own).make())
        except EntrypointException as error:
            raise ValueError(f"an option of {name} cannot be read: {str(error).splitlines()[0]}") from None
    return made


def keep_scores(folder: Path, rows: list[Score]) -> None:
    """Write scores.json: these rows, and those of other probes of the same checkpoint that were there."""
    path = folder / "scores.json"
    probed, at = {row.probe for row in rows}, {row.step for row in rows}
    there = read_scores(path) if path.exists() else []
    before = [row for row in there if row.probe not in probed and row.step in at]
    write_scores(path, [*before, *rows])


def embed_command(words: list[str]) -> None:
    """Write the features of a folder of pictures, with their names and how certain they are, to a file."""
    named, given = split_words(words)
    if len(named) != 2 or "out" not in given or set(given) - {"out", "layer", "samples"}:
        raise ValueError(
            "write kontrast embed RUN FOLDER out=features.npz (or .csv, .parquet), with layer= or samples="
        )
    run, out = Run(named[0]), Path(given["out"])
    if out.suffix not in (".npz", ".csv", ".parquet"):
        raise ValueError(f"features go to a .npz, .csv or .parquet file, not to {out.name}")
    layer = cast(Layer, parts.choose(given.get("layer", "feature"), get_args(Layer), "layer"))
    samples = int(_digits("samples", given.get("samples", "1")))
    shape = run.experiment.data.shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(f"this run was trained on observations of shape {shape}, not on pictures")
    folder = ImageFolder(root=named[1], size=shape[1], channels=shape[0], test=0.0)
    every: tuple[Split, ...] = ("train", "test")
    splits = [split for split in every if folder.names(split)]
    names = [name for split in splits for name in folder.names(split)]
    found = [run.encode(split, layer, data=folder, samples=samples) for split in splits]
    certain = {
        name: np.concatenate([getattr(each, name) for each in found])
        for name in ("concentration", "spread")
        if getattr(found[0], name) is not None
    }
    features = np.concatenate([each.values for each in found])
    _write_features(out, names, features, certain)
    print(f"{out}: {len(features)} pictures, {features.shape[1]} features each")


def _write_features(out: Path, names: list[str], features: Any, certain: dict[str, Any]) -> None:
    """A row for each picture, whole or not at all."""
    partial = out.with_name(f".partial-{out.name}")
    if out.suffix == ".npz":
        with partial.open("wb") as file:
            np.savez(file, name=np.array(names), feature=features, **certain)
    else:
        import pandas as pd

        table = pd.DataFrame(features, columns=[f"feature_{k}" for k in range(features.shape[1])])
        table = table.assign(**certain)
        table.insert(0, "name", names)
        if out.suffix == ".csv":
            table.to_csv(partial, index=False)
        else:
            try:
                table.to_parquet(partial, index=False)
            except ImportError:
                raise ValueError("parquet needs pyarrow: pip install 'kontrast[parquet]', or write .csv") from None
    os.replace(partial, out)


def data_command(words: list[str]) -> None:
    """Fetch a data set: kontrast data get NAME."""
    named, given = split_words(words)
    if len(named) != 2 or named[0] != "get" or set(given) - {"to"}:
        raise ValueError("write kontrast data get NAME, as in kontrast data get FashionMNIST")
    print(download.get(named[1], given.get("to")))
