"""Methods: one short function per paper, which fills in the parts of an experiment.

Every preset is sized for a laptop's processor; the paper's own sizes are a few words on the command line.
"""

from __future__ import annotations

from kontrast import parts
from kontrast.experiment import EXCLUSIVE, Experiment, values
from kontrast.methods.latents import cl_ica as cl_ica
from kontrast.methods.latents import inversion as inversion
from kontrast.methods.method import Method as Method
from kontrast.methods.method import Values as Values
from kontrast.methods.pictures import alignment_uniformity as alignment_uniformity
from kontrast.methods.pictures import barlow_twins as barlow_twins
from kontrast.methods.pictures import byol as byol
from kontrast.methods.pictures import mcinfonce as mcinfonce
from kontrast.methods.pictures import probabilistic as probabilistic
from kontrast.methods.pictures import sigreg as sigreg
from kontrast.methods.pictures import simclr as simclr
from kontrast.methods.pictures import simsiam as simsiam
from kontrast.methods.pictures import supcon as supcon
from kontrast.methods.pictures import supervised as supervised
from kontrast.methods.pictures import vicreg as vicreg


def known() -> dict[str, Method]:
    """Every method by name."""
    return {name: value for name, value in sorted(globals().items()) if isinstance(value, Method)}


def get(name: str) -> Method:
    """The method called `name`; ValueError with the nearest name otherwise."""
    return known()[parts.choose(name, known(), "method")]


def words(experiment: Experiment) -> list[str]:
    """The fewest words after `kontrast train` that give this experiment: its method, and what the preset has not."""
    found = known().get(experiment.method)
    if found is None:
        raise ValueError(f"no command line gives an experiment of the method {experiment.method!r}; set it in Python")
    said = [
        f"{path}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for path, value in values(experiment).items()
        if path != "method" and not (path in EXCLUSIVE and value is None)
    ]
    if not _reads(found, said, experiment):
        raise ValueError("no command line gives this experiment: it holds a value that cannot be written as a word")
    for word in reversed(said):
        fewer = [other for other in said if other != word]
        said = fewer if _reads(found, fewer, experiment) else said
    return [experiment.method, *said]


def _reads(method: Method, said: list[str], experiment: Experiment) -> bool:
    try:
        return method.read(said) == experiment
    except ValueError:
        return False
