"""Golden values of losses and of similarities of pairs, on the vectors A, B, C."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kontrast.objectives import Alignment, BarlowTwins, InfoNCE
from kontrast.probes.looking.pair_similarity import ned, nsed, pearson
from kontrast.selfcheck.golden import Golden
from kontrast.selfcheck.vectors import LABELS, A, B, C
from kontrast.similarities import Cosine, Euclidean, LatentClass, Mahalanobis, Similarity
from kontrast.spaces import Simplex
from kontrast.views import Views

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY = torch.arange(6)
ONE = "solo-learn"
TWO = "Probabilistic SimCLR"
THREE = "SimCLR ablations"
FINE = 5.1e-7


def contrast(temperature: float, key: Tensor = KEY, similarity: Similarity | None = None, times: int = 1) -> float:
    """InfoNCE of A and B, every row an anchor."""
    objective = InfoNCE(similarity=similarity or Cosine(), temperature=temperature)
    return times * objective.agree((A, B), (A, B), Views((A, B), key)).total.item()


def crops(key: Tensor) -> float:
    """InfoNCE of A, B and C, with one denominator."""
    views = Views((A, B, C), key, (0, 1, 2), (0, 1, 2))
    return InfoNCE(temperature=0.1, denominator="one").agree((A, B, C), (A, B, C), views).total.item()


def probabilistic(temperature: float) -> float:
    """InfoNCE of posteriors over classes, whose critic is the optimal classifier's."""
    space = Simplex(beta=0.8)
    q, r = space.project(A), space.project(B)
    objective = InfoNCE(similarity=LatentClass(), temperature=temperature, candidates="cross")
    return objective.agree((q, r), (q, r), Views((), KEY)).total.item()


def barlow() -> float:
    """Barlow Twins of A and B."""
    return BarlowTwins(deviation="unbiased", eps=0.0)(A, B, KEY).total.item()


def alignment() -> float:
    """Minus the mean cosine of B and A."""
    return Alignment()(B, A, KEY).total.item()


def pair(measure: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]], row: int) -> float:
    """How alike one row of A is to that of B."""
    return float(measure(A.numpy(), B.numpy())[row])


PAIRS: dict[str, tuple[Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]], tuple[float, ...]]] = {
    "NSED": (nsed, (0.083202, 0.136631, 0.089628, 0.090368, 0.068529, 0.058365)),
    "correlation": (pearson, (0.960352, 0.995752, 0.912502, 0.913936, 0.973820, 0.991646)),
    "NED": (ned, (0.173681, 0.066868, 0.219825, 0.202419, 0.128539, 0.084399)),
}
EUCLIDEAN, MAHALANOBIS = Euclidean(shape="inverse"), Mahalanobis()

GOLDENS = (
    Golden("NT-Xent, temperature .5", TWO, 1.305160, FINE, lambda: contrast(0.5)),
    Golden("NT-Xent, temperature .2", ONE, 0.927784, FINE, lambda: contrast(0.2)),
    Golden("supervised contrastive, temperature .1", ONE, 2.470390, FINE, lambda: contrast(0.1, LABELS)),
    Golden("NT-Xent of three crops", ONE, 0.775943, FINE, lambda: crops(KEY)),
    Golden("supervised contrastive of three crops", ONE, 0.950921, FINE, lambda: crops(LABELS)),
    Golden("both directions, cosine", THREE, 2.610320, 1e-6, lambda: contrast(0.5, times=2)),
    Golden("both directions, Euclidean", THREE, 3.307615, 1e-6, lambda: contrast(0.5, KEY, EUCLIDEAN, 2)),
    Golden("both directions, Mahalanobis", THREE, 2.976589, 1e-6, lambda: contrast(0.5, KEY, MAHALANOBIS, 2)),
    Golden("probabilistic loss, temperature .5", TWO, 1.497880, FINE, lambda: probabilistic(0.5)),
    Golden("probabilistic loss, temperature 1", TWO, 1.632048, FINE, lambda: probabilistic(1.0)),
    Golden("Barlow Twins", ONE, 0.199722, FINE, barlow),
    Golden("negative cosine", ONE, -0.950807, FINE, alignment),
    *(
        Golden(f"{name} of pair {row}", TWO, value, FINE, partial(pair, measure, row))
        for name, (measure, values) in PAIRS.items()
        for row, value in enumerate(values)
    ),
)
