"""Objectives: what counts as agreement between views, and what stops collapse."""

from kontrast.objectives.alignment import Alignment as Alignment
from kontrast.objectives.barlow_twins import BarlowTwins as BarlowTwins
from kontrast.objectives.blocks import Blocks as Blocks
from kontrast.objectives.infonce import InfoNCE as InfoNCE
from kontrast.objectives.mcinfonce import MCInfoNCE as MCInfoNCE
from kontrast.objectives.objective import Criterion as Criterion
from kontrast.objectives.objective import Loss as Loss
from kontrast.objectives.objective import Objective as Objective
from kontrast.objectives.sigreg import SIGReg as SIGReg
from kontrast.objectives.supervised import CrossEntropy as CrossEntropy
from kontrast.objectives.supervised import MeanSquaredError as MeanSquaredError
from kontrast.objectives.supervised import Supervised as Supervised
from kontrast.objectives.uniformity import AlignmentUniformity as AlignmentUniformity
from kontrast.objectives.vicreg import VICReg as VICReg
