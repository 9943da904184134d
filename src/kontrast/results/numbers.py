"""Numbers and which way they are good, for the tables of a study."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

LESS = frozenset(
    {
        "nll", "ece", "mse", "nmse", "rmse", "mae", "aurc", "aurc_nn", "eaurc",
        "eaurc_nn", "brier", "distortion", "rigid_distortion", "off_block", "dead", "ned", "nsed",
    }
)  # fmt: skip
"""Metrics of which less is better, by the part of their name before the slash."""
WORSE = re.compile(r".*_(error|loss|error_rate|perplexity)")
"""The same of metrics of one's own, by how their names end."""
NEITHER = frozenset(
    {
        "rankme", "lidar", "alpha_req", "components", "participation_ratio", "alignment",
        "uniformity", "positive", "negative", "overlap", "delta_r2", "baseline_r2", "cosine", "l1",
        "l2", "infonce", "mine", "coverage",
    }
)  # fmt: skip
"""Metrics that describe, of which neither more nor less is better."""
BLANK = "–"
"""What a cell says of which there is nothing to say."""


def direction(name: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither, of a column "Linear: nll" or a metric "nll/mean".

    Less is better of names that end in error, loss, error_rate or perplexity.

    Of alignment and uniformity less is better of both together, but less of one alone may be a collapse: neither. Nor
    of losses in training, which compare nothing where objectives differ.
    """
    if name.startswith("Training: "):
        return 0
    metric = name.rpartition(": ")[2].partition("/")[0].lower()
    return -1 if metric in LESS or WORSE.fullmatch(f"_{metric}") else 0 if metric in NEITHER else 1


ROUNDING = 1e-12
"""What is smaller is no difference but that of two sums."""


def digits(values: Iterable[float | None]) -> str:
    """The format of a column of numbers that are to be compared: three digits after the point, fewer if they are large.

    Numbers of which the largest is 1e5 or more, or under 5e-4, are written with a power of ten.
    """
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value)]
    size = max(sizes, default=0.0)
    if size >= 1e5 or ROUNDING < size < 5e-4:
        return ".2e"
    return ".3f" if size < 10 else ".2f" if size < 100 else ".1f"


def shown(value: float | None, form: str = ".3f", sign: bool = False) -> str:
    """A number in a format, with its sign if asked; a dash for none, and no sign before what rounds to zero."""
    if value is None:
        return BLANK
    if not math.isfinite(value):
        return str(value)
    text = f"{value:{'+' if sign else ''}{form}}"
    return text.lstrip("+-") if float(text) == 0 else text


def probability(p: float | None) -> str:
    """A p value to two digits: ".031", "<.001"."""
    if p is None or not math.isfinite(p):
        return BLANK
    return "<.001" if p < 0.001 else f"{p:.2f}".removeprefix("0") if p >= 0.1 else f"{p:.3f}".removeprefix("0")
