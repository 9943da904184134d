"""Encoding: rows of a data set through a frozen network, once for all that is asked of them, and kept."""

from kontrast.encoding.encodings import Encodings as Encodings
from kontrast.encoding.frozen import Frozen as Frozen
from kontrast.encoding.frozen import check_layers as check_layers
from kontrast.encoding.rows import CHUNK as CHUNK
from kontrast.encoding.rows import Rows as Rows
from kontrast.encoding.rows import digests as digests
from kontrast.encoding.rows import origin as origin
from kontrast.encoding.statistics import estimate as estimate
from kontrast.encoding.statistics import normalizing as normalizing
from kontrast.encoding.store import Store as Store
