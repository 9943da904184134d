"""Pictures of another data set at another size: so that an encoder can be shown what it was not trained on."""

from __future__ import annotations

import chz
import torch
from torch.nn import functional

from kontrast.datasets.dataset import Fault, Stored
from kontrast.datasets.digits import Digits
from kontrast.parts import field
from kontrast.views import Factor, Split, Things

PART = 1000


@chz.chz
class Resized(Stored):
    """The pictures of another dataset at the size and with the channels of a third, for which they are then foreign.

    Bilinear, with antialiasing where pictures shrink, without regard to their aspect ratio, and rounded to bytes. Gray
    becomes three equal channels, and three channels become gray by (.299, .587, .114) (ITU-R BT.601). Rows, labels and
    latents stay as they are. ValueError for data that are no pictures of 1 or 3 channels, or such a size.
    """

    of: Stored = field(Stored, Digits, doc="the data set whose pictures are resized")
    size: int = chz.field(default=28, doc="height and width of the pictures, in pixels")
    channels: int | None = chz.field(default=None, doc="1 for gray, 3 for color; None: as they are")

    @chz.validate
    def _pictures(self) -> None:
        if len(self.of.shape) != 3 or self.of.shape[0] not in (1, 3):
            raise ValueError(
                f"{type(self.of).__name__} has observations of shape {list(self.of.shape)}, which are no pictures of 1 "
                "or 3 channels; write data.of=Digits"
            )
        if self.size < 1 or self.channels not in (None, 1, 3):
            raise ValueError(
                f"pictures have a size of 1 or more and 1 or 3 channels, not {self.size} and {self.channels}; "
                "write size=28 channels=1"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels or self.of.shape[0], self.size, self.size

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of.classes

    @property
    def factors(self) -> tuple[Factor, ...]:
        return self.of.factors

    def read(self, split: Split) -> Things:
        whole = self.of.read(split)
        # In parts, so that the numbers between the bytes never take more than a little memory.
        parts = [self._resized(part) for part in torch.split(whole.observations, PART)]
        return Things(torch.cat(parts), whole.index, 0, whole.labels, whole.latents)

    def faults(self, split: Split) -> list[Fault]:
        return self.of.faults(split)

    def _resized(self, pictures: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(pictures.float(), (self.size, self.size), mode="bilinear", antialias=True)
        wanted = self.shape[0]
        if wanted < x.shape[1]:
            x = (x * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        return x.round().clamp(0, 255).to(torch.uint8).expand(-1, wanted, -1, -1).contiguous()
