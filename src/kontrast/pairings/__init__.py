"""Pairings: which views belong together."""

from kontrast.pairings.augmented import Augmented as Augmented
from kontrast.pairings.conditional import Conditional as Conditional
from kontrast.pairings.labeled import Labeled as Labeled
from kontrast.pairings.observed import Observed as Observed
from kontrast.pairings.pairing import Pairing as Pairing
