"""dSprites, rendered: squares, ellipses and hearts, at any real latents or on the published grid."""

from kontrast.datasets.sprites.colors import PALETTE as PALETTE
from kontrast.datasets.sprites.shapes import SHAPES as SHAPES
from kontrast.datasets.sprites.shapes import SIDE as SIDE
from kontrast.datasets.sprites.shapes import SPAN as SPAN
from kontrast.datasets.sprites.shapes import START as START
from kontrast.datasets.sprites.sprites import Sprites as Sprites
from kontrast.datasets.sprites.table import GRID as GRID
from kontrast.datasets.sprites.table import Grid as Grid
