"""Experiments that train in a second: real ones, on real digits and on latents, but small."""

from kontrast import methods
from kontrast.datasets import Digits, Mixing
from kontrast.encoders import Conv, Mlp


def digits(**changes):
    """SimCLR on scikit-learn's digits."""
    return methods.simclr(
        **{
            "data": Digits(),
            "encoder": Conv(width=4),
            "head.hidden": 16,
            "head.dim": 8,
            "batch": 64,
            "steps": 12,
            **changes,
        }
    )


def latents(**changes):
    """Inversion of a mixing of three latents."""
    encoder = Mlp(widths=(4, 4))
    return methods.inversion(
        **{"data": Mixing(dim=3, layers=1), "encoder": encoder, "batch": 64, "steps": 12, **changes}
    )
