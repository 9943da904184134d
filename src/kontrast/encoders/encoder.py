"""The interface of an encoder: the network whose output, the feature, is what one keeps after pretraining."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from torch import Tensor, nn

from kontrast.parts import Part


class Encoder(Part, ABC):
    """A network from observations to features."""

    @abstractmethod
    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        """A freshly initialized module for observations float32 [n, *shape], and the dimension of its feature [n, d].

        It draws its weights from torch's current random state, which the caller has seeded. A ValueError, in one
        sentence, if such observations do not fit.
        """

    def blocks(self, network: nn.Module) -> dict[str, list[nn.Module]]:
        """The blocks that a network of `build` consists of, in the order that observations pass through them.

        The first is the "stem", the others are "block1", "block2", ...: each child that has weights, with the children
        after it that have none or only scale and shift. What a block gives is the output of the last of its modules.
        Parameters that the network owns itself, as a transformer its position embedding, count to the stem.
        """
        return grouped(network.children())

    def averaged(self, network: nn.Module, output: Tensor) -> Tensor:
        """What a block of the network gave, as vectors [n, d].

        Maps [n, d, h, w] are averaged over the picture, and tokens [n, t, d] over the tokens.
        """
        return output.mean((2, 3)) if output.ndim == 4 else output.mean(1) if output.ndim == 3 else output.flatten(1)


def grouped(modules: Iterable[nn.Module]) -> dict[str, list[nn.Module]]:
    """Modules in their order as "stem", "block1", ...: one with weights begins a block, others belong to the last."""
    found: list[list[nn.Module]] = []
    for module in modules:
        if not found or (_weighs(module) and any(map(_weighs, found[-1]))):
            found.append([])
        found[-1].append(module)
    return {f"block{k}" if k else "stem": block for k, block in enumerate(found)}


def _weighs(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


def check_dropout(share: float) -> None:
    """A ValueError unless the share of numbers that dropout sets to zero is in [0, 1)."""
    if not 0 <= share < 1:
        raise ValueError(f"dropout is a share in [0, 1), not {share}; write encoder.dropout=0.3")


def dropped(activation: nn.Module, share: float) -> nn.Module:
    """The activation with dropout after it, as one module: the names of a network's weights do not depend on it."""
    return nn.Sequential(activation, nn.Dropout(share)) if share else activation
