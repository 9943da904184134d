"""Methods: one short function per paper, which fills in the parts of an experiment.

Every preset is sized for a laptop's processor; the paper's own sizes are a few words on the command line, and where
they were published for a data set, a setting: `simclr-cifar10`.
"""

from __future__ import annotations

import re

from kontrast import parts
from kontrast.blueprints import EXCLUSIVE, values
from kontrast.experiment import Experiment
from kontrast.methods.dsprites import dsprites as dsprites
from kontrast.methods.kitti_masks import cl_ica_kitti as cl_ica_kitti
from kontrast.methods.kitti_masks import kitti_masks as kitti_masks
from kontrast.methods.known import causal3dident as causal3dident
from kontrast.methods.known import cl_ica_3dident as cl_ica_3dident
from kontrast.methods.known import threedident as threedident
from kontrast.methods.latents import cl_ica as cl_ica
from kontrast.methods.latents import inversion as inversion
from kontrast.methods.method import Method as Method
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
from kontrast.methods.setting import Setting as Setting
from kontrast.methods.setting import Values as Values

probabilistic_simclr = probabilistic
"""The same method by its longer name."""


def known() -> dict[str, Method]:
    """Every method by name; its `settings` are beside."""
    found = {value.name: value for value in globals().values() if isinstance(value, Method)}
    return dict(sorted(found.items()))


def get(name: str) -> Method:
    """The method called `name`, which may name a setting as in `simclr-cifar10`; ValueError with the nearest name."""
    base, dash, setting = name.partition("-")
    method = globals().get(base)
    if not isinstance(method, Method):
        method = known()[parts.choose(base, known(), "method")]
    return method.at(setting) if dash else method


def words(experiment: Experiment) -> list[str]:
    """The fewest words after `kontrast train` that give this experiment: its method, and what the preset has not."""
    try:
        found = get(experiment.method)
    except ValueError:
        message = f"no command line gives an experiment of the method {experiment.method!r}; set it in Python"
        raise ValueError(message) from None
    every = _said(experiment)
    own = _own(found, experiment)
    changed = [word for word in every if word not in own]
    said = changed if _reads(found, changed, experiment) else every
    if not _reads(found, said, experiment):
        raise ValueError("no command line gives this experiment: it holds a value that cannot be written as a word")
    # A part comes before its options, which can be left out once the part is.
    for word in list(said):
        fewer = [other for other in said if other != word]
        said = fewer if _reads(found, fewer, experiment) else said
    return [experiment.method, *said]


def _said(experiment: Experiment) -> list[str]:
    return [
        f"{path}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for path, value in values(experiment).items()
        if path != "method" and not (path in EXCLUSIVE and value is None)
    ]


def _own(method: Method, experiment: Experiment) -> set[str]:
    """The words of the preset itself, but for those about the data, which may be nowhere but where they are given."""
    try:
        said = _said(method(data=experiment.data))
    except ValueError:
        return set()
    return {word for word in said if not re.match(r"data[.=]", word)}


def _reads(method: Method, said: list[str], experiment: Experiment) -> bool:
    try:
        return method.read(said) == experiment
    except (ValueError, FileNotFoundError):
        return False
