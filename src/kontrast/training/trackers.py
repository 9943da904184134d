"""Trackers: where a run shows itself while it trains. TensorBoard always does; others are asked for by name.

A new tracker is one class that derives from `Tracker`, with a `name`. It may fail whenever it wants: a run then goes on
without it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kontrast.files import write_json
from kontrast.parts import choose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.tensorboard import SummaryWriter

PROJECT = "kontrast"


class Tracker(ABC):
    """Shows the rows of metrics and the pictures of one run.

    It is made when the run begins, or goes on from `step`; `config` is the experiment, each field's path with its
    value. `name` is what `track=` says, `package` what has to be installed, as the extra of the same name does.
    """

    name: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, out: Path, step: int, config: Mapping[str, Any]) -> None:
        self.out, self.step, self.config = out, step, config
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """Be ready for the first row."""

    @abstractmethod
    def row(self, row: Mapping[str, float]) -> None:
        """Numbers by name; `step` counts the optimizer steps taken."""

    @abstractmethod
    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """A picture [h, w, 3]."""

    @abstractmethod
    def close(self) -> None:
        """No more will come."""


class TensorBoard(Tracker):
    """Events in the run's folder: `tensorboard --logdir runs`. A resumed run takes back what came after its step."""

    name, package = "tensorboard", "tensorboard"

    def begin(self) -> None:
        self.events: SummaryWriter | None = None

    def row(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "step":
                self._writer().add_scalar(name, value, int(row["step"]))

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        self._writer().add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        if self.events is not None:
            self.events.close()

    def _writer(self) -> SummaryWriter:
        if self.events is None:
            # Imported at the first row, not at the start: it takes longer than anything else a run waits for.
            from torch.utils.tensorboard import SummaryWriter

            resumed = self.step or any(self.out.glob("events.*"))
            self.events = SummaryWriter(str(self.out), purge_step=self.step + 1 if resumed else None)
        return self.events


class WeightsAndBiases(Tracker):
    """Weights & Biases, in the project "kontrast" or $WANDB_PROJECT.

    With WANDB_MODE=offline nothing leaves the machine. A resumed run goes on under the same name. Every number carries
    its `step`, which is the axis of all charts.
    """

    name, package = "wandb", "wandb"

    def begin(self) -> None:
        import wandb

        own = identity(self.out, self.name)
        settings = wandb.Settings(console="off", silent=True)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        self.run = wandb.init(
            project=project,
            name=self.out.name,
            id=own,
            resume="allow",
            dir=str(self.out),
            config=dict(self.config),
            settings=settings,
        )
        self.run.define_metric("*", step_metric="step")

    def row(self, row: Mapping[str, float]) -> None:
        self.run.log(dict(row))

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        import wandb

        self.run.log({name: wandb.Image(picture), "step": step})

    def close(self) -> None:
        self.run.finish()


class Trackio(Tracker):
    """Trackio, in the project "kontrast" on this machine, or where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says."""

    name, package = "trackio", "trackio"

    def begin(self) -> None:
        import trackio

        own = f"{self.out.name}-{identity(self.out, self.name)}"
        self.run = trackio.init(project=PROJECT, name=own, config=dict(self.config), resume="allow", embed=False)

    def row(self, row: Mapping[str, float]) -> None:
        self.run.log({name: value for name, value in row.items() if name != "step"}, step=int(row["step"]))

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        import trackio

        self.run.log({name: trackio.Image(picture)}, step=step)

    def close(self) -> None:
        self.run.finish()


def known() -> dict[str, type[Tracker]]:
    """The trackers that one may ask for, by name."""
    return {tracker.name: tracker for tracker in Tracker.__subclasses__() if tracker is not TensorBoard}


def chosen(track: str) -> list[type[Tracker]]:
    """The trackers that `track` names, with commas between. ValueError where one is unknown or not installed."""
    found = []
    for word in filter(None, (word.strip() for word in track.split(","))):
        tracker = known()[choose(word, known(), "tracker")]
        if importlib.util.find_spec(tracker.package) is None:
            raise ValueError(
                f"track={word} needs {tracker.package}: pip install 'kontrast[{word}]', or leave out track"
            )
        found.append(tracker)
    return found


def identity(out: Path, name: str) -> str:
    """What a tracker knows the run in `out` by: drawn once, kept in trackers.json, and so the same after a resume."""
    path = out / "trackers.json"
    try:
        there = json.loads(path.read_text())
    except (OSError, ValueError):
        there = {}
    if name not in there:
        there[name] = secrets.token_hex(4)
        write_json(path, there)
    return str(there[name])
