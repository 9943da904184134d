"""DCI-ES: explicitness, or how large a model must be to read a factor, and size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import chz
import numpy as np

from kontrast.panels import Curves, Line
from kontrast.probes.disentanglement.capacity import curves
from kontrast.probes.disentanglement.suite import Disentanglement, Measured, Rows, positive
from kontrast.probes.probe import Layer, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

Family = Literal["fourier", "forest", "mlp"]
UNREAD = 0.9
"""The least error, as a share of that of guessing, above which a factor counts as read by no model."""


@chz.chz
class DCIES(Disentanglement):
    """Explicitness and size, the two scores that DCI-ES adds to disentanglement, completeness and informativeness.

    The error l(c) of models of capacity c that read a factor from the features falls as c grows from c_1 to c_T. With
    t = log c, errors as shares of that of the mean (so that of guessing is 1), and l* the least of them,

        E = 1 - 2 sum_i (l_i + l_(i+1) - 2 l*) / 2 (t_(i+1) - t_i) / (t_T - t_1),      S = K / m,

    with K factors and m features. E is 1 if the smallest model does as well as any, 0 if the error falls in a straight
    line from 1 to 0, and below that if only the largest models read anything. It also counts as explicit what no model
    can read at all: a warning names such factors, and E is high where the truth is permuted. Errors are 1 - R^2 on
    `test`, of a discrete factor's indicators and a periodic one's cosine and sine; of each capacity it is that of the
    best model up to it, as judged by a fifth of `train` on which none is fitted.

    E depends on what counts as a small model, so `family` is in its name: "fourier" is ridge regression on random
    Fourier features of standardized features (capacity: how many), "forest" a random forest (leaves of a tree), "mlp" a
    network with one hidden layer (its width), the last two slower by far. Scores are "explicitness/fourier", that of
    each factor, and "size". Source: Eastwood et al. 2023, arXiv 2210.00364.
    """

    layer: Layer = chz.field(default="embedding", doc="feature (before the head) or embedding (in the space)")
    family: Family = chz.field(default="fourier", doc="the models: fourier, forest or mlp")
    least_capacity: int = chz.field(default=4, doc="capacity of the smallest model")
    doublings: int = chz.field(default=7, doc="how often the capacity doubles: 7 from 4 is up to 512")
    bins: int = chz.field(default=20, doc="equally wide bins by which factors are found constant or dependent")
    permutations: int = chz.field(default=1, doc="permutations of the factors' rows that give the null level; 0: none")
    seed: int = chz.field(default=0, doc="seed of the models and permutations")

    @chz.validate
    def _ranges(self) -> None:
        given = {"bins": self.bins, "permutations": self.permutations, "seed": self.seed}
        positive("DCIES", doublings=self.doublings, least_capacity=self.least_capacity - 1, **given)

    def measure(self, train: Rows, test: Rows) -> Measured:
        capacities = [self.least_capacity << i for i in range(self.doublings + 1)]
        errors = curves(train, test, self.family, capacities, self.seed)
        names = test.truth.names
        each = {name: explicitness(capacities, errors[:, k]) for k, name in enumerate(names)}
        key = f"explicitness/{self.family}"
        unread = [name for name, error in zip(names, errors.T, strict=True) if error.min() > UNREAD]
        size = len(names) / train.codes.shape[1]
        lines = tuple(
            Line(name, tuple(map(float, capacities)), tuple(map(float, errors[:, k]))) for k, name in enumerate(names)
        )
        return Measured(
            {key: float(np.mean(list(each.values()))), "size": size},
            f"{self.family} models of capacity {capacities[0]} to {capacities[-1]} fitted on {len(train.codes):,} rows "
            f"and scored on {len(test.codes):,}",
            {key: each},
            warning=f"no model reads {listed(unread)}, and what none reads counts as explicit" if unread else "",
            no_floor=(key, "size"),
            drawn=(Curves("Error by capacity", f"capacity ({self.family})", "error, of guessing", lines, "x"),),
        )


def explicitness(capacities: list[int], errors: NDArray[np.float64]) -> float:
    """E of the errors [t] of models of rising capacities, as shares of the error of guessing."""
    at = np.array([math.log(capacity) for capacity in capacities])
    above = errors - errors.min()
    return float(1 - 2 * np.trapezoid(above, at) / (at[-1] - at[0]))
