"""Optimizers: how parameters follow the gradient."""

from kontrast.optimizers.adam import Adam as Adam
from kontrast.optimizers.adam import AdamW as AdamW
from kontrast.optimizers.lars import LARS as LARS
from kontrast.optimizers.muon import Muon as Muon
from kontrast.optimizers.muon import Several as Several
from kontrast.optimizers.optimizer import Group as Group
from kontrast.optimizers.optimizer import Optimizer as Optimizer
from kontrast.optimizers.sgd import SGD as SGD
