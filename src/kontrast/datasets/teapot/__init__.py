"""The scene of 3DIdent: what is in it, how it is lit, and two renderers of it."""

from kontrast.datasets.teapot.teapot import Teapot as Teapot
