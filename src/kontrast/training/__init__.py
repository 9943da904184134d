"""Training: the loop, what it records, and how it stops and goes on."""

from kontrast.training.interrupts import Interrupted as Interrupted
from kontrast.training.loop import train as train
from kontrast.training.trainer import NonFinite as NonFinite
from kontrast.training.trainer import Trainer as Trainer
