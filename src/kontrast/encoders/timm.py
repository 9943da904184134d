"""The models of the timm library as encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chz
import torch
from torch import Tensor, nn

from kontrast.encoders.encoder import Encoder, grouped
from kontrast.parts import choose

LISTS = ("blocks", "stages", "layers", "features")
"""What timm's models call the sequence of their blocks, where they have one."""


@chz.chz
class Timm(Encoder):
    """A model of timm by its name (Wightman 2019); its feature is the model's own pooled one, without a classifier.

    Needs timm: pip install 'kontrast[timm]'. Models that are made for one size of picture, as vision transformers are,
    are made for that of the data. Weights are drawn anew, or come from a file in the safetensors format, which timm
    fits to the number of channels and to the size; nothing is downloaded. Published weights want standardized pictures:
    `normalize` subtracts the mean that the model was trained with and divides by its deviation.
    """

    model: str = chz.field(default="resnet18", doc="name in timm, such as vit_small_patch16_224 or convnext_tiny")
    patch_size: int | None = chz.field(default=None, doc="pixels across a patch, for transformers; None: the model's")
    drop_path: float = chz.field(default=0.0, doc="share of residual branches left out in training, in [0, 1)")
    weights: str | None = chz.field(default=None, doc="file of weights (.safetensors) to begin with; None: random")
    normalize: bool = chz.field(default=False, doc="standardize pictures as the model's published weights want them")

    @chz.validate
    def _sound(self) -> None:
        if self.patch_size is not None and self.patch_size < 1:
            raise ValueError(f"patch_size is a number of pixels, not {self.patch_size}; write encoder.patch_size=16")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path is a share in [0, 1), not {self.drop_path}; write encoder.drop_path=0.1")
        if self.weights is not None and not self.weights.endswith(".safetensors"):
            raise ValueError(
                f"weights come from a file in the safetensors format, not {self.weights}; "
                "write encoder.weights=model.safetensors"
            )

    def build(self, shape: tuple[int, ...]) -> tuple[nn.Module, int]:
        if len(shape) != 3:
            raise ValueError(f"Timm encodes pictures, not observations of shape {list(shape)}; write encoder=Mlp")
        create, config = self._known()
        options: dict[str, Any] = {"in_chans": shape[0], "num_classes": 0}
        options |= {"img_size": shape[1:]} if config.fixed_input_size else {}
        options |= {"patch_size": self.patch_size} if self.patch_size else {}
        options |= {"drop_path_rate": self.drop_path} if self.drop_path else {}
        if self.weights is not None:
            if not Path(self.weights).is_file():
                raise ValueError(f"there is no file {self.weights}; write encoder.weights=None for random ones")
            options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": self.weights}}
        try:
            network = create(self.model, **options)
            features = _features(network, shape)
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
            raise ValueError(
                f"Timm cannot make {self.model} for pictures of shape {list(shape)} ({_first_line(error)}); "
                "write encoder.model=resnet18, or other options of encoder"
            ) from error
        if self.normalize:
            _standardizing(network, config.mean, config.std, shape[0])
        return network, features

    def blocks(self, network: nn.Module) -> dict[str, list[nn.Module]]:
        """The blocks of any encoder, where a sequence of blocks, as those of a transformer, counts each by itself."""
        return grouped(_children(network))

    def averaged(self, network: nn.Module, output: Tensor) -> Tensor:
        last = output.ndim == 4 and getattr(network, "output_fmt", None) == "NHWC"
        return output.mean((1, 2)) if last else super().averaged(network, output)

    def _known(self) -> tuple[Callable[..., nn.Module], Any]:
        """What makes a model, and timm's description of this one; a ValueError if either is missing."""
        try:
            import timm
        except (ImportError, RuntimeError, AttributeError) as error:
            if isinstance(error, ModuleNotFoundError) and error.name == "timm":
                raise ValueError("Timm needs timm: pip install 'kontrast[timm]', or write encoder=ResNet") from error
            raise ValueError(
                f"timm is installed, but cannot be imported ({_first_line(error)}): the torchvision that it uses does "
                f"not fit torch {torch.__version__}; install the one that does, or write encoder=ResNet"
            ) from error
        if not timm.is_model(self.model):
            choose(self.model, timm.list_models() + timm.list_pretrained(), "timm model")
        return timm.create_model, timm.get_pretrained_cfg(self.model)


def _children(network: nn.Module) -> Iterator[nn.Module]:
    for name, child in network.named_children():
        # A list is never called itself, and so says nothing of what passes through it.
        if isinstance(child, nn.ModuleList) or (name in LISTS and isinstance(child, nn.Sequential)):
            yield from child
        else:
            yield child


@torch.no_grad()
def _features(network: nn.Module, shape: tuple[int, ...]) -> int:
    """The dimension of the feature, which not every model says truly."""
    made = network.eval()(torch.zeros(1, *shape))
    network.train()
    if made.ndim != 2:
        raise ValueError(f"its feature has the shape {list(made.shape[1:])}")
    return int(made.shape[1])


def _standardizing(network: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> None:
    """Lets a network standardize what it is given, without another name for any of its weights."""
    if channels != len(mean):
        raise ValueError(
            f"Timm knows the mean of {len(mean)} channels, where the data has {channels}; write encoder.normalize=False"
        )
    for name, value in (("input_mean", mean), ("input_std", std)):
        network.register_buffer(name, torch.tensor(value).view(-1, 1, 1), persistent=False)
    network.register_forward_pre_hook(_standardize)


def _standardize(network: nn.Module, given: tuple[Tensor, ...]) -> Tensor:
    return (given[0] - network.get_buffer("input_mean")) / network.get_buffer("input_std")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
