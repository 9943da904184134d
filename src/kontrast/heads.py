"""Heads: small networks from features to embeddings, which one throws away after pretraining; also predictors."""

from __future__ import annotations

from abc import ABC, abstractmethod

import chz
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

    By default z = W2 relu(norm(W1 h)) + b2, with batch normalization as norm. Three layers and `last_norm` are the
    projector of SimSiam (Chen and He 2020, arXiv 2011.10566), three layers alone that of Barlow Twins (Zbontar et al.
    2021, arXiv 2103.03230), and the default, between two embeddings, is the predictor of SimSiam and of BYOL (Grill
    et al. 2020, arXiv 2006.07733). A layer that is normalized has no bias, which the normalization would cancel.
    Dropout follows every rectifier.
    """

    hidden: int = chz.field(default=512, doc="width of the hidden layers")
    layers: int = chz.field(default=2, doc="number of linear layers; 1 is linear")
    norm: bool = chz.field(default=True, doc="batch normalization of the hidden layers")
    last_norm: bool = chz.field(default=False, doc="batch normalization of the embedding, too, with no scale or shift")
    dropout: float = chz.field(default=0.0, doc="share of the hidden numbers set to zero in training, in [0, 1)")

    @chz.validate
    def _sizes(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"hidden is a number of units, not {self.hidden}; write head.hidden=512")
        if self.layers < 1:
            raise ValueError(f"a projection has at least one layer, not {self.layers}; write head.layers=2")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share in [0, 1), not {self.dropout}; write head.dropout=0.3")
        if self.dropout and self.layers == 1:
            raise ValueError("one layer has nothing hidden that could drop out; write head.layers=2, or head.dropout=0")

    def build(self, features: int, dim: int) -> nn.Module:
        modules: list[nn.Module] = []
        for _ in range(self.layers - 1):
            modules.append(nn.Linear(features, self.hidden, bias=not self.norm))
            if self.norm:
                modules.append(nn.BatchNorm1d(self.hidden))
            # One module with the rectifier, so that the names of the weights do not depend on it.
            modules.append(nn.Sequential(nn.ReLU(), nn.Dropout(self.dropout)) if self.dropout else nn.ReLU())
            features = self.hidden
        modules.append(nn.Linear(features, dim, bias=not self.last_norm))
        if self.last_norm:
            modules.append(nn.BatchNorm1d(dim, affine=False))
        return nn.Sequential(*modules)
