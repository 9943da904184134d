"""Factors of all kinds, and features made of them."""

import math

import numpy as np
import pytest

from kontrast.views import Factor, Features


def _made(values, latents, factors):
    return Features(values, None, latents, (), tuple(factors))


@pytest.fixture
def made():
    """Features of these values, latents and factors."""
    return _made


@pytest.fixture
def normal():
    """n rows of d independent normal factors, and any map of them as features; train and test."""

    def pair(n=1000, d=5, encode=lambda z, rng: z):
        factors = [Factor(f"z{k}") for k in range(d)]
        found = []
        for seed in (1, 2):
            rng = np.random.default_rng(seed)
            z = rng.standard_normal((n, d))
            found.append(_made(encode(z, rng), z, factors))
        return found

    return pair


@pytest.fixture
def mixed():
    """n rows of a continuous, a discrete and a periodic factor, and any map of their columns as features."""
    factors = [
        Factor("x", low=-1, high=1),
        Factor("shape", "discrete", size=4),
        Factor("angle", "periodic", 0.0, 2 * math.pi, symmetry=(2,)),
    ]

    def pair(n=2000, encode=lambda z, rng: z):
        found = []
        for seed in (1, 2):
            rng = np.random.default_rng(seed)
            columns = rng.uniform(-1, 1, n), rng.integers(0, 4, n), rng.uniform(0, 2 * math.pi, n)
            z = np.stack(columns, 1)
            found.append(_made(encode(z, rng), z, factors))
        return found

    return pair
