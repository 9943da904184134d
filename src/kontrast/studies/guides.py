"""The score that guides a search: a probe's, of training rows that it was not fitted on, and never of test rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import chz
import numpy as np

from kontrast.datasets import Stored, Subset
from kontrast.encoding import Encodings, Rows, Store
from kontrast.examination import Answer, as_scores, label, split_hash, told
from kontrast.experiment import Experiment
from kontrast.keeping import keep_scores
from kontrast.objectives import Supervised
from kontrast.parts import choose
from kontrast.probes import Encoding, Probe
from kontrast.questions import Asked
from kontrast.run import Run
from kontrast.scores import Score, read_scores
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD = "of held-out training rows"
SHARE = 0.2
"""The share of the training rows that a guide holds out."""


class Guide(NamedTuple):
    """A probe that guides a search, the metric of it that counts ("" for the mean, or its first), and of what rows."""

    probe: Probe
    metric: str = ""
    limit: int | None = None

    @property
    def name(self) -> str:
        """What its scores are called."""
        return f"{label(self.probe)} {HELD}"

    def chosen(self, scores: list[Score]) -> Score:
        """The score that counts of a run's. ValueError if it has none of that metric."""
        own = {score.metric: score for score in scores if score.probe == self.name}
        if self.metric:
            return own[choose(self.metric, own, f"score of {label(self.probe)}")]
        means = [score for score in own.values() if score.of == "mean"]
        return (means or [*own.values()])[0]


def guide_of(score: str, asked: Asked, experiment: Experiment, limit: int | None = None) -> Guide:
    """The guide that the name of a score says, "linear" or "Linear: accuracy", of the probes that are asked.

    ValueError, before anything is trained: for a probe that is not asked or needs more than features of rows, and where
    the encoder is told the truth of the rows that would be held out.
    """
    probes = {label(probe): probe for probe in asked.probes}
    if not probes:
        raise ValueError("no probe is asked that could guide a search; write ask=linear score=linear")
    said, _, metric = (word.strip() for word in score.partition(":"))
    near = [name for name in probes if name.lower().startswith(said.lower())]
    same = [name for name in near if name.lower() == said.lower()] or near
    probe = probes[same[0] if same else choose(said, probes, "probe asked of these runs")]
    if probe.extra():
        raise ValueError(f"{label(probe)} asks for more than rows, so it cannot guide a search; write score=linear")
    data = experiment.data
    knows = isinstance(experiment.objective, Supervised) or getattr(experiment.pairing, "key", "") == "label"
    if knows and isinstance(data, Stored) and _left_out(data) is None:
        raise ValueError(
            "training is told the labels of the rows that would guide the search; write data=Subset "
            f"data.of={type(data).__name__} data.holdout=0.2, so that it leaves some out"
        )
    return Guide(probe, metric, limit)


def _left_out(data: Stored) -> Subset | None:
    """The data whose test split are the rows that training leaves out; None where it leaves none out."""
    return chz.replace(data, test="held") if isinstance(data, Subset) and data.holdout and data.test == "own" else None


def guided(run: Run, guide: Guide) -> Score:
    """The score of a run that guides: it is asked once, and kept among the run's scores."""
    kept = run.path / "scores.json"
    scores = read_scores(kept) if kept.exists() else []
    if not any(score.probe == guide.name for score in scores):
        scores = _asked(run, guide)
        keep_scores(run.path, scores)
    return guide.chosen(scores)


def _asked(run: Run, guide: Guide) -> list[Score]:
    train, held, seen = _parts(run, guide)
    said = guide.probe(train, held)
    notes = [
        said.protocol,
        f"layer: {guide.probe.layer}",
        *told(None, guide.limit),
        f"fitted on {len(train):,} of the training rows and scored on {len(held):,} others, which {seen}",
        "this guides the search, and no test row does",
    ]
    answer = Answer(said._replace(protocol="; ".join(notes), panels=()), split_hash(train, held))
    return as_scores(guide.name, answer, run.checkpoint().step, run.experiment.seed, {})


def _parts(run: Run, guide: Guide) -> tuple[Features, Features, str]:
    """What the probe is fitted on, what it is scored on, and how the encoder knows the latter."""
    data, layer = run.experiment.data, guide.probe.layer
    rows = Rows(data, run.experiment.pairing, guide.limit)
    encodings = Encodings(run.frozen(rows), rows, Store(run.path / "features"))
    train = encodings(Encoding("train"), [layer])[layer]
    if isinstance(data, Stored) and (apart := _left_out(data)) is not None:
        return train, encodings(Encoding("test", data=apart), [layer])[layer], "training left out"
    assert train.index is not None
    if isinstance(data, Stored):
        held = np.isin(train.index, Subset(of=data, holdout=SHARE, test="held").rows("test").numpy())
    else:
        held = np.arange(len(train)) >= len(train) - math.floor(SHARE * len(train))
    if not held.any() or held.all():
        raise ValueError(f"{len(train)} training rows are too few to hold some out; write a larger limit")
    said = "the encoder saw without their truth" if isinstance(data, Stored) else "were drawn apart"
    return _select(train, ~held), _select(train, held), said


def _select(features: Features, rows: NDArray[np.bool_]) -> Features:
    columns = ("values", "labels", "latents", "concentration", "index", "spread", "digest")
    there = {name: getattr(features, name) for name in columns}
    return replace(features, **{name: column[rows] for name, column in there.items() if column is not None})
