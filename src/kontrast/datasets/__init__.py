"""Datasets: the things that views are made of.

A `Stored` dataset has rows that it reads; a `Generative` one knows the latents behind its observations, draws them
and renders them. Both are frozen values that open into rows on a device: `FashionMNIST().open("train", "cuda")`. A
new dataset is one class that derives from either (or from `PictureFiles`, if each row is a file, or `Downloadable`, if
its files are published), and one line here. `check` says what is wrong with one.
"""

from kontrast.datasets.cars3d import Cars3D as Cars3D
from kontrast.datasets.causal3dident import Causal3DIdent as Causal3DIdent
from kontrast.datasets.check import check as check
from kontrast.datasets.cifar import CIFAR10 as CIFAR10
from kontrast.datasets.cifar import CIFAR100 as CIFAR100
from kontrast.datasets.dataset import Dataset as Dataset
from kontrast.datasets.dataset import Fault as Fault
from kontrast.datasets.dataset import Generative as Generative
from kontrast.datasets.dataset import Source as Source
from kontrast.datasets.dataset import Stored as Stored
from kontrast.datasets.dataset import Table as Table
from kontrast.datasets.dataset import World as World
from kontrast.datasets.digits import Digits as Digits
from kontrast.datasets.download import Downloadable as Downloadable
from kontrast.datasets.dsprites import DSprites as DSprites
from kontrast.datasets.factorial import Factorial as Factorial
from kontrast.datasets.fashion_mnist import FashionMNIST as FashionMNIST
from kontrast.datasets.hub import Hub as Hub
from kontrast.datasets.image_folder import ImageFolder as ImageFolder
from kontrast.datasets.imagenet import ImageNet as ImageNet
from kontrast.datasets.imagenet import ImageNet100 as ImageNet100
from kontrast.datasets.kitti_masks import KITTIMasks as KITTIMasks
from kontrast.datasets.latents import DrawnLatents as DrawnLatents
from kontrast.datasets.latents import Latents as Latents
from kontrast.datasets.masks import Masks as Masks
from kontrast.datasets.mixing import Mixing as Mixing
from kontrast.datasets.mpi3d import MPI3D as MPI3D
from kontrast.datasets.multimodal3dident import Multimodal3DIdent as Multimodal3DIdent
from kontrast.datasets.nearest import Nearest as Nearest
from kontrast.datasets.nearest import nearest as nearest
from kontrast.datasets.picture_files import PictureFiles as PictureFiles
from kontrast.datasets.picture_files import Row as Row
from kontrast.datasets.picture_folder import PictureFolder as PictureFolder
from kontrast.datasets.picture_folder import write_pictures as write_pictures
from kontrast.datasets.placement import Place as Place
from kontrast.datasets.posteriors import Posteriors as Posteriors
from kontrast.datasets.rendered import Rendered as Rendered
from kontrast.datasets.resized import Resized as Resized
from kontrast.datasets.shapes3d import Shapes3D as Shapes3D
from kontrast.datasets.smallnorb import SmallNORB as SmallNORB
from kontrast.datasets.sprites import Sprites as Sprites
from kontrast.datasets.stl10 import STL10 as STL10
from kontrast.datasets.stores import Holding as Holding
from kontrast.datasets.subset import Subset as Subset
from kontrast.datasets.teapot import Teapot as Teapot
from kontrast.datasets.threedident import ThreeDIdent as ThreeDIdent
from kontrast.datasets.tiny_imagenet import TinyImageNet as TinyImageNet
from kontrast.datasets.writing import Order as Order
from kontrast.datasets.writing import Writable as Writable
