"""kontrast: show a network two views of the same thing, ask that they agree, and measure what it learned.

>>> import kontrast
>>> from kontrast import methods, probes
>>> run = kontrast.train(methods.simclr(seed=1), out="runs/simclr")  # doctest: +SKIP
>>> run.probe(probes.Linear(), probes.KNN())  # doctest: +SKIP

Names are imported when they are first asked for, so that the command line can answer before torch is there.
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kontrast import methods as methods
    from kontrast import probes as probes
    from kontrast.experiment import Experiment as Experiment
    from kontrast.run import Run as Run
    from kontrast.training import train as train
    from kontrast.views import Factor as Factor
    from kontrast.views import Features as Features
    from kontrast.views import Things as Things
    from kontrast.views import Views as Views

__version__ = _version("kontrast")

_MODULES = ("methods", "probes")
_HOMES = {
    "Experiment": "experiment",
    "Factor": "views",
    "Features": "views",
    "Run": "run",
    "Things": "views",
    "Views": "views",
    "train": "training",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return _import_module(f"kontrast.{name}")
    if name in _HOMES:
        return getattr(_import_module(f"kontrast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'kontrast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_HOMES})
