"""Sums over all pairs of rows of embeddings, exact, in memory linear in the rows."""

from kontrast.tiles.cores import Core as Core
from kontrast.tiles.cores import Dot as Dot
from kontrast.tiles.cores import Power as Power
from kontrast.tiles.fused import compiled as compiled
from kontrast.tiles.links import Inverse as Inverse
from kontrast.tiles.links import Link as Link
from kontrast.tiles.links import Log as Log
from kontrast.tiles.links import Negative as Negative
from kontrast.tiles.links import Root as Root
from kontrast.tiles.reduce import log_sum_exp as log_sum_exp
