"""Training: the loop, what it records, and how it stops and goes on."""

from kontrast.training.failures import NonFinite as NonFinite
from kontrast.training.failures import OutOfMemory as OutOfMemory
from kontrast.training.interrupts import Interrupted as Interrupted
from kontrast.training.loop import train as train
from kontrast.training.processes import Lost as Lost
from kontrast.training.trainer import Trainer as Trainer
