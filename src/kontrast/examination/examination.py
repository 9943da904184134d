"""An examination: probes asked of frozen networks about the same rows, each request encoded once for all of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kontrast.datasets import Dataset, Stored, Subset
from kontrast.datasets.dataset import Table
from kontrast.encoding import Encodings, Frozen, Rows, Store, origin
from kontrast.examination.answers import Answer, Found, as_scores, index_hash, split_hash
from kontrast.examination.naming import described, label
from kontrast.probes import Encoding, Probe
from kontrast.probes.probe import repeated
from kontrast.views import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("values", "labels", "latents", "concentration", "index", "spread", "digest")


class Question(NamedTuple):
    """A probe, the share of the training rows that it is fitted on, and the name of its scores."""

    probe: Probe
    fraction: float
    name: str


def check_fractions(fraction: float | Sequence[float]) -> tuple[float, ...]:
    """Shares of the training rows as a tuple; a ValueError unless there is one, and each is above 0 and up to 1."""
    fractions = (fraction,) if isinstance(fraction, int | float) else tuple(dict.fromkeys(fraction))
    for share in fractions:
        if not 0 < share <= 1:
            raise ValueError(f"a fraction of {share} of the training rows cannot be; write fraction=0.1")
    if not fractions:
        raise ValueError("no fraction of the training rows leaves nothing to fit; write fraction=1")
    return fractions


class Examination:
    """Probes, the shares of the training rows that each is fitted on, and the rows.

    What several probes ask of the same rows is encoded once, in one pass for all layers, and with a `store` kept.
    Scores of rows that are no run's `own` data are named by the data; `ceiling` names the network that is one.
    """

    def __init__(
        self,
        probes: Iterable[Probe],
        fractions: Sequence[float],
        rows: Rows,
        store: Store | None = None,
        *,
        own: Dataset | None = None,
        ceiling: str = "",
    ) -> None:
        other = rows.data if own is not None and rows.data != own else None
        every = ((probe, share) for probe in dict.fromkeys(probes) for share in fractions)
        self.questions = [Question(probe, share, label(probe, share, other)) for probe, share in every]
        self.rows, self.store, self.ceiling = rows, store, ceiling
        self.notes = told(other, rows.limit)
        if min(fractions) < 1 and rows.limit is not None and isinstance(rows.data, Stored):
            raise ValueError("fraction and limit both choose among the training rows; leave out one of them")
        self._chosen: dict[float, NDArray[np.int64]] = {}
        self.train = Encoding("train", data=self._subset(max(fractions)))

    def __call__(self, networks: Mapping[str, Frozen], *, raw: bool, lenient: bool, step: int, seed: int) -> Found:
        """The scores of the network named "trained", with those of the others, and of raw observations, beside them.

        `step` and `seed` are what the scores say of the first. With `lenient` a probe that fails is left out.
        """
        own = [(question, question.probe.layer) for question in self.questions]
        pixels = [(question, "raw") for question, layer in own if raw and layer == "feature"]
        answers = self.ask(networks, "trained", [*own, *pixels], lenient)
        asked = [(question, layer) for question, layer in own if (question.name, layer) in answers]
        beside = {
            name: self.ask(networks, name, [each for each in asked if each[1] != "raw"], lenient=True)
            for name in networks
            if name != "trained"
        }
        found = Found([], [])
        for question, layer in asked:
            answer = answers[question.name, layer]
            columns = {name: said.get((question.name, layer)) for name, said in beside.items()}
            columns["raw"] = answers.get((question.name, "raw")) if layer == "feature" else None
            if columns.get("ceiling") is not None:
                said = answer.scores._replace(protocol=f"{answer.scores.protocol}; ceiling: {self.ceiling}")
                answer = answer._replace(scores=said)
            found.scores.extend(as_scores(question.name, answer, step, seed, columns))
            found.panels.extend((question.name, panel) for panel in answer.scores.panels)
        return found

    def ask(
        self, networks: Mapping[str, Frozen], name: str, asked: Sequence[tuple[Question, str]], lenient: bool
    ) -> dict[tuple[str, str], Answer]:
        """The answers about one of the networks, by the name of the question and its layer.

        Where a probe fails a warning takes the place of its answer: of raw observations, and with `lenient` of all.
        """
        found = self._encoded(networks[name], name, asked)
        answers: dict[tuple[str, str], Answer] = {}
        for question, layer in asked:
            try:
                answers[question.name, layer] = self._answer(question, layer, found)
            except ValueError as error:
                raw = layer == "raw" != question.probe.layer
                if not raw and not lenient:
                    raise
                about = "raw observations" if raw else f"the {name} encoder"
                warnings.warn(f"{question.name} says nothing of {about}: {error}", stacklevel=2)
        return answers

    def _requests(self, probe: Probe) -> dict[str, Encoding]:
        """What a probe has encoded: under "train", "test", and the names that it gives with a dot before."""
        extra = {
            f".{name}": replace(request, data=self.train.data)
            if request.split == "train" and request.data in (None, self.rows.data)
            else request
            for name, request in probe.extra().items()
        }
        return {"train": self.train, "test": Encoding("test"), **extra}

    def _encoded(
        self, frozen: Frozen, role: str, asked: Sequence[tuple[Question, str]]
    ) -> dict[tuple[Encoding, str], Features | ValueError]:
        """What the network makes of all requests: one pass for each, or why that of an extra one cannot be."""
        layers: dict[Encoding, dict[str, None]] = {}
        needed = set[Encoding]()
        for question, layer in asked:
            for name, request in self._requests(question.probe).items():
                request = self.rows.plain(request)
                layers.setdefault(request, {})[layer] = None
                needed |= set() if name.startswith(".") else {request}
        encodings = Encodings(frozen, self.rows, self.store, role)
        found: dict[tuple[Encoding, str], Features | ValueError] = {}
        for request, names in layers.items():
            try:
                made: Mapping[str, Features | ValueError] = encodings(request, [*names])
            except (ValueError, FileNotFoundError):
                if request in needed:
                    raise
                made = {name: _or_why(encodings, request, name) for name in names}
            found |= {(request, layer): features for layer, features in made.items()}
        return found

    def _answer(
        self, question: Question, layer: str, found: Mapping[tuple[Encoding, str], Features | ValueError]
    ) -> Answer:
        requests = self._requests(question.probe)
        got = {name: found[self.rows.plain(request), layer] for name, request in requests.items()}
        features = {
            name: self._share(each, question.fraction)
            if requests[name].split == "train" and requests[name].data == self.train.data
            else each
            for name, each in got.items()
            if isinstance(each, Features)
        }
        train, test = features.pop("train"), features.pop("test")
        missing = [f"{name[1:]} left out: {each}" for name, each in got.items() if isinstance(each, ValueError)]
        try:
            said = question.probe(train, replace(test, extra={name[1:]: each for name, each in features.items()}))
        except ValueError as error:
            raise ValueError("; ".join([str(error), *missing])) from None
        again = repeated(train, test)
        notes = [
            said.protocol,
            f"layer: {layer}",
            *self.notes,
            self._said(question.fraction, len(train)),
            f"{again:,} of {len(test):,} test rows also occur in train" if again else "",
            *missing,
        ]
        return Answer(said._replace(protocol="; ".join(filter(None, notes))), split_hash(train, test))

    def _said(self, fraction: float, count: int) -> str:
        if fraction == 1:
            return ""
        how = "as many of each class" if self._balanced() else "at random"
        return f"fitted on {100 * fraction:g} % of the training rows, {count:,}, {how}"

    def _subset(self, fraction: float) -> Subset | None:
        """The data set whose training split are so many of the rows; None where it is the whole, or has no end."""
        data = self.rows.data
        if fraction == 1 or not isinstance(data, Stored):
            return None
        return Subset(of=data, fraction=fraction, balanced=self._balanced())

    def _balanced(self) -> bool:
        """Whether every training row has a label, without which there are no classes to balance."""
        source = self.rows.source(self.rows.data, "train")
        return isinstance(source, Table) and source.labels is not None and bool((source.labels >= 0).all())

    def _share(self, features: Features, fraction: float) -> Features:
        """The rows of a training split that a fraction is: the same ones for every network and method."""
        if fraction == 1 or features.index is None:
            return features
        subset = self._subset(fraction)
        if subset is None:
            return _select(features, np.arange(max(1, math.floor(fraction * len(features)))))
        if fraction not in self._chosen:
            self._chosen[fraction] = subset.rows("train").numpy()
        return _select(features, np.flatnonzero(np.isin(features.index, self._chosen[fraction])))


def told(data: Dataset | None, limit: int | None) -> list[str]:
    """What a protocol says of rows of other data than the run's own, and of a limit of their number."""
    other = [] if data is None else [f"train and test rows of other data: {described(data)}"]
    return [*other, *([] if limit is None else [f"at most {limit:,} rows of each split"])]


def _or_why(encodings: Encodings, request: Encoding, layer: str) -> Features | ValueError:
    """The features of a request at one layer alone: passes with dropout may be possible at one and not at another."""
    try:
        return encodings(request, [layer])[layer]
    except (ValueError, FileNotFoundError) as error:
        return ValueError(str(error))


def _select(features: Features, rows: NDArray[np.intp]) -> Features:
    columns = {name: getattr(features, name) for name in COLUMNS}
    return replace(features, **{name: column[rows] for name, column in columns.items() if column is not None})


def rows_hash(rows: Rows, fraction: float) -> str:
    """The hash of the rows of both splits, as a probe has it that is fitted on a fraction; "" of rows without end."""
    train = Examination([], [fraction], rows).train
    splits = []
    for request in (rows.plain(train), rows.plain(Encoding("test"))):
        assert request.data is not None
        source = rows.source(request.data, request.split)
        if not isinstance(source, Table):
            return ""
        splits.append((origin(request.data, request.split), source.index.numpy()))
    return index_hash(*splits)
