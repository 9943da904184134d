"""The geometry of embeddings without any truth: whether they spread, and in how many dimensions."""

from kontrast.probes.geometry.alignment_uniformity import AlignmentUniformity as AlignmentUniformity
from kontrast.probes.geometry.alpha_req import AlphaReQ as AlphaReQ
from kontrast.probes.geometry.lidar import LiDAR as LiDAR
from kontrast.probes.geometry.rankme import RankMe as RankMe
from kontrast.probes.geometry.spectrum import Spectrum as Spectrum
