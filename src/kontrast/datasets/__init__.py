"""Datasets: the things that views are made of.

A `Stored` dataset has rows that it reads; a `Generative` one knows the latents behind its observations, draws them
and renders them. Both are frozen values that open into rows on a device: `FashionMNIST().open("train", "cuda")`. A
new dataset is one class that derives from either (or from `Downloadable`, if its files are published), and one line
here.
"""

from kontrast.datasets.dataset import Dataset as Dataset
from kontrast.datasets.dataset import Generative as Generative
from kontrast.datasets.dataset import Source as Source
from kontrast.datasets.dataset import Stored as Stored
from kontrast.datasets.dataset import Table as Table
from kontrast.datasets.dataset import World as World
from kontrast.datasets.digits import Digits as Digits
from kontrast.datasets.download import Downloadable as Downloadable
from kontrast.datasets.fashion_mnist import FashionMNIST as FashionMNIST
from kontrast.datasets.image_folder import ImageFolder as ImageFolder
from kontrast.datasets.mixing import Mixing as Mixing
from kontrast.datasets.sprites import Sprites as Sprites
