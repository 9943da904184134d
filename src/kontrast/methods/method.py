"""A method: a named way to fill in an experiment, which the command line and Python share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kontrast import parts
from kontrast.blueprints import blueprint, check_family, layered, make
from kontrast.experiment import Experiment
from kontrast.methods.published import SETTINGS
from kontrast.methods.setting import Setting, Values


class Method:
    """A named way to fill in an experiment. Calling it gives the experiment, with the fields given changed.

    Fields of parts are written with dots: `simclr(**{"objective.temperature": 0.2})`. Where the method was published
    for a data set, `simclr.at("cifar10")` is the method with that setting, `simclr-cifar10` on the command line.
    """

    def __init__(self, fill: Callable[[], Values], *, name: str = "", doc: str = "") -> None:
        self.name = name or fill.__name__
        self.values = fill()
        self.__doc__ = doc or fill.__doc__

    def __call__(self, **changes: Any) -> Experiment:
        for name, value in changes.items():
            check_family(name, value)
        return make(layered(self.values, self.name, changes, "arguments"))

    def read(self, arguments: Sequence[str]) -> Experiment:
        """The experiment with `field=value` arguments over this preset."""
        return make(blueprint(self.values, self.name, arguments))

    @property
    def settings(self) -> dict[str, Setting]:
        """The settings that this method was published in, by name."""
        own = f"{self.name}-"
        return {name.removeprefix(own): setting for name, setting in SETTINGS.items() if name.startswith(own)}

    def at(self, setting: str) -> Method:
        """This method as it was published for a data set; ValueError with the nearest name of a setting otherwise."""
        if not self.settings:
            raise ValueError(f"{self.name} has no published settings; write {self.name}")
        source, values = self.settings[parts.choose(setting, self.settings, f"setting of {self.name}")]
        doc = f"{self.__doc__} Setting: {source}."
        return Method(lambda: over(self.values, values), name=f"{self.name}-{setting}", doc=doc)


def over(values: Values, others: Values) -> dict[str, Any]:
    """Values with others over them; another part takes back the options of the one whose place it takes."""
    gone = tuple(f"{path}." for path, value in others.items() if path in values and values[path] is not value)
    return {**{path: value for path, value in values.items() if not path.startswith(gone)}, **others}
