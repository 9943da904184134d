"""Uncertainty: one interface of measures, and the probe that judges them.

A new measure is a class that derives from `Measure` and says what it lacks; it goes into a slot of `Uncertainty`, or
into `other`.
"""

from kontrast.probes.uncertainty.measure import Gallery as Gallery
from kontrast.probes.uncertainty.measure import Measure as Measure
from kontrast.probes.uncertainty.measures import BALD as BALD
from kontrast.probes.uncertainty.measures import Concentration as Concentration
from kontrast.probes.uncertainty.measures import Entropy as Entropy
from kontrast.probes.uncertainty.measures import ExpectedEntropy as ExpectedEntropy
from kontrast.probes.uncertainty.measures import KNNDistance as KNNDistance
from kontrast.probes.uncertainty.measures import Norm as Norm
from kontrast.probes.uncertainty.measures import RetrievalEntropy as RetrievalEntropy
from kontrast.probes.uncertainty.softmax import DropoutEntropy as DropoutEntropy
from kontrast.probes.uncertainty.softmax import LeastConfidence as LeastConfidence
from kontrast.probes.uncertainty.softmax import SoftmaxEntropy as SoftmaxEntropy
from kontrast.probes.uncertainty.uncertainty import Uncertainty as Uncertainty
