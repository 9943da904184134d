"""Golden values of closed forms: the von Mises-Fisher law and the least a loss can be."""

from __future__ import annotations

import math

import torch

from kontrast.directional import resultant
from kontrast.probes.geometry.alignment_uniformity import floor
from kontrast.selfcheck.golden import Golden
from kontrast.similarities import Cosine
from kontrast.spaces import Sphere
from kontrast.theory.information import facts

FORM = "closed form"


def mean_cosine(d: int, kappa: float) -> float:
    """A_d(kappa), the mean cosine of a von Mises-Fisher law to its direction."""
    return resultant(torch.tensor(kappa, dtype=torch.float64), d).item()


def least(d: int, kappa: float) -> float:
    """The least of InfoNCE's loss less log M, for latents uniform on the sphere and von Mises-Fisher pairs."""
    found = facts(Sphere(), d, None, Cosine(), 1 / kappa)
    assert found is not None
    return found.floor("both", symmetric=True)


GOLDENS = (
    Golden("A_2(1)", "I_1(1) / I_0(1)", 0.446389966, 1e-9, lambda: mean_cosine(2, 1.0)),
    Golden("A_3(10)", "coth(10) - 1/10", 1 / math.tanh(10) - 0.1, 1e-12, lambda: mean_cosine(3, 10.0)),
    Golden("A_5(2)", "1 / A_3(2) - 3/2", 1 / (1 / math.tanh(2) - 0.5) - 1.5, 1e-12, lambda: mean_cosine(5, 2.0)),
    Golden("A_10(20)", "I_5(20) / I_4(20)", 0.795519067865, 1e-12, lambda: mean_cosine(10, 20.0)),
    Golden("loss floor, n = 3, kappa = 10", FORM, -1.99573, 5.1e-6, lambda: least(3, 10)),
    Golden("loss floor, n = 10, kappa = 1", FORM, -0.04938, 5.1e-6, lambda: least(10, 1)),
    Golden("loss floor, n = 10, kappa = 10", FORM, -2.48447, 5.1e-6, lambda: least(10, 10)),
    Golden("loss floor, n = 10, kappa = 20", FORM, -4.76210, 5.1e-6, lambda: least(10, 20)),
    Golden("uniformity floor, n = 2", FORM, -1.575027, 5.1e-7, lambda: floor(2)),
    Golden("uniformity floor, n = 3", FORM, -2.079777, 5.1e-7, lambda: floor(3)),
    Golden("uniformity floor, n = 10", FORM, -3.246504, 5.1e-7, lambda: floor(10)),
    Golden("uniformity floor, n = 64", FORM, -3.875236, 5.1e-7, lambda: floor(64)),
    Golden("uniformity floor, n = 128", FORM, -3.937530, 5.1e-7, lambda: floor(128)),
    Golden("uniformity floor, n = 512", FORM, -3.984375, 5.1e-7, lambda: floor(512)),
)
