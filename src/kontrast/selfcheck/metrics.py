"""Golden values of probes, on features made for each."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kontrast.probes import MCC, MIG, LiDAR, Probe, RankMe, Recovery
from kontrast.probes.disentanglement.dci import disentanglement
from kontrast.probes.disentanglement.info_mec import concentration
from kontrast.probes.disentanglement.modularity import modularity
from kontrast.probes.geometry.alpha_req import power_law
from kontrast.probes.geometry.rankme import effective_rank
from kontrast.selfcheck.golden import Golden
from kontrast.views import Factor, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = (3, 6, 40, 32, 32)
"""How many values shape, scale, orientation and the two positions of dSprites have."""


def score(probe: Probe, test: Features, name: str) -> float:
    """One score of rows, which are also those that are learned from."""
    train = Features(test.values.copy(), latents=test.latents, factors=test.factors)
    return probe(train, test).values[name]


@cache
def gaps() -> dict[str, float]:
    """The mutual information gap of each factor of dSprites, of which every one is its own feature, and their mean."""
    rng = np.random.default_rng(0)
    z = np.stack([rng.integers(0, size, 100_000) for size in SIZES], 1).astype(np.float64)
    factors = tuple(Factor(f"{k}", "discrete", size=size) for k, size in enumerate(SIZES))
    test = Features(z, latents=z, factors=factors)
    return MIG(permutations=0)(Features(z.copy(), latents=z, factors=factors), test).values


def gap(factor: int) -> float:
    """One of them; of -1, the mean."""
    return gaps()["mig/bins=20" if factor < 0 else f"mig/bins=20/{factor}"]


def noise(rows: int, dimensions: int) -> float:
    """R^2 of least squares from noise to noise, on the rows it was fitted on."""
    rng = np.random.default_rng(0)
    factors = tuple(Factor(f"{k}") for k in range(10))
    z = rng.standard_normal((rows, len(factors)))
    return score(
        Recovery(permutations=0), Features(rng.standard_normal((rows, dimensions)), None, z, (), factors), "r2/mean"
    )


def affine() -> float:
    """R^2 of an affine map of uniform latents."""
    rng = np.random.default_rng(0)
    z = rng.uniform(size=(1000, 5))
    factors = tuple(Factor(f"{k}") for k in range(5))
    values = z @ rng.standard_normal((5, 8)) + 3
    return score(Recovery(permutations=0), Features(values, None, z, (), factors), "r2/mean")


def angle(symmetry: int, known: bool) -> float:
    """R^2 from the cosine and sine of an angle's multiple to the angle, as a number or `known` to be periodic."""
    a = 2 * math.pi * (np.arange(20_000) + 0.5) / 20_000
    values = np.stack([np.cos(symmetry * a), np.sin(symmetry * a)], 1)
    turned = Factor("angle", "periodic", 0.0, 2 * math.pi, symmetry=(symmetry,))
    factors = (turned if known else Factor("angle"),)
    return score(Recovery(permutations=0), Features(values, None, a[:, None], (), factors), "r2/angle")


def matched(rows: int, features: int = 10) -> float:
    """MCC of noise with ten factors of noise, matched and scored on the same rows; the mean of ten draws."""
    factors = tuple(Factor(f"{k}") for k in range(10))
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        z, h = rng.standard_normal((rows, 10)), rng.standard_normal((rows, features))
        found.append(score(MCC(permutations=0), Features(h, None, z, (), factors), "mcc/pearson"))
    return float(np.mean(found))


def modular(kind: str) -> float:
    """Modularity of five features of one factor each, of five that tell as much of all, and with five dead ones."""
    mutual = {"own": np.eye(5), "all": np.ones((5, 5)), "dead": np.eye(10, 5)}[kind]
    return float(modularity(mutual).mean())


def views(signal: int, deviation: float) -> Features:
    """1,000 things that vary in `signal` of 64 dimensions, and 50 noisy views of each."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((1000, 64))
    centers[:, signal:] = 0
    extra = {f"view {k}": Features(centers + deviation * rng.standard_normal(centers.shape)) for k in range(50)}
    return Features(centers, extra=extra)


def rank(signal: int, deviation: float) -> float:
    """LiDAR of these views."""
    test = views(signal, deviation)
    return next(iter(LiDAR(views=50)(Features(test.values.copy()), test).values.values()))


def noisy_rank() -> float:
    """RankMe of one noisy view of things that vary in eight of 64 dimensions."""
    test = views(8, 0.1).extra["view 0"]
    return next(iter(RankMe()(Features(test.values.copy()), test).values.values()))


def falling() -> float:
    """The exponent found in the spectrum j^-1.3."""
    return power_law(np.arange(1, 513, dtype=np.float64) ** -1.3, 11, 100)[0]


def _effective(spectrum: NDArray[np.float64]) -> Callable[[], float]:
    return lambda: effective_rank(spectrum)


DSPRITES, COUNTED = "disentanglement_lib", "seeded draws"
GOLDENS = (
    Golden("R^2 of noise, fitted, 2,048 x 512", "p / (n - 1)", 512 / 2047, 0.013, lambda: noise(2048, 512)),
    Golden("R^2 of an affine map", "definition", 1.0, 1e-9, affine),
    Golden("R^2 of an angle as a number", "6 / pi^2", 6 / math.pi**2, 1e-6, lambda: angle(1, False)),
    Golden("R^2 of a half turn as a number", "6 / (2 pi)^2", 1.5 / math.pi**2, 1e-6, lambda: angle(2, False)),
    Golden("R^2 of a quarter turn as an angle", "definition", 1.0, 1e-9, lambda: angle(4, True)),
    Golden("MCC of noise, matched, n = 100", COUNTED, 0.173, 0.015, lambda: matched(100)),
    Golden("MCC of noise, matched, n = 1,000", COUNTED, 0.054, 0.005, lambda: matched(1000)),
    Golden("MIG of dSprites, mean", DSPRITES, 0.902, 1e-3, lambda: gap(-1)),
    Golden("MIG of dSprites, shape", DSPRITES, 0.9998, 5e-4, lambda: gap(0)),
    Golden("MIG of dSprites, scale", DSPRITES, 0.9997, 5e-4, lambda: gap(1)),
    Golden("MIG of dSprites, orientation", DSPRITES, 0.811, 1e-3, lambda: gap(2)),
    Golden("MIG of dSprites, x", DSPRITES, 0.849, 1e-3, lambda: gap(3)),
    Golden("MIG of dSprites, y", DSPRITES, 0.850, 1e-3, lambda: gap(4)),
    Golden("modularity, a factor each", DSPRITES, 1.0, 1e-12, lambda: modular("own")),
    Golden("modularity, all factors alike", DSPRITES, 0.0, 1e-12, lambda: modular("all")),
    Golden("modularity, half the features dead", DSPRITES, 0.5, 1e-12, lambda: modular("dead")),
    Golden("DCI, a factor each", DSPRITES, 1.0, 1e-8, lambda: disentanglement(np.eye(5))),
    Golden("DCI, all factors alike", DSPRITES, 0.0, 1e-8, lambda: disentanglement(np.ones((5, 5)))),
    Golden("InfoMEC, a factor each", "latent_quantization", 1.0, 1e-12, lambda: concentration(np.eye(5))),
    Golden("InfoMEC, all factors alike", "latent_quantization", 0.0, 1e-12, lambda: concentration(np.ones((5, 5)))),
    Golden("RankMe of 64 even directions", "arXiv 2210.02885", 64.0013, 5.1e-5, _effective(np.ones(64))),
    Golden("RankMe of a line in 512", "arXiv 2210.02885", 1.0008, 5.1e-5, _effective(np.eye(1, 512)[0])),
    Golden("RankMe of 8 directions in noise", COUNTED, 34.8, 0.5, noisy_rank),
    Golden("LiDAR of equal noise and signal", COUNTED, 61.97, 0.2, lambda: rank(64, 1.0)),
    Golden("LiDAR of 8 directions in noise", COUNTED, 8.07, 0.03, lambda: rank(8, 0.1)),
    Golden("alpha-ReQ of j^-1.3", "fastssl", 1.300000, 5.1e-7, falling),
)
