"""Every objective behind a small network, in the ways an experiment asks it: what exactness is tested on."""

from typing import NamedTuple

import torch
from torch import nn

from kontrast import parts
from kontrast.draws import generator
from kontrast.model import Output
from kontrast.objectives import InfoNCE, Objective, Supervised
from kontrast.similarities import Diagonal, LatentClass, Lp, Mahalanobis
from kontrast.spaces import Box, Euclidean, Product, Simplex, Space, Sphere, VonMisesFisher
from kontrast.views import Views

ROWS, WIDTH, DIM = 48, 5, 4
SPACES = (Sphere(), Euclidean(), Simplex(), VonMisesFisher(), Product(first=Box(), split=2))
ASYMMETRIC = "predictor"
LABELS = "labels"
CROPS = "crops"


class Case(NamedTuple):
    """An objective, the space it is asked in, and how: "", or words out of ASYMMETRIC, LABELS and CROPS."""

    objective: Objective
    space: Space
    how: tuple[str, ...] = ()

    @property
    def name(self):
        return " ".join((repr(self.objective), type(self.space).__name__, *self.how))


def cases():
    """Every objective that is known, and InfoNCE in the forms that look at more than pairs."""
    found = []
    for cls in parts.known(Objective).values():
        objective = cls()
        hows = [()] if issubclass(cls, Supervised) else [(), (ASYMMETRIC,), (LABELS,), (CROPS,)]
        found += [Case(objective, space_of(objective), how) for how in hows]
    special = [
        InfoNCE(similarity=Mahalanobis()),
        InfoNCE(similarity=Mahalanobis(covariance="running")),
        InfoNCE(similarity=Diagonal(), learn_temperature=True),
        InfoNCE(similarity=LatentClass(prior=True)),
        InfoNCE(similarity=Lp(p=1.0), candidates="anchors", own=True),
        InfoNCE(candidates="cross", denominator="negatives"),
    ]
    return found + [Case(objective, space_of(objective), how) for objective in special for how in ((), (LABELS,))]


def space_of(objective):
    """The first space that the objective accepts."""
    for space in SPACES:
        try:
            objective.check(space)
        except ValueError:
            continue
        return space
    raise AssertionError(f"no space fits {objective}")


class Small(nn.Module):
    """A linear network into the space of a case, perhaps a predictor, and the criterion."""

    def __init__(self, case, kind):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            inputs = case.space.inputs(DIM)
            self.network = nn.Linear(WIDTH, inputs)
            self.into = case.space.build(DIM)
            self.predictor = nn.Linear(DIM, inputs) if ASYMMETRIC in case.how else None
            self.criterion = case.objective.build(DIM)
        self.told = isinstance(case.objective, Supervised)
        self.to(kind)

    def forward(self, views, number=0):
        """Asked and answered embeddings; with a predictor the answers take no gradient."""
        embedded = {view: self.into(self.network(views.views[view])) for view in views.asking}
        asked, features = tuple(embedded[view] for view in views.asking), views.views[0]
        if self.told:
            return Output(asked, tuple(views.views[view] for view in views.answering), features)
        if self.predictor is not None:
            answers = tuple(embedded[view].detach() for view in views.answering)
            return Output(tuple(self.into(self.predictor(z)) for z in asked), answers, features)
        return Output(asked, tuple(embedded[view] for view in views.answering), features)

    def gradient(self):
        """The gradient of every parameter by its name."""
        return {
            name: torch.zeros_like(value) if value.grad is None else value.grad
            for name, value in self.named_parameters()
        }


def views_of(case, kind, rows=ROWS):
    """Views of a whole batch. Every number is drawn for itself, so that batches of other sizes begin alike."""
    rng = generator(1, "views")
    x = torch.randn(rows, WIDTH, generator=rng, dtype=torch.float64).to(kind)
    others = [x + 0.3 * torch.randn(rows, WIDTH, generator=rng, dtype=torch.float64).to(kind) for _ in range(2)]
    key = torch.randint(0, 5, (rows,), generator=rng) if LABELS in case.how else torch.arange(rows).flip(0)
    if isinstance(case.objective, Supervised):
        labels = torch.arange(rows) % (DIM + 1) - 1
        answer = labels if case.objective.target == "labels" else others[0][:, :DIM]
        return Views((x, answer), key, asking=(0,), answering=(1,))
    if CROPS in case.how:
        return Views((x, *others), key, asking=(0, 1, 2), answering=(0, 1))
    return Views((x, others[0]), key)


def rows_of(views, rows):
    """Some rows of views."""
    return views._replace(views=tuple(view[rows] for view in views.views), key=views.key[rows])


def apart(found, expected):
    """The distance of some tensors from those expected under their names, relative to the size of these."""
    if not found:
        return 0.0
    distance = torch.stack([(value - expected[name]).double().norm() for name, value in found.items()]).norm()
    size = torch.stack([expected[name].double().norm() for name in found]).norm()
    return float(distance / size) if size > 0 else float(distance)
