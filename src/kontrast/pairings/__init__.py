"""Pairings: which views belong together."""

from kontrast.pairings.augmented import Augmented as Augmented
from kontrast.pairings.conditional import Conditional as Conditional
from kontrast.pairings.content import Content as Content
from kontrast.pairings.labeled import Labeled as Labeled
from kontrast.pairings.latent import LatentPairing as LatentPairing
from kontrast.pairings.neighbors import Neighbors as Neighbors
from kontrast.pairings.observed import Observed as Observed
from kontrast.pairings.pair_tables import PairTable as PairTable
from kontrast.pairings.pair_tables import draw_pairs as draw_pairs
from kontrast.pairings.pairing import Pairing as Pairing
from kontrast.pairings.pairs import Pairs as Pairs
from kontrast.pairings.realized import Realized as Realized
from kontrast.pairings.realized import realized as realized
from kontrast.pairings.temporal import Temporal as Temporal
