"""Fields that many published settings fill in alike: networks, heads, optimizers, schedules, views.

A published loss can be a multiple of the one here. Optimizers are given that multiple, `loss`, and hold it in their
rates and decays, so that their steps are those of the published loss, exactly: SGD follows c g + l w where ours has the
gradient g, which is c (g + l/c w); LARS divides by the norm of that sum, so that c is left in l/c and in the rate of
what is not adapted; and where its trust is clipped, it is SGD or not by the same condition.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from kontrast import augmentations, encoders, heads, optimizers, schedules
from kontrast.methods.setting import Values


def resnet(depth: int, *, stem: str = "imagenet", zero_init: bool = False) -> Values:
    """A ResNet of width 64."""
    return {"encoder": encoders.ResNet, "encoder.depth": depth, "encoder.stem": stem, "encoder.zero_init": zero_init}


def projection(layers: int, hidden: int, dim: int, **options: Any) -> Values:
    """A head of so many layers; its normalization and biases are Projection's own unless they are given."""
    sizes = {"layers": layers, "hidden": hidden, "dim": dim, "last_norm": "none", **options}
    return {"head": heads.Projection, **_under("head", sizes)}


def predictor(hidden: int, **options: Any) -> Values:
    """A predictor of two layers."""
    return {"predictor": heads.Projection, **_under("predictor", {"hidden": hidden, **options})}


def sgd(rate: float, decay: float, *, loss: float = 1.0) -> Values:
    """SGD with momentum .9, whose rate is for a batch of 256, and which decays everything."""
    options = {"rate": rate * loss, "weight_decay": decay / loss, "scaling": "linear", "exclude": "nothing"}
    return {"optimizer": optimizers.SGD, **_under("optimizer", options)}


def adam(rate: float, decay: float, *, loss: float = 1.0) -> Values:
    """Adam, whose rate is for any batch, and which decays everything."""
    options = {"rate": rate, "weight_decay": decay / loss, "scaling": "none", "exclude": "nothing"}
    return {"optimizer": optimizers.Adam, **_under("optimizer", options)}


def lars(rate: float, decay: float, *, loss: float = 1.0, biases: float = 1.0, velocity: str = "gradients") -> Values:
    """LARS as Google and Meta have it; `biases` is the rate of vectors, in units of that of matrices."""
    options = {"rate": rate, "weight_decay": decay / loss, "excluded_rate": loss * biases, "velocity": velocity}
    return {"optimizer": optimizers.LARS, **_under("optimizer", {"scaling": "linear", **options})}


def clipped_lars(rate: float, decay: float, *, loss: float = 1.0, exclude: str = "vectors") -> Values:
    """LARS as Apex and solo-learn have it: no tensor moves further than under SGD."""
    options = {"rate": rate * loss, "weight_decay": decay / loss, "scaling": "linear", "exclude": exclude}
    trust = {"eta": 0.02, "clip": True, "denominator": "sum_of_norms"}
    return {"optimizer": optimizers.LARS, **_under("optimizer", {**options, **trust})}


def constant(epochs: int) -> Values:
    """So many epochs at one rate."""
    return {"epochs": float(epochs), "schedule": schedules.Constant}


def cosine(epochs: int, *, warmup: int = 0, floor: float = 0.0, start: float = 0.0) -> Values:
    """So many epochs, the first of which warm up, and half a cosine over the others."""
    options = {"warmup": warmup / epochs, "floor": floor, "start": start}
    return {"epochs": float(epochs), "schedule": schedules.WarmupCosine, **_under("schedule", options)}


def alike(recipe: type, options: Values = MappingProxyType({})) -> Values:
    """Both views by one recipe, with options such as {"crop.size": 224, "blur": None}."""
    return {"pairing.recipe": recipe, "pairing.second": None, **_under("pairing.recipe", options)}


def unlike(first: type, second: type, options: Values = MappingProxyType({})) -> Values:
    """Each of the two views by its own recipe, both with these options."""
    both = {**_under("pairing.recipe", options), **_under("pairing.second", options)}
    return {"pairing.recipe": first, "pairing.second": second, **both}


def symmetric(options: Values = MappingProxyType({})) -> Values:
    """solo-learn's symmetric.yaml: a crop of 8 % or more, strong jitter, a blur of half."""
    return alike(augmentations.SimCLR, {"jitter.lightening": "scaled", **options})


def asymmetric(options: Values = MappingProxyType({})) -> Values:
    """solo-learn's asymmetric.yaml, which is the recipe of Barlow Twins; on CIFAR it has no blur."""
    return unlike(augmentations.BarlowTwinsFirst, augmentations.BarlowTwinsSecond, options)


def solarized(options: Values = MappingProxyType({})) -> Values:
    """solo-learn's recipe of VICReg: a crop of 20 % or more, a tenth of both views solarized."""
    return alike(augmentations.BarlowTwinsSecond, {"crop.scale": (0.2, 1.0), "solarize.p": 0.1, **options})


def _under(owner: str, options: Values) -> Values:
    return {f"{owner}.{name}": value for name, value in options.items()}
