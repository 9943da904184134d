"""Stored data whose latents are known, made in memory: points of a box with an angle and a class, and a whole grid."""

import atexit
import shutil
import tempfile
from pathlib import Path

import chz
import torch

from kontrast.datasets import Stored
from kontrast.draws import generator
from kontrast.views import Factor, Things


@chz.chz
class _Points(Stored):
    """Rows whose observations are their latents: x and y in [-1, 1], an angle, and one of three classes."""

    count: int = chz.field(default=300)
    seed: int = chz.field(default=0)

    @property
    def shape(self):
        return (4,)

    @property
    def factors(self):
        return (
            Factor("x", low=-1.0),
            Factor("y", low=-1.0),
            Factor("angle", "periodic", high=6.0),
            Factor("kind", "discrete", high=2.0, size=3),
        )

    def read(self, split):
        draw = generator(self.seed, "points", split)
        latents = self.latent_space.uniform(self.count, 4, draw)
        return Things(latents.clone(), torch.arange(self.count), 0, None, latents)


@chz.chz
class _Crossed(Stored):
    """Every combination of 2 classes, 3 sizes and 4 angles, once."""

    @property
    def shape(self):
        return (3,)

    @property
    def factors(self):
        return (
            Factor("kind", "discrete", high=1.0, size=2),
            Factor("size", low=0.5, high=1.5, grid=3),
            Factor("angle", "periodic", high=4.0, grid=4),
        )

    def read(self, split):
        columns = torch.arange(2.0), torch.tensor([0.5, 1.0, 1.5]), torch.arange(4.0)
        latents = torch.cartesian_prod(*columns)
        return Things(latents.clone(), torch.arange(24), 0, None, latents)


def saved():
    """The path of pairs of `_Points`."""
    from kontrast.pairings import Conditional
    from kontrast.similarities import Lp

    return str(table_of(Conditional(similarity=Lp(p=2), temperature=0.01), _Points()))


def rendered(root):
    """`Rendered` over 30 small sprites that are written into a folder."""
    from kontrast.cli.pairing import render
    from kontrast.datasets import Rendered, Sprites
    from kontrast.pairings import Conditional, draw_pairs
    from kontrast.similarities import Lp

    dataset, pairing = Sprites(size=32), Conditional(similarity=Lp(), temperature=0.5)
    render(dataset, draw_pairs(pairing, pairing.open(dataset), 15), root, 0, 1, 20)
    return Rendered(of=dataset, root=str(root), size=32, channels=1)


def table_of(pairing, dataset, count=64):
    """The path of a saved table of pairs, in a folder that is gone when the tests are over."""
    from kontrast.pairings import draw_pairs

    folder = Path(tempfile.mkdtemp(prefix="kontrast-pairs-"))
    atexit.register(shutil.rmtree, folder, True)
    path = folder / "pairs.csv"
    draw_pairs(pairing, pairing.open(dataset), count).save(path)
    return path
