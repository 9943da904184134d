"""An experiment: the parts, the optimizer, the budget and the seed, as one frozen value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import chz
import torch
from chz.blueprint import Castable
from chz.blueprint._entrypoint import EntrypointException, ExtraneousBlueprintArg

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
from kontrast.spaces import Space, Sphere
from kontrast.teachers import Labels, Shared, Teacher

EXCLUSIVE = ("epochs", "steps")
"""Fields that say the same thing in two ways: giving one takes back the other."""


@chz.chz(typecheck=True)
class Experiment:
    """Everything that determines what a run computes.

    Two equal experiments give the same parameters, bit for bit, on one machine with one number of threads. ValueError,
    at once, where the parts contradict each other; what only the data can tell is found before the first step.

    With `micro` a batch passes through the network in micro-batches of so many things, so that memory is theirs, not
    the batch's. accumulation="exact" gives the loss and gradient of the whole batch all the same, for one forward pass
    more; only batch normalization then takes its statistics from each micro-batch. With "plain" every micro-batch is a
    batch of its own, which has fewer negatives.
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
    batch: int = chz.field(default=256, doc="things in a step, over all processes")
    micro: int | None = chz.field(
        default=None, doc="things that pass through the network at once, which saves memory; None: the whole batch"
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
    precision: Literal["float32", "bfloat16"] = chz.field(default="float32", doc="number format inside the encoder")
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
        if self.predictor_schedule is not None and self.predictor is None:
            raise ValueError("predictor_schedule needs a predictor; write predictor=Projection, or leave it out")
        if self.predictor is not None and self.predictor.dim is not None:
            raise ValueError("a predictor leads from embeddings to embeddings; leave out predictor.dim")
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
        """The freshly initialized network of this experiment: the same weights whenever it is called."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "model"))
            encoder, features = self.encoder.build(self.data.shape)
            outputs = self.space.inputs(self.dim)
            student = Student(encoder, self.head.build(features, outputs), self.space, self.dim)
            predictor = None if self.predictor is None else self.predictor.build(self.dim, outputs)
            return Model(student, self.teacher, self.objective.build(self.dim), predictor, self.joint)


def _divisor(batch: int, near: int) -> int:
    """The divisor of `batch` from 2 on that is nearest to a number."""
    return min((k for k in range(2, batch + 1) if batch % k == 0), key=lambda k: abs(k - near))


def check_family(name: str, value: object) -> None:
    """A ValueError if a part is given for a field of the experiment that holds parts of another family."""
    field = chz.chz_fields(Experiment).get(name)
    if field is not None and isinstance(field.meta_factory, parts.Named) and isinstance(value, parts.Part):
        family = field.meta_factory.family
        if not isinstance(value, family):
            raise ValueError(f"{name}={value!r} is no {family.__name__}; write one of {', '.join(parts.known(family))}")


def values(experiment: Experiment) -> dict[str, Any]:
    """An experiment as JSON: each field's path with its value, and the class name where it is a part."""
    flat = chz.beta_to_blueprint_values(experiment)
    return {path: value.__name__ if isinstance(value, type) else value for path, value in flat.items()}


def read(flat: Mapping[str, Any]) -> Experiment:
    """The experiment that `values` wrote. Names resolve within their family; ValueError otherwise."""
    classes: dict[str, type] = {"": Experiment}
    given: dict[str, Any] = {}
    for path in sorted(flat, key=lambda path: path.count(".")):
        owner, _, name = path.rpartition(".")
        if owner not in classes or name not in chz.chz_fields(classes[owner]):
            raise ValueError(f"this version of kontrast knows no field {path!r} of an experiment")
        meta = chz.chz_fields(classes[owner])[name].meta_factory
        value = flat[path]
        if isinstance(meta, parts.Named) and value is not None:
            value = classes[path] = parts.resolve(meta.family, str(value))
        given[path] = tuple(value) if isinstance(value, list) else value
    return make(chz.Blueprint(Experiment).apply(given, layer_name="experiment.json"))


def blueprint(preset: Mapping[str, Any], name: str, arguments: Sequence[str] = ()) -> chz.Blueprint[Experiment]:
    """A preset with `field=value` arguments over it. Choosing another part takes back the options of the old one.

    ValueError for an argument that is not of the form field=value.
    """
    given: dict[str, Castable] = {}
    for argument in arguments:
        path, equals, value = argument.partition("=")
        if not equals or not re.fullmatch(r"(\.\.\.)?\w+(\.\w+)*", path):
            raise ValueError(f"write arguments as field=value, not {argument!r}")
        for field in _matching(layered(preset, name, given, "command line"), path):
            given[field] = Castable(value)
    return layered(preset, name, given, "command line")


def _matching(plan: chz.Blueprint[Experiment], path: str) -> list[str]:
    """The fields that `...name` stands for: all that end so, of parts that are there. A plain path is itself."""
    if not path.startswith("..."):
        return [path]
    made = plan._make_lazy()

    def there(owner: str) -> bool:
        if not owner or owner in made.value_mapping:
            return True
        default = made.all_params[owner].default if owner in made.all_params else None
        return default is not None and default.instantiate() is not None and there(owner.rpartition(".")[0])

    end = path.removeprefix("...")
    found = [field for field in made.all_params if f".{field}".endswith(f".{end}")]
    found = [field for field in found if there(field.removesuffix(end).rstrip("."))]
    if not found:
        raise ValueError(f"no field ends with {end!r}; kontrast show lists them")
    return found


def layered(preset: Mapping[str, Any], name: str, given: Mapping[str, Any], layer: str) -> chz.Blueprint[Experiment]:
    """A preset with other values over it, each remembering where it came from."""

    def kept(path: str) -> bool:
        others = (other for other in given if path.startswith(f"{other}."))
        replaced = any(_named(given[other]) != _named(preset.get(other)) for other in others)
        return not replaced and not (path in EXCLUSIVE and any(other in given for other in EXCLUSIVE))

    base = {path: value for path, value in {"method": name, **preset}.items() if kept(path)}
    return chz.Blueprint(Experiment).apply(base, layer_name=name).apply(given, layer_name=layer)


def _named(value: object) -> object:
    """The class that a value names, so that choosing the same part again is told from choosing another."""
    if isinstance(value, Castable):
        return value.value
    return value.__name__ if isinstance(value, type) else value


def make(plan: chz.Blueprint[Experiment]) -> Experiment:
    """The experiment a blueprint describes; whatever is wrong with it is a ValueError of one sentence."""
    try:
        return plan.make()
    except EntrypointException as error:
        raise ValueError(_explain(plan, error)) from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def _explain(plan: chz.Blueprint[Experiment], error: EntrypointException) -> str:
    text = str(error)
    if isinstance(error, ExtraneousBlueprintArg):
        match = re.search(r"argument '([^']+)'", text)
        wrong = match.group(1) if match else text
        fields = list(plan._make_lazy().all_params)
        owner = wrong.rpartition(".")[0]
        near = [path for path in fields if path.rpartition(".")[0] == owner]
        if owner in fields and not near:
            return f"there is no field named {wrong!r}: {owner}, as it is chosen here, has no options"
        near = near or fields
        try:
            parts.choose(wrong, [path for path in near if path], "field")
        except ValueError as hint:
            return str(hint)
    match = re.search(r"there is no .*", text)
    if match:
        return match.group(0)
    match = re.search(r"argument '(.*)' provided for param '([^']+)'", text)
    if match:
        kind = re.search(r"Could not cast .* to (.*)", text)
        return f"{match.group(2)}={match.group(1)} cannot be read" + (f" as {kind.group(1)}" if kind else "")
    return " ".join(text.split())
