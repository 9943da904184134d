"""Features of rows and of their views, made up."""

from __future__ import annotations

import numpy as np

from kontrast.views import Features


def pair(n: int = 400, d: int = 8, noise: float = 0.3, seed: int = 0) -> tuple[Features, Features]:
    """Train and test rows; the test rows bring two views of each, and of the train rows, as far apart as the noise."""
    rng = np.random.default_rng(seed)
    rows = {split: rng.normal(size=(n, d)) for split in ("train", "test")}
    views = {
        f"{split} {v}": Features(x + noise * rng.normal(size=x.shape)) for split, x in rows.items() for v in (0, 1)
    }
    extra = views | {f"view {v}": views[f"test {v}"] for v in (0, 1)}
    return Features(rows["train"]), Features(rows["test"], extra=extra)
