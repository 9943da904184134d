"""Studies: a question, the experiments that answer it, and running them to a table that says so.

A study is a value: a method, the settings that vary, the seeds, and what each run is asked. `sweep` runs it in a
folder, cell by cell, goes on where it was stopped, and `collect` reads what came out.
"""

from kontrast.studies.axes import Axis as Axis
from kontrast.studies.axes import Setting as Setting
from kontrast.studies.axes import each as each
from kontrast.studies.axes import grid as grid
from kontrast.studies.axes import paired as paired
from kontrast.studies.axes import settings_of as settings_of
from kontrast.studies.collect import collect as collect
from kontrast.studies.estimate import Estimate as Estimate
from kontrast.studies.estimate import estimate as estimate
from kontrast.studies.executors import Executor as Executor
from kontrast.studies.executors import Local as Local
from kontrast.studies.records import is_study as is_study
from kontrast.studies.records import read_study as read_study
from kontrast.studies.slurm import Slurm as Slurm
from kontrast.studies.study import Cell as Cell
from kontrast.studies.study import Study as Study
from kontrast.studies.sweep import sweep as sweep
