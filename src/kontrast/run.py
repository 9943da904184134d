"""A run: the folder in which an experiment was trained, and what can be asked of it."""

from __future__ import annotations

import functools
import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from kontrast import blueprints, checkpoints
from kontrast.checkpoints import Checkpoint, DamagedCheckpoint
from kontrast.datasets import Dataset
from kontrast.draws import generator
from kontrast.encoding import CHUNK, Encodings, Frozen, Rows, Store, check_layers, digests, estimate, normalizing
from kontrast.examination import Examination, Found, check_fractions
from kontrast.experiment import Experiment
from kontrast.model import Student
from kontrast.objectives import Supervised
from kontrast.probes import Comparison, Encoding, Probe
from kontrast.scores import Score
from kontrast.views import Features, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

P = TypeVar("P", Probe, Comparison)
ESTIMATED = 4000
"""Training rows that an untrained network's batch statistics are estimated on."""


class Run:
    """A trained experiment in its folder.

    ValueError if the folder holds no run, or one that this version cannot read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / "experiment.json").is_file():
            raise ValueError(f"{self.path} is no run: it has no experiment.json; give the out= of a kontrast train")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @functools.cached_property
    def experiment(self) -> Experiment:
        """What was trained."""
        path = self.path / "experiment.json"
        try:
            flat = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path} is damaged: it is not JSON") from None
        return blueprints.read(flat)

    def checkpoint(self, step: int | None = None) -> Checkpoint:
        """The checkpoint of a step; by default the last one that is whole, saying so if a later one is damaged."""
        folder = self.path / "checkpoints"
        if step is not None:
            if step not in checkpoints.steps(folder):
                there = ", ".join(map(str, checkpoints.steps(folder))) or "none"
                raise ValueError(f"{self.path} has no checkpoint of step {step}; there are: {there}")
            return checkpoints.load(folder / f"step-{step:09d}")
        found, damaged = checkpoints.latest(folder)
        if found is None:
            why = f": {damaged[0]}" if damaged else "; train it first"
            raise DamagedCheckpoint(f"{self.path} has no checkpoint that can be read{why}")
        for sentence in damaged:
            warnings.warn(f"{sentence}; using step {found.step} instead", stacklevel=2)
        return found

    def student(self, untrained: bool = False, step: int | None = None) -> Student:
        """The encoder, head and space in evaluation mode.

        Where the experiment keeps an `average` of the weights, it is that.

        `untrained`: with the weights from before the first step, and with the batch statistics that training would have
        estimated, if the network has any: without them the baseline would be a network that nobody uses.
        """
        student = self.experiment.model().student
        if untrained:
            estimate(student, self.experiment.data.open("train").chunks(CHUNK, ESTIMATED))
        else:
            prefix = "model.student." if self.experiment.average is None else "average."
            tensors = self.checkpoint(step).tensors
            student.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        return student.eval()

    def encode(
        self,
        split: Split,
        layer: str = "feature",
        *,
        data: Dataset | None = None,
        untrained: bool = False,
        step: int | None = None,
        limit: int | None = None,
        samples: int = 1,
    ) -> Features:
        """What the frozen encoder makes of a split: its feature, its embedding, or the raw observations as vectors.

        Or what one of its blocks gives ("stem", "block1", ...), averaged over the picture or over tokens.

        `data` is another data set than the run's own, of the same shape; `step` a checkpoint other than the last.
        `limit` takes so many rows; a data set without end gives 20,000 unless it says otherwise. Embeddings come with
        the `concentration` of their space, if it says how certain a point is.

        With `samples` = S > 1 each row passes S times, with dropout as in training and batch normalization as it was
        learned (Monte Carlo dropout, Gal and Ghahramani 2016, arXiv 1506.02142), and the mean is its value; the same
        call gives the same again. On a Simplex `concentration` is then log d - H(mean q), and `spread` the mutual
        information H(mean q) - mean H(q) of class and weights (BALD, Houlsby et al. 2011, arXiv 1112.5745), in nats.
        Elsewhere, with R the length of the mean of the S unit vectors, `concentration` is the estimate R (d - R^2) /
        (1 - R^2) of a von Mises-Fisher law (Banerjee et al. 2005), where 1 - R^2 counts as 1e-6 or more, and `spread`
        is 1 - R. On VonMisesFisher a unit vector weighs A_d(kappa), the length of the mean of its own law.

        ValueError for a data set of another shape, for a layer that there is none of, and for several passes where
        nothing drops out.
        """
        every = self.encode_layers(
            split, [layer], data=data, untrained=untrained, step=step, limit=limit, samples=samples
        )
        return every[layer]

    def encode_layers(
        self,
        split: Split,
        layers: Sequence[str],
        *,
        data: Dataset | None = None,
        untrained: bool = False,
        step: int | None = None,
        limit: int | None = None,
        samples: int = 1,
    ) -> dict[str, Features]:
        """The same for several layers, by their names, in one pass over the data."""
        check_layers(self.experiment, layers)
        _check_limit(limit)
        rows = Rows(data or self.experiment.data, self.experiment.pairing, limit)
        named = set(layers) - {"raw"}
        frozen = self.frozen(rows, untrained, step) if named else Frozen(self.experiment, "", self.student)
        return Encodings(frozen, rows)(Encoding(split, samples=samples, seed=self.experiment.seed), layers)

    def frozen(self, rows: Rows, untrained: bool = False, step: int | None = None) -> Frozen:
        """The network that encodes, under the mark by which its features are kept."""
        load = functools.partial(self.student, untrained, step)
        if not untrained:
            student = load()
            return Frozen(self.experiment, checkpoints.fingerprint(student.state_dict()), load, student)
        fresh = self.experiment.model().student
        mark = checkpoints.fingerprint(fresh.state_dict())
        if normalizing(fresh):
            seen = rows.source(self.experiment.data, "train").chunks(CHUNK, ESTIMATED)
            mark += hashlib.sha256(b"".join(digests(things.observations).tobytes() for things in seen)).hexdigest()
        return Frozen(self.experiment, mark, load)

    def refusals(self, *probes: P, data: Dataset | None = None) -> dict[P, str]:
        """Why some of these probes have nothing to ask of the data, by probe; those that are not there can be asked."""
        experiment, refused = self.experiment, dict[P, str]()
        glimpse = self.encode("test", "raw", data=data, limit=CHUNK)
        glimpse = replace(glimpse, values=glimpse.values[:, :1])
        for probe in probes:
            certain = _certain(experiment, len(glimpse)) if probe.layer == "embedding" else None
            try:
                probe.check(replace(glimpse, concentration=certain))
            except ValueError as error:
                refused[probe] = str(error)
        return refused

    def probe(
        self, *probes: Probe, baselines: bool = True, step: int | None = None, limit: int | None = None
    ) -> list[Score]:
        """Ask probes of the trained encoder, and with `baselines` of the untrained one and, for labels, of raw pixels.

        The scores of `examine`, which says more.
        """
        return self.examine(*probes, baselines=baselines, step=step, limit=limit).scores

    def examine(
        self,
        *probes: Probe,
        baselines: bool = True,
        step: int | None = None,
        limit: int | None = None,
        data: Dataset | None = None,
        fraction: float | Sequence[float] = 1.0,
        ceiling: Run | None = None,
        cache: bool = True,
        lenient: bool = False,
    ) -> Found:
        """Ask probes of the trained encoder; the scores, and what there is to look at.

        Each probe is fitted on the training split, or a `fraction` of it, and scored on the test split. The fraction is
        of rows that `datasets.Subset` chooses, as many of each class and the same ones whatever the run; several
        fractions are asked one after the other. `data` is another data set than the run's own: transfer.

        With `baselines` the same is asked of the untrained encoder and, by probes of the feature, of raw observations;
        of `ceiling`, a run that was told the truth, on the same rows. Names and protocols of scores say which other
        data they are of, and protocols which limit and ceiling.

        All that probes ask of one network takes one pass over the rows. With `cache` features are kept in the folder of
        the run, and taken from there while the network, the rows and the request are the same; those of all but the
        last two checkpoints that were probed go. With `lenient` a probe that fails is left out with a warning.

        ValueError: before any encoding where the data lack what a probe needs, for a layer that there is none of, for a
        fraction of limited rows, and for a ceiling that was not told the truth; then where test rows overlap training
        rows, or a probe fails.
        """
        fractions = check_fractions(fraction)
        _check_limit(limit)
        for sentence in self.refusals(*probes, data=data).values():
            raise ValueError(sentence)
        if ceiling is not None and not isinstance(ceiling.experiment.objective, Supervised):
            name = type(ceiling.experiment.objective).__name__
            raise ValueError(
                f"{ceiling.path} was not told the truth in training, but {name}; give a supervised ceiling"
            )
        for run in filter(None, (self, ceiling)):
            check_layers(run.experiment, [probe.layer for probe in probes])
        step = self.checkpoint().step if step is None else step
        rows, store = Rows(data or self.experiment.data, self.experiment.pairing, limit), None
        networks = {"trained": self.frozen(rows, step=step)}
        networks |= {"untrained": self.frozen(rows, untrained=True)} if baselines else {}
        networks |= {"ceiling": ceiling.frozen(rows)} if ceiling is not None else {}
        if cache:
            store = Store(self.path / "features")
            store.prune({name: frozen.mark for name, frozen in networks.items()})
        name = ceiling.path.resolve().name if ceiling is not None else ""
        examination = Examination(probes, fractions, rows, store, own=self.experiment.data, ceiling=name)
        return examination(networks, raw=baselines, lenient=lenient, step=step, seed=self.experiment.seed)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"there is nothing to encode in {limit} rows; write limit=1000")


@torch.no_grad()
def _certain(experiment: Experiment, count: int) -> NDArray[np.floating[Any]] | None:
    """What a space says of any points, so that probes can ask whether it says anything."""
    space, size = experiment.space, experiment.space.inputs(experiment.dim)
    points = torch.randn(count, size, generator=generator(0, "glimpse"))
    certain = space.concentration(space.project(points))
    return None if certain is None else certain.numpy()
