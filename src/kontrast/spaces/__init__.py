"""Spaces: where embeddings live, and where true latents live. The same noun serves both.

A space knows how to draw uniformly from itself, how to bring a network's output into itself, how to keep noise
around one of its points inside and, where its points are laws or probabilities, how certain each of them is. A
learned radius or width is a parameter of the module that `build` makes; the space itself is a frozen value.
"""

from kontrast.spaces.box import Box as Box
from kontrast.spaces.euclidean import Euclidean as Euclidean
from kontrast.spaces.product import Product as Product
from kontrast.spaces.ranges import Ranges as Ranges
from kontrast.spaces.simplex import Simplex as Simplex
from kontrast.spaces.space import Space as Space
from kontrast.spaces.space import truncated as truncated
from kontrast.spaces.sphere import Sphere as Sphere
from kontrast.spaces.von_mises_fisher import VonMisesFisher as VonMisesFisher
