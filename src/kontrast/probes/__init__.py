"""Probes: questions asked of frozen features, each a frozen value that gives numbers with a protocol."""

from kontrast.probes.knn import KNN as KNN
from kontrast.probes.linear import Linear as Linear
from kontrast.probes.mcc import MCC as MCC
from kontrast.probes.probe import Probe as Probe
from kontrast.probes.probe import Scores as Scores
from kontrast.probes.recovery import Recovery as Recovery
