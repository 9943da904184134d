"""Tunings: supervised trainings that start from a run's encoder, and how well they name held-out rows."""

from kontrast.tuning.finetune import FineTune as FineTune
from kontrast.tuning.linear_sgd import LinearSGD as LinearSGD
from kontrast.tuning.tuning import Task as Task
from kontrast.tuning.tuning import Tuning as Tuning
