"""kontrast: show a network two views of the same thing, ask that they agree, and measure what it learned.

>>> import kontrast
>>> from kontrast import methods, probes
>>> run = kontrast.train(methods.simclr(seed=1), out="runs/simclr")  # doctest: +SKIP
>>> run.probe(probes.Linear(), probes.KNN())  # doctest: +SKIP
"""

from importlib.metadata import version as _version

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
