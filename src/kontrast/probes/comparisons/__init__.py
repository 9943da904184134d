"""Comparisons: what several encoders of the same rows have in common, without any truth."""

from kontrast.probes.comparisons.consistency import Consistency as Consistency
from kontrast.probes.comparisons.udr import UDR as UDR
