"""Objectives: what counts as agreement between views, and what stops collapse."""

from kontrast.objectives.infonce import InfoNCE as InfoNCE
from kontrast.objectives.objective import Loss as Loss
from kontrast.objectives.objective import Objective as Objective
from kontrast.objectives.objective import agree as agree
from kontrast.objectives.supervised import CrossEntropy as CrossEntropy
from kontrast.objectives.supervised import MeanSquaredError as MeanSquaredError
from kontrast.objectives.supervised import Supervised as Supervised
