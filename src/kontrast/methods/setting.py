"""A setting: how a method was run on a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Values = Mapping[str, Any]
"""Fields of an experiment by their paths, with a class where a part is chosen: {"optimizer": LARS, "batch": 256}."""


class Setting(NamedTuple):
    """How a method was run on a data set.

    `values` go over the method's own and say every size and number themselves. `source` says where they were published,
    a paper or a repository and its file, and what of it is taken from elsewhere.
    """

    source: str
    values: Values
