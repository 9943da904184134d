"""The vectors that golden values are stated for, under a name that tests can import."""

from kontrast.selfcheck.vectors import LABELS as LABELS
from kontrast.selfcheck.vectors import A as A
from kontrast.selfcheck.vectors import B as B
from kontrast.selfcheck.vectors import C as C
