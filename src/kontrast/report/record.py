"""What one page of a report shows, and the files of a run folder it is read from: arrays and plain values only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kontrast.panels import Panel, read_panels
from kontrast.scores import Score, read_scores
from kontrast.text import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Factor(Protocol):
    """A latent to color by: its name, its kind ("continuous", "periodic" or "discrete") and its range."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


REPAIR = {
    "experiment.json": "train it again into another folder, or give a copy of the run that is whole",
    "environment.json": "remove that file, and the page goes without it",
}
"""What to do about a file of a run that is damaged."""


@dataclass(frozen=True)
class Record:
    """Everything that one page shows.

    `command` runs the experiment again; `experiment` maps its fields to values, flat ("objective.temperature") or
    nested; `metrics` are the rows of metrics.jsonl. `embedding` [n, d] holds held-out rows, with `labels` int [n]
    (-1: none) named by `classes`, or `latents` [n, k] described by `factors`. `pictures` shows the rows `pictured`
    of the embedding (the first ones if that is None), and `pairs` holds two equal arrays of views that the encoder
    was asked to match. Both are uint8 [m, h, w] or [m, h, w, c], or [m, d] for vectors, drawn as strips of color.
    `panels` are what probes show, each with the name of its probe.
    """

    title: str
    command: str
    experiment: Mapping[str, object]
    environment: Mapping[str, object]
    metrics: Sequence[Mapping[str, object]] = ()
    scores: Sequence[Score] = ()
    embedding: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    classes: Sequence[str] = ()
    latents: NDArray[Any] | None = None
    factors: Sequence[Factor] = ()
    pictures: NDArray[Any] | None = None
    pictured: NDArray[Any] | None = None
    pairs: tuple[NDArray[Any], NDArray[Any]] | None = None
    panels: Sequence[tuple[str, Panel]] = ()

    def __post_init__(self) -> None:
        rows = None if self.embedding is None else len(self.embedding)
        if self.embedding is not None and self.embedding.ndim != 2:
            raise ValueError(f"an embedding is a matrix [rows, dimensions], not of shape {self.embedding.shape}")
        for name in ("labels", "latents"):
            column = getattr(self, name)
            if column is not None and len(column) != rows:
                raise ValueError(f"{len(column)} {name} for {rows or 'no'} rows of the embedding; give one for each")
        if self.latents is not None and self.latents.shape[1:] != (len(self.factors),):
            raise ValueError(f"latents of shape {self.latents.shape} need one factor a column, not {len(self.factors)}")
        if self.pictures is not None:
            _check_shown(self.pictures, "pictures")
            if rows is None or len(self.rows) != len(self.pictures) or self.rows.max(initial=-1) >= rows:
                raise ValueError("every picture shows one row of the embedding; say which with pictured=[...]")
        if self.pairs is not None:
            if self.pairs[0].shape != self.pairs[1].shape:
                raise ValueError(f"pairs are two arrays of one shape, not {self.pairs[0].shape}, {self.pairs[1].shape}")
            _check_shown(self.pairs[0], "pairs")

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows of the embedding that the pictures show."""
        shown = np.arange(0 if self.pictures is None else len(self.pictures))
        return shown if self.pictured is None else np.asarray(self.pictured, dtype=np.int64)


def _check_shown(array: NDArray[Any], name: str) -> None:
    vectors = array.ndim == 2
    if not vectors and not (array.ndim == 3 or (array.ndim == 4 and array.shape[-1] in (1, 3))):
        raise ValueError(f"{name} are [n, h, w], [n, h, w, 1], [n, h, w, 3] or [n, d], not of shape {array.shape}")
    if not vectors and array.dtype != np.uint8:
        raise ValueError(f"{name} are uint8 from 0 to 255, not {array.dtype}; round them first")


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested fields as one level, joined by dots, with their values as one would write them."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            found[f"{prefix}{key}"] = ", ".join(map(_short, value)) or "none"
        else:
            found[f"{prefix}{key}"] = _short(value)
    return found


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_metrics(path: Path | str) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl. A last line that was torn by a crash is left out; any other is a ValueError."""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    rows: list[dict[str, Any]] = []
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        elif at < len(lines) - 1:
            raise ValueError(f"line {at + 1} of {path} is no row of metrics; remove that line")
    return rows


def read_run(folder: Path | str, *, title: str, command: str, **shown: Any) -> Record:
    """A record of the JSON files that a run folder has; `shown` are the record's arrays and what describes them."""
    folder = Path(folder)

    def read(name: str) -> dict[str, Any]:
        path = folder / name
        try:
            values = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (RecursionError, ValueError) as error:
            raise ValueError(f"{path} cannot be read ({plain(error, 120)}): {REPAIR[name]}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{path} must hold one JSON object")
        return values

    metrics, scores, panels = (folder / name for name in ("metrics.jsonl", "scores.json", "panels.json"))
    return Record(
        title=title,
        command=command,
        experiment=read("experiment.json"),
        environment=read("environment.json"),
        metrics=read_metrics(metrics) if metrics.exists() else [],
        scores=read_scores(scores) if scores.exists() else [],
        panels=read_panels(panels) if panels.exists() else [],
        **shown,
    )
