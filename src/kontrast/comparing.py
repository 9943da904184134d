"""Several runs together: whether they learned the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kontrast.datasets import Dataset
from kontrast.encoding import Encodings, Rows, Store, check_layers
from kontrast.examination import Answer, Found, as_scores, label, split_hash, told
from kontrast.probes import Comparison, Encoding
from kontrast.run import Run
from kontrast.views import Features


def compare(
    runs: Sequence[Run],
    *comparisons: Comparison,
    baselines: bool = True,
    step: int | None = None,
    limit: int | None = None,
    data: Dataset | None = None,
    cache: bool = True,
) -> Found:
    """Ask comparisons of two or more runs on the same rows, and with `baselines` of their untrained encoders.

    Options are those of `Run.examine`; protocols say which runs were compared. ValueError, before any encoding, where
    there is one run alone or the same one twice, where the runs were trained on different data and none is given, or
    where the data lack what a comparison needs.
    """
    first = runs[0]
    if len(runs) < 2:
        raise ValueError(f"{label(comparisons[0])} compares runs, and {first.path} is one; give two or more")
    _check_different(runs, step)
    if data is None and any(run.experiment.data != first.experiment.data for run in runs):
        raise ValueError("these runs were trained on different data; write data= for the rows to compare them on")
    for sentence in first.refusals(*comparisons, data=data).values():
        raise ValueError(sentence)
    layers = [*dict.fromkeys(comparison.layer for comparison in comparisons)]
    for run in runs:
        check_layers(run.experiment, layers)
    rows = Rows(data or first.experiment.data, first.experiment.pairing, limit)
    stores = [Store(run.path / "features") if cache else None for run in runs]
    both = [*zip(runs, stores, strict=True)]
    trained = [_encoded(run, rows, layers, step, False, store) for run, store in both]
    untrained = [_encoded(run, rows, layers, step, True, store) for run, store in both] if baselines else []
    other = data if any(data not in (None, run.experiment.data) for run in runs) else None
    notes = [*told(other, limit), _who(runs)]
    found, at = Found([], []), step if step is not None else first.checkpoint().step
    for comparison in dict.fromkeys(comparisons):
        (train, test), name = _at(trained, comparison.layer), label(comparison, data=other)
        said = comparison(train, test)
        said = said._replace(protocol="; ".join([said.protocol, f"layer: {comparison.layer}", *notes]))
        split = split_hash(train[0], test[0])
        before = Answer(comparison(*_at(untrained, comparison.layer)), split) if baselines else None
        found.scores.extend(as_scores(name, Answer(said, split), at, None, {"untrained": before}))
        found.panels.extend((name, panel) for panel in said.panels)
    return found


Encoded = dict[str, dict[str, Features]]
"""Features by split and layer."""


def _check_different(runs: Sequence[Run], step: int | None) -> None:
    """A ValueError if two of the runs are one: the same folder, or the same parameters."""
    folders, parameters = dict[Path, Run](), dict[str, Run]()
    for run in runs:
        if run.path.resolve() in folders:
            raise ValueError(f"{run.path} is given twice, and a run agrees with itself; give different runs")
        folders[run.path.resolve()] = run
    for run in runs:
        mark = run.checkpoint(step).state["fingerprint"]
        if mark in parameters:
            raise ValueError(
                f"{parameters[mark].path} and {run.path} have the same parameters, so they agree whatever they "
                "learned; give different runs"
            )
        parameters[mark] = run


def _who(runs: Sequence[Run]) -> str:
    """Which run is which: the ends of their paths that tell them apart, and their seeds."""
    paths = [run.path.resolve().parts for run in runs]
    ends = (["/".join(path[-depth:]) for path in paths] for depth in range(1, max(map(len, paths)) + 1))
    names = next(found for found in ends if len(set(found)) == len(found))
    each = zip(names, runs, strict=True)
    return ", ".join(f"run {at} is {name} (seed {run.experiment.seed})" for at, (name, run) in enumerate(each))


def _encoded(
    run: Run, rows: Rows, layers: Sequence[str], step: int | None, untrained: bool, store: Store | None
) -> Encoded:
    frozen, role = run.frozen(rows, untrained, step), "untrained" if untrained else "trained"
    if store is not None:
        store.prune({role: frozen.mark})
    encodings = Encodings(frozen, rows, store, role)
    return {"train": encodings(Encoding("train"), layers), "test": encodings(Encoding("test"), layers)}


def _at(encoded: Sequence[Encoded], layer: str) -> tuple[list[Features], list[Features]]:
    return [each["train"][layer] for each in encoded], [each["test"][layer] for each in encoded]
