"""An experiment: the parts, the optimizer, the budget and the seed, as one frozen value."""

from __future__ import annotations

import math
import re
from typing import Literal

import chz
import torch

from kontrast import parts
from kontrast.datasets import Dataset, FashionMNIST
from kontrast.draws import derive
from kontrast.encoders import Encoder, ResNet
from kontrast.heads import Head, Projection
from kontrast.model import Model, Student
from kontrast.objectives import InfoNCE, Objective, Supervised
from kontrast.optimizers import AdamW, Optimizer
from kontrast.pairings import Augmented, Labeled, Pairing
from kontrast.schedules import Constant, Schedule, WarmupCosine
from kontrast.spaces import Euclidean, Space, Sphere
from kontrast.start import Start, start_field
from kontrast.teachers import Labels, Shared, Teacher


@chz.chz(typecheck=True)
class Experiment:
    """Everything that determines what a run computes.

    Two equal experiments give the same parameters, bit for bit, on one machine with one number of threads, if those
    that they `start` from are the same. ValueError, at once, where the parts contradict each other; what only the data
    can tell is found before the first step.

    With `micro` a batch passes through the network in micro-batches of so many things, so that memory is theirs, not
    the batch's. accumulation="exact" gives the loss and gradient of the whole batch all the same, for one forward pass
    more; only batch normalization then takes its statistics from each micro-batch. With "plain" every micro-batch is a
    batch of its own, which has fewer negatives: those of `micro` things of every process.

    Several processes share each batch evenly. They see the rows and views that one process would, the loss is that of
    the whole batch, and with `sync` so are the statistics of batch normalization: what is learned does not depend on
    their number, but for the last bits. Dropout differs, whose masks each process draws for itself. Batch normalization
    with `micro` differs too, under either accumulation: its statistics are of what passes at once, `micro` things of
    every process, or of one without `sync`. So does the loss with accumulation="plain", which is of as many. Where
    nothing shall depend on the number of processes, leave `micro` out, or keep `micro` times their number as it was.
    """

    method: str = chz.field(default="custom", doc="the preset it started from; a name, nothing more")
    data: Dataset = parts.field(Dataset, FashionMNIST, doc="what is shown")
    pairing: Pairing = parts.field(Pairing, Augmented, doc="which views belong together")
    encoder: Encoder = parts.field(Encoder, ResNet, doc="the network whose feature one keeps")
    head: Head = parts.field(Head, Projection, doc="from feature to embedding")
    space: Space = parts.field(Space, Sphere, doc="where embeddings live")
    predictor: Head | None = parts.field(Head, None, unspecified=Projection, doc="turns the embedding into a question")
    teacher: Teacher = parts.field(Teacher, Shared, doc="whose embedding is the answer")
    objective: Objective = parts.field(Objective, InfoNCE, doc="what counts as agreement")
    optimizer: Optimizer = parts.field(Optimizer, AdamW, doc="how parameters follow the gradient")
    schedule: Schedule = parts.field(Schedule, WarmupCosine, doc="the learning rate over the run")
    start: Start | None = start_field("whose weights it starts from, as the folder of a run; None: random ones")
    batch: int = chz.field(default=256, doc="things in a step, over all processes")
    micro: int | None = chz.field(
        default=None, doc="things that pass through the network at once, in one process; None: all that it has"
    )
    accumulation: Literal["exact", "plain"] = chz.field(
        default="exact", doc="the gradient of the whole batch, or the mean of those of each micro-batch alone"
    )
    epochs: float | None = chz.field(default=None, doc="length of the run in passes over the data; or give steps")
    steps: int | None = chz.field(default=None, doc="length of the run in optimizer steps; or give epochs")
    seed: int = chz.field(default=0, doc="seed of everything random")
    predictor_schedule: Schedule | None = parts.field(
        Schedule, None, unspecified=Constant, doc="the predictor's own learning rate; None: as everything else"
    )
    learned_rate: float = chz.field(default=1.0, doc="rate of a learned radius, box, temperature or metric, times rate")
    joint: bool = chz.field(default=True, doc="views share one forward pass, and so their batch statistics")
    sync: bool = chz.field(default=True, doc="batch statistics over all processes; with micro, of micro things of each")
    precision: Literal["float32", "bfloat16", "float16"] = chz.field(
        default="float32", doc="number format inside the network; similarities are always in float32"
    )
    clip: float | None = chz.field(default=None, doc="longest gradient, by its norm over all parameters; None: any")
    average: float | None = chz.field(
        default=None, doc="decay per step of a moving average of the weights, which is what the run keeps; None: no"
    )
    online: bool = chz.field(default=True, doc="train a linear probe beside, which cannot touch the encoder")

    @chz.validate
    def _consistent(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", self.method):
            raise ValueError(f"a method is named by letters, digits, - and _, not {self.method!r}")
        if self.batch < 2:
            raise ValueError(f"a batch needs at least two things to tell apart, not {self.batch}; write batch=256")
        self._check_micro()
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give the length of the run either as epochs or as steps; write epochs=10, or steps=1000")
        if not 0 < (self.epochs or self.steps or 0) < math.inf:
            raise ValueError("a run needs a positive length; write epochs=10, or steps=1000")
        if self.seed < 0:
            raise ValueError(f"a seed is a number from 0 on, not {self.seed}; write seed=0")
        if not 0 < self.learned_rate < math.inf:
            raise ValueError(f"learned_rate is a positive factor, not {self.learned_rate}; write learned_rate=1")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise ValueError(f"clip is the length of a gradient, positive, not {self.clip}; write clip=1, or clip=None")
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"average is a decay between 0 and 1, not {self.average}; write average=0.999, or None")
        if self.predictor_schedule is not None and self.predictor is None:
            raise ValueError("predictor_schedule needs a predictor; write predictor=Projection, or leave it out")
        if self.predictor is not None and self.predictor.dim is not None:
            raise ValueError("a predictor leads from embeddings to embeddings; leave out predictor.dim")
        if self.start is not None and self.start.zero_head and not isinstance(self.space, Euclidean):
            raise ValueError(f"outputs of 0 are no place on {type(self.space).__name__}; write start.zero_head=False")
        self.pairing.check(self.data)
        self.objective.check(self.space)
        self._check_answers()
        self.space.check(self.dim)
        self.objective.check_batch(self.compared, self.dim)

    def _check_micro(self) -> None:
        if self.micro is None:
            return
        if self.micro < 1 or self.batch % self.micro:
            near = _divisor(self.batch, self.micro)
            raise ValueError(f"micro divides batch={self.batch}, which {self.micro} does not; write micro={near}")
        if self.micro < 2 and self.accumulation == "plain":
            raise ValueError(
                "a micro-batch of one thing has nothing to tell it apart from; write accumulation=exact, or micro="
                f"{_divisor(self.batch, 2)}"
            )

    def _check_answers(self) -> None:
        told = isinstance(self.objective, Supervised)
        if told != isinstance(self.teacher, Labels) or told != isinstance(self.pairing, Labeled):
            raise ValueError(
                f"objective={type(self.objective).__name__} teacher={type(self.teacher).__name__} "
                f"pairing={type(self.pairing).__name__} do not fit together: a supervised objective goes with "
                "teacher=Labels pairing=Labeled, and every other one with neither"
            )
        if self.objective.collapses and (isinstance(self.teacher, Shared) or self.predictor is None):
            raise ValueError(
                f"{type(self.objective).__name__} alone would make all embeddings one; write teacher=StopGradient "
                "predictor=Projection, or teacher=Momentum predictor=Projection"
            )
        if not isinstance(self.objective, Supervised) or not isinstance(self.pairing, Labeled):
            return
        if self.objective.target != self.pairing.target:
            raise ValueError(
                f"{type(self.objective).__name__} learns from {self.objective.target}; "
                f"write pairing.target={self.objective.target}"
            )
        needed = len(self.data.classes) if self.pairing.target == "labels" else len(self.pairing.columns(self.data))
        if self.dim != needed:
            raise ValueError(f"the head gives {self.dim} outputs where there are {needed} answers; leave out head.dim")

    @property
    def dim(self) -> int:
        """The dimension of the embedding: the head's, or what the data calls for (classes, latents, else 128)."""
        if self.head.dim is not None:
            return self.head.dim
        if isinstance(self.pairing, Labeled):
            return len(self.data.classes) if self.pairing.target == "labels" else len(self.pairing.columns(self.data))
        return len(self.data.factors) or 128

    @property
    def compared(self) -> int:
        """How many things a loss is of: those of the batch, or of a micro-batch where each is a batch of its own."""
        return self.micro if self.micro is not None and self.accumulation == "plain" else self.batch

    def length(self, rows: int | None) -> int:
        """Optimizer steps of a run over `rows` rows (None: no end of them). ValueError if that is none."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        if rows is None:
            raise ValueError(f"{type(self.data).__name__} has no end and so no epochs; write steps=1000 instead")
        return math.ceil(self.epochs * (rows // self.batch))

    def model(self) -> Model:
        """The freshly initialized network of this experiment: the same weights whenever it is called.

        What `start` freezes is frozen; the weights that it restores are put in their place when training begins.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "model"))
            encoder, features = self.encoder.build(self.data.shape)
            outputs = self.space.inputs(self.dim)
            student = Student(encoder, self.head.build(features, outputs), self.space, self.dim)
            if self.start is not None:
                self.start.freeze(student, self.encoder)
            predictor = None if self.predictor is None else self.predictor.build(self.dim, outputs)
            made = Model(student, self.teacher, self.objective.build(self.dim), predictor, self.joint)
        if not any(parameter.requires_grad for parameter in made.parameters()):
            raise ValueError("everything is frozen, so that nothing is left to learn; write head=Linear")
        return made


def _divisor(batch: int, near: int) -> int:
    """The divisor of `batch` from 2 on that is nearest to a number."""
    return min((k for k in range(2, batch + 1) if batch % k == 0), key=lambda k: abs(k - near))
