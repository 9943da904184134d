"""A network that only encodes: its layers, and a name that no other network has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import get_args

from torch import Tensor

from kontrast import passes
from kontrast.experiment import Experiment
from kontrast.model import Student
from kontrast.parts import choose
from kontrast.passes import Passes

BASIC = get_args(passes.Layer)


class Frozen:
    """A network in evaluation mode whose parameters no longer change.

    `mark` is a hash of its parameters and of what it is made of: two networks with one mark compute the same. `load`
    makes it, and is called when the first row is encoded unless it is here already as `student`.
    """

    def __init__(
        self, experiment: Experiment, mark: str, load: Callable[[], Student], student: Student | None = None
    ) -> None:
        made = f"{mark} {experiment.encoder!r} {experiment.head!r} {experiment.space!r} {experiment.dim}"
        self.experiment, self.load, self._student = experiment, load, student
        self.mark = hashlib.sha256(made.encode()).hexdigest()

    @property
    def student(self) -> Student:
        """The network."""
        if self._student is None:
            self._student = self.load()
        return self._student

    def passes(self, layers: Sequence[str], samples: int, seed: int) -> Passes:
        """Passes up to these layers, of which an observation takes one for all."""
        if not set(layers) - {"raw"}:
            return Passes(None, layers, samples, seed)
        # What drops out stays active: a network of its own for several passes.
        student = self.student if samples == 1 else self.load()
        encoder = self.experiment.encoder
        blocks = encoder.blocks(student.encoder)

        def average(output: Tensor) -> Tensor:
            return encoder.averaged(student.encoder, output)

        return Passes(student, layers, samples, seed, blocks, average)


def check_layers(experiment: Experiment, layers: Sequence[str]) -> None:
    """A ValueError that names the layers there are if one is asked for that this experiment has not."""
    if all(layer in BASIC for layer in layers):
        return
    names = [*BASIC, *experiment.encoder.blocks(experiment.model().student.encoder)]
    for layer in layers:
        try:
            choose(layer, names, "layer")
        except ValueError as error:
            listed = "" if "write one of" in str(error) else f" (there are {', '.join(names)})"
            raise ValueError(f"{error}{listed}") from None
