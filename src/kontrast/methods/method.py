"""A method: a named way to fill in an experiment, which the command line and Python share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kontrast.experiment import Experiment, blueprint, check_family, layered, make

Values = Mapping[str, Any]


class Method:
    """A named way to fill in an experiment. Calling it gives the experiment, with the fields given changed.

    Fields of parts are written with dots: `simclr(**{"objective.temperature": 0.2})`.
    """

    def __init__(self, fill: Callable[[], Values]) -> None:
        self.name = fill.__name__
        self.values = fill()
        self.__doc__ = fill.__doc__

    def __call__(self, **changes: Any) -> Experiment:
        for name, value in changes.items():
            check_family(name, value)
        return make(layered(self.values, self.name, changes, "arguments"))

    def read(self, arguments: Sequence[str]) -> Experiment:
        """The experiment with `field=value` arguments over this preset."""
        return make(blueprint(self.values, self.name, arguments))
