"""What leaves kontrast: a trained network as a file that other programs read, and features of a folder of pictures."""

from kontrast.export.features import Embedded as Embedded
from kontrast.export.features import embed as embed
from kontrast.export.network import FORMATS as FORMATS
from kontrast.export.network import export as export
