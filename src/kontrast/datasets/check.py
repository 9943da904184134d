"""What is wrong with a dataset: all of it, in one pass, before a network is trained on it."""

from __future__ import annotations

import contextlib
import warnings
from typing import get_args

from kontrast.datasets.dataset import Dataset, Fault, Stored
from kontrast.datasets.download import Downloadable, cache
from kontrast.datasets.stores import Holding
from kontrast.views import Split


def check(dataset: Dataset) -> list[Fault]:
    """Everything that is wrong with a dataset, each fault with its place; empty for a sound one.

    Files that are missing; downloaded ones that are not what was published, by their checksum; pictures that cannot be
    decoded, each by its name, though `skip` may allow them; decoded pictures in the cache that have changed;
    observations of another shape than promised; labels that are no class, classes that only the test split has, and
    latents that are no numbers. What is drawn and rendered has no faults.
    """
    if not isinstance(dataset, Stored):
        return []
    faults = _files(dataset) if isinstance(dataset, Downloadable) else []
    splits: tuple[Split, ...] = get_args(Split)
    for split in splits:
        faults += dataset.faults(split)
    held: dict[Split, Holding] = {}
    for split in splits:
        # What cannot be opened has been found by now.
        with contextlib.suppress(OSError, ValueError), warnings.catch_warnings(action="ignore"):
            held[split] = dataset.hold(split)
            faults += _columns(dataset, split, held[split])
    return list(dict.fromkeys(faults + _classes(dataset, held)))


def _files(dataset: Downloadable) -> list[Fault]:
    """Downloaded files that are not what was published. Other folders may hold other data in the same format."""
    faults = []
    for file in dataset.wanted:
        path = cache() / dataset.folder / file.name
        if not path.is_file():
            continue
        if wrong := file.wrong(path):
            again = f"delete it and run `kontrast data get {dataset.called}`"
            faults.append(Fault(str(path), f"{wrong}: {again}"))
    return faults


def _columns(dataset: Stored, split: Split, held: Holding) -> list[Fault]:
    found = []
    if held.store.shape[1:] != dataset.shape:
        found.append(f"observations of shape {held.store.shape[1:]}, not {dataset.shape}")
    if held.labels is not None:
        wrong = (held.labels < -1) | (held.labels >= len(dataset.classes))
        found += [
            f"row {row} has the label {int(held.labels[row])}, but there are {len(dataset.classes)} classes"
            for row in wrong.nonzero()[:, 0].tolist()
        ]
    if held.latents is not None:
        rows = (~held.latents.isfinite()).any(1).nonzero()[:, 0].tolist()
        found += [f"row {row} has latents that are no numbers" for row in rows]
    return [Fault(split, fault) for fault in found]


def _classes(dataset: Stored, held: dict[Split, Holding]) -> list[Fault]:
    """Classes that nothing can learn."""
    found = {split: set(columns.labels.tolist()) for split, columns in held.items() if columns.labels is not None}
    train, test = found.get("train", set()), found.get("test", set())
    if train <= {-1}:
        return []
    return [
        Fault("test", f"class {dataset.classes[label]!r} has pictures to test on, but none to train on")
        for label in sorted(test - train - {-1})
    ]
