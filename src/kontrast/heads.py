"""Heads: small networks from features to embeddings, which one throws away after pretraining; also predictors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import chz
import torch
from torch import nn

from kontrast.parts import Part


@chz.chz
class Head(Part, ABC):
    """A network from features to points that a space then takes in; between embeddings, it is a predictor.

    Every head has the field `dim`, which says what the caller gives to `build`.
    """

    dim: int | None = chz.field(default=None, doc="dimension of the embedding; None: as many as the data calls for")

    @chz.validate
    def _some(self) -> None:
        if self.dim is not None and self.dim < 1:
            raise ValueError(f"dim is a number of coordinates, not {self.dim}; write head.dim=128, or None")

    @abstractmethod
    def build(self, features: int, dim: int) -> nn.Module:
        """A freshly initialized module from float32 [n, features] to [n, dim].

        It draws its weights from torch's current random state, which the caller has seeded. A ValueError, in one
        sentence, if it cannot lead from so many numbers to so many.
        """


@chz.chz
class Identity(Head):
    """No head: the feature is the embedding."""

    def build(self, features: int, dim: int) -> nn.Module:
        if features != dim:
            raise ValueError(
                f"Identity cannot make embeddings of {dim} numbers from features of {features}; "
                f"write head.dim={features}, or head=Linear"
            )
        return nn.Identity()


@chz.chz
class Linear(Head):
    """One linear layer, z = W h + b."""

    bias: bool = chz.field(default=True, doc="whether there is a b")

    def build(self, features: int, dim: int) -> nn.Module:
        return nn.Linear(features, dim, bias=self.bias)


@chz.chz
class Projection(Head):
    """Linear layers with rectifiers between them: SimCLR's projection head (Chen et al. 2020, arXiv 2002.05709).

    By default z = W2 relu(norm(W1 h)) + b2, with batch normalization as norm. As published:

        SimCLR                            last_norm=scale std=0.01, as wide as the feature, 128 out (2002.05709)
        SimCLR of solo-learn and SupCon   norm=False (2004.11362)
        Barlow Twins, VICReg              layers=3 hidden=8192 bias=False, 8192 out (2103.03230, 2105.04906)
        SimSiam                           layers=3 hidden=2048 last_norm=plain, 2048 out (2011.10566)
        BYOL, projector and predictor     hidden=4096 bias=False, 256 out (2006.07733)
        predictor of SimSiam              hidden=512
        probabilistic SimCLR              hidden=2048 last_norm=affine, 128 out
        3DIdent                           hidden=100 norm=False slope=.01, 10 out (2102.08850)

    A layer that is normalized has no bias, which the normalization would cancel. Dropout follows every rectifier.
    """

    hidden: int = chz.field(default=512, doc="width of the hidden layers")
    layers: int = chz.field(default=2, doc="number of linear layers; 1 is linear")
    norm: bool = chz.field(default=True, doc="batch normalization of the hidden layers")
    slope: float = chz.field(default=0.0, doc="slope of the rectifiers below zero, in [0, 1); 0: they give zero there")
    last_norm: Literal["none", "plain", "scale", "affine"] | bool = chz.field(
        default="none",
        munger=lambda self, value: {False: "none", True: "plain"}.get(value, value),
        doc='batch normalization of the embedding: "plain", with a learned "scale", or with scale and shift ("affine")',
    )
    bias: bool = chz.field(default=True, doc="whether the last layer has a bias, where it is not normalized")
    dropout: float = chz.field(default=0.0, doc="share of the hidden numbers set to zero in training, in [0, 1)")
    std: float | None = chz.field(
        default=None, doc="standard deviation of the initial weights, which are normal; None: uniform, torch's default"
    )

    @chz.validate
    def _sizes(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"hidden is a number of units, not {self.hidden}; write head.hidden=512")
        if self.layers < 1:
            raise ValueError(f"a projection has at least one layer, not {self.layers}; write head.layers=2")
        if self.last_norm not in ("none", "plain", "scale", "affine"):
            raise ValueError(
                f"last_norm is none, plain, scale or affine, not {self.last_norm!r}; write head.last_norm=plain"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share in [0, 1), not {self.dropout}; write head.dropout=0.3")
        if not 0 <= self.slope < 1:
            raise ValueError(f"the slope of a rectifier is in [0, 1), not {self.slope}; write head.slope=0.01")
        if self.dropout and self.layers == 1:
            raise ValueError("one layer has nothing hidden that could drop out; write head.layers=2, or head.dropout=0")
        if self.std is not None and not 0 < self.std < math.inf:
            raise ValueError(f"std is a positive number, not {self.std}; write head.std=0.01, or None")

    def build(self, features: int, dim: int) -> nn.Module:
        modules: list[nn.Module] = []
        for _ in range(self.layers - 1):
            modules.append(self._linear(features, self.hidden, bias=not self.norm))
            if self.norm:
                modules.append(nn.BatchNorm1d(self.hidden))
            # One module with the rectifier, so that the names of the weights do not depend on it.
            rectifier = nn.LeakyReLU(self.slope) if self.slope else nn.ReLU()
            modules.append(nn.Sequential(rectifier, nn.Dropout(self.dropout)) if self.dropout else rectifier)
            features = self.hidden
        normalized = self.last_norm != "none"
        modules.append(self._linear(features, dim, bias=self.bias and not normalized))
        if normalized:
            last = nn.BatchNorm1d(dim, affine=self.last_norm != "plain")
            if self.last_norm == "scale":
                last.register_parameter("bias", None)
            modules.append(last)
        return nn.Sequential(*modules)

    def _linear(self, features: int, dim: int, bias: bool) -> nn.Linear:
        layer = nn.Linear(features, dim, bias=bias)
        if self.std is not None:
            nn.init.normal_(layer.weight, std=self.std, generator=torch.default_generator)
            if bias:
                nn.init.zeros_(layer.bias)
        return layer
