"""The start of a run: the weights of another one, what of them stays as it is, and at which rates the rest goes on."""

from __future__ import annotations

import functools
import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import chz
import torch
from torch import Tensor, nn

from kontrast import checkpoints, parts
from kontrast.checkpoints import DamagedCheckpoint
from kontrast.encoders import Encoder
from kontrast.model import Student
from kontrast.optimizers import Group

BLOCK = re.compile(r"stem|encoder|block[1-9]\d*")


class Begun(NamedTuple):
    """Weights to begin with, by their names in encoder, head and space, and the run and step they are of."""

    run: str
    step: int
    tensors: dict[str, Tensor]

    def record(self) -> dict[str, Any]:
        """What a run writes down of it."""
        mark = checkpoints.fingerprint(self.tensors)
        return {"run": self.run, "step": self.step, "fingerprint": mark, "restored": sorted(self.tensors)}


def _block(start: Start, value: str | int | None) -> str | int | None:
    """The name of a block that is given by its number: 0 is the stem."""
    if re.fullmatch(r"\d{1,4}", str(value)):
        return f"block{int(str(value))}" if int(str(value)) else "stem"
    return value


@chz.chz
class Start(parts.Part):
    """Another run, whose weights a run starts from in place of random ones: fine-tuning, and transfer to other data.

    Weights are those that the other run keeps, the moving average of them where it has one. `restore` is a regular
    expression that the beginning of their names must match, as in "encoder.0.0.weight", "head.2.bias" and
    "into.log_radius"; what it does not match is drawn anew.

    `frozen` names a block of the encoder: that one and all before it take no gradient, and stay in evaluation mode, so
    that not a bit of them changes, statistics of batch normalization included, and nothing drops out in them. With
    "encoder" all of it is frozen, which leaves the head. A number k is block k, and 0 the stem: the k of SimCLR's
    fine_tune_after_block. With `decay` < 1 the rate of the block b = 0, ..., K - 1 of the encoder is decay^(K - b)
    times that of the head (Clark et al. 2020, arXiv 2003.10555). With `zero_head` the last layer of the head is set to
    zero, so that every first output is 0 (chance).

    What runs show is read when training begins, and never again: a run that goes on does not need the folder.
    ValueError if there is no such run or block, if nothing matches, or if tensors do not fit.
    """

    run: str = chz.field(doc="folder of the run whose weights are taken, or of one of its checkpoints")
    checkpoint: int | None = chz.field(default=None, doc="step of its checkpoint; None: the last")
    restore: str = chz.field(
        default=r"encoder\.", doc="which weights are taken: what their names begin with, a regular expression"
    )
    frozen: str | int | None = chz.field(
        default=None, munger=_block, doc="last block that does not train, as stem, block3 or encoder; None: all train"
    )
    zero_head: bool = chz.field(default=False, doc="begin with a last layer of zeros, so that every output is 0")
    decay: float = chz.field(default=1.0, doc="rate of a block as a share of that of the block after it, in (0, 1]")

    @chz.validate
    def _sound(self) -> None:
        if not self.run:
            raise ValueError("a start needs the folder of a run; write start.run=runs/simclr")
        if self.checkpoint is not None and self.checkpoint < 0:
            raise ValueError(f"checkpoint is the number of a step, not {self.checkpoint}; leave it out for the last")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is a share in (0, 1], not {self.decay}; write start.decay=0.75, or 1 for one rate")
        if self.frozen is not None and not BLOCK.fullmatch(str(self.frozen)):
            raise ValueError(
                f"frozen names a block of the encoder, not {self.frozen!r}; write start.frozen=stem, block1 or encoder"
            )
        try:
            re.compile(self.restore)
        except re.error as error:
            raise ValueError(
                f"start.restore={self.restore} is no regular expression ({error}); write start.restore=encoder"
            ) from None

    def read(self) -> Begun:
        """The weights that are restored, on the CPU."""
        step, tensors = self._checkpoint()
        prefix = "average." if any(name.startswith("average.") for name in tensors) else "model.student."
        kept = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        found = {name: value for name, value in kept.items() if re.match(self.restore, name)}
        if not found:
            names = sorted(kept)
            raise ValueError(
                f"start.restore={self.restore} matches no weight of {self.run}, whose names are {names[0]}, ..., "
                f"{names[-1]}; write start.restore=encoder"
            )
        return Begun(self.run, step, found)

    def _checkpoint(self) -> tuple[int, Mapping[str, Tensor]]:
        folder, step = self._folder()
        if not (folder / "experiment.json").is_file():
            raise ValueError(
                f"there is no run to start from in {self.run}: it has no experiment.json; "
                "write start.run= and the out= of a kontrast train"
            )
        there = checkpoints.steps(folder / "checkpoints")
        if step is not None and step not in there:
            raise ValueError(
                f"{self.run} has no checkpoint of step {step} to start from; there are: "
                f"{', '.join(map(str, there)) or 'none'}"
            )
        if step is not None:
            found = checkpoints.load(folder / "checkpoints" / f"step-{step:09d}")
            return found.step, found.tensors
        last, damaged = checkpoints.latest(folder / "checkpoints")
        if last is None:
            raise DamagedCheckpoint(f"{self.run} has no checkpoint to start from: {(damaged or ['train it first'])[0]}")
        for sentence in damaged:
            warnings.warn(f"{sentence}; starting from step {last.step} instead", stacklevel=2)
        return last.step, last.tensors

    def _folder(self) -> tuple[Path, int | None]:
        """The folder of the run and the step that are meant, also by the folder of a checkpoint."""
        folder = Path(self.run)
        if (named := checkpoints.NAME.fullmatch(folder.name)) and self.checkpoint is None:
            return folder.parent.parent, int(named[1])
        return folder, self.checkpoint

    @torch.no_grad()
    def place(self, student: Student, encoder: Encoder, tensors: Mapping[str, Tensor]) -> None:
        """Put what was read into a student that `encoder` built, and zeros into the last layer of its head."""
        own = {name: value for name, value in student.state_dict().items() if re.match(self.restore, name)}
        for name in sorted({*own, *tensors}):
            here, there = own.get(name), tensors.get(name)
            if here is None or there is None:
                where = f"{self.run} but not in this network" if here is None else f"this network but not in {self.run}"
                raise ValueError(f"{name} is in {where}{self._advice(encoder)}")
            if here.shape != there.shape:
                raise ValueError(
                    f"{name} has the shape {list(there.shape)} in {self.run} and {list(here.shape)} here"
                    f"{self._advice(encoder)}"
                )
        for name, value in own.items():
            value.copy_(tensors[name])
        if self.zero_head:
            layers = [module for module in student.head.modules() if [*module.parameters(recurse=False)]]
            if not layers:
                raise ValueError("the head has no weights that could be zero; write head=Linear")
            for parameter in layers[-1].parameters(recurse=False):
                parameter.zero_()

    def _advice(self, encoder: Encoder) -> str:
        """What to write instead: the options of the other run's encoder, where they differ."""
        try:
            told = json.loads((self._folder()[0] / "experiment.json").read_text())
        except (OSError, ValueError):
            told = {}
        here = {"encoder": type(encoder).__name__}
        here |= {f"encoder.{name}": getattr(encoder, name) for name in chz.chz_fields(encoder)}
        other = {name: value for name, value in told.items() if name in here and value != _plain(here[name])}
        if "encoder" in other:
            other = {name: value for name, value in told.items() if re.match(r"encoder($|\.)", name)}
        said = " ".join(f"{name}={_word(value)}" for name, value in other.items())
        if said:
            return f", whose encoder is another one; write {said}"
        return "; give data of the same shape, or write start.restore= and a pattern that leaves it out"

    def freeze(self, student: Student, encoder: Encoder) -> None:
        """Freeze the blocks of a student that `encoder` built, up to the one that is named."""
        if self.frozen is None:
            return
        if self.frozen == "encoder":
            student.freeze([student.encoder])
            return
        there = blocks(student.encoder, encoder)
        if self.frozen not in there:
            raise ValueError(
                f"{type(encoder).__name__} has no {self.frozen} to freeze; there are: {', '.join([*there, 'encoder'])}"
            )
        names = [*there]
        for name in names[: names.index(self.frozen) + 1]:
            student.freeze(there[name])
        for parameter in student.encoder.parameters(recurse=False):
            parameter.requires_grad_(False)

    def groups(self, student: Student, encoder: Encoder) -> list[Group]:
        """The parameters of the encoder by block, each at its own rate; none where all have the same."""
        if self.decay == 1:
            return []
        there = blocks(student.encoder, encoder)
        found = [
            Group([p for module in modules for p in module.parameters()], factor=self.decay ** (len(there) - b))
            for b, modules in enumerate(there.values())
        ]
        stem = found[0]
        loose = [*student.encoder.parameters(recurse=False)]
        return [stem._replace(parameters=[*stem.parameters, *loose]), *found[1:]]


def blocks(network: nn.Module, encoder: Encoder) -> dict[str, list[nn.Module]]:
    """The blocks of an encoder's network; what belongs to none of them goes with the stem."""
    found = encoder.blocks(network) or {"stem": [network]}
    covered = {id(part) for modules in found.values() for module in modules for part in module.modules()}
    loose = [part for part in network.modules() if id(part) not in covered and not [*part.children()]]
    stem = next(iter(found))
    return {**found, stem: [*found[stem], *loose]}


class _Path(parts.Named):
    """Lets a command line give the folder of a run where a start is chosen: start=runs/simclr."""

    def from_string(self, factory: str) -> Callable[..., Any]:
        return Start if factory == Start.__name__ else functools.partial(Start, run=factory)


def start_field(doc: str) -> Any:
    """A field of an experiment that holds a start, or None."""
    return chz.field(default=None, meta_factory=_Path(Start, Start), doc=doc)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
