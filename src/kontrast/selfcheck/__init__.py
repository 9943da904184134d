"""Golden values of losses, metrics and closed forms: whether this installation computes what was published.

Each is one line of data: a name, the source, the value, how far off it may be, and the function that computes it.
"""

from kontrast.selfcheck import laws, losses, metrics
from kontrast.selfcheck.golden import Golden as Golden
from kontrast.selfcheck.golden import Outcome as Outcome
from kontrast.selfcheck.golden import outcomes as outcomes

GOLDENS: tuple[Golden, ...] = (*losses.GOLDENS, *metrics.GOLDENS, *laws.GOLDENS)
