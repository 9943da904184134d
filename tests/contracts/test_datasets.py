"""What every dataset promises, whatever it holds: one suite over all of them."""

import inspect
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import chz
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from kontrast import datasets
from kontrast.datasets import Dataset, Generative, Place, Stored
from kontrast.draws import Draws
from kontrast.parts import known, summary
from kontrast.spaces import Box, Euclidean
from kontrast.views import Things

import formats
import formats_factorial
import formats_ident
import formats_kitti
import formats_pairs

SPLITS = ("train", "test")


def concatenate(chunks):
    def join(name):
        columns = [getattr(chunk, name) for chunk in chunks]
        return None if columns[0] is None else torch.cat(columns)

    return Things(join("observations"), join("index"), chunks[0].epoch, join("labels"), join("latents"))


def fashion(root: Path) -> Dataset:
    generator = np.random.default_rng(0)
    for stem, count in (("train", 30), ("t10k", 20)):
        for name, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            values = generator.integers(0, 10, shape, np.uint8)
            header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
            (root / f"{stem}-{name}-ubyte").write_bytes(header + values.tobytes())
    return datasets.FashionMNIST(root=str(root))


def folder(root: Path) -> Dataset:
    generator = np.random.default_rng(0)
    for number in range(50):
        (root / f"{number % 3}").mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (6, 9, 3), np.uint8)).save(root / f"{number % 3}" / f"{number}.png")
    return datasets.ImageFolder(root=str(root), size=8, test=0.5)


def flat_folder(root: Path) -> Dataset:
    for number in range(40):
        Image.new("L", (5, 5), number).save(root / f"{number}.png")
    return datasets.ImageFolder(root=str(root), size=4, channels=1, test=0.5)


def hub(root: Path) -> Dataset:
    pytest.importorskip("datasets")
    return datasets.Hub(path=str(formats.parquet(root / "pictures")), size=8)


def ident(root: Path, periodic: bool = False, **options) -> datasets.ThreeDIdent:
    return datasets.ThreeDIdent(root=str(formats_ident.threedident(root, periodic=periodic)), size=8, **options)


# The first word of a key is the name of the class.
EXAMPLES: dict[str, Callable[[Path], Dataset]] = {
    "CIFAR10": lambda root: datasets.CIFAR10(root=str(formats.cifar10(root, 9))),
    "CIFAR100": lambda root: datasets.CIFAR100(root=str(formats.cifar100(root))),
    "CIFAR100 coarse": lambda root: datasets.CIFAR100(root=str(formats.cifar100(root)), labels="coarse"),
    "Cars3D": lambda root: formats_factorial._Cars3D(root=str(formats_factorial.cars3d(root)), test=0.4),
    "DSprites": lambda root: formats_factorial._DSprites(root=str(formats_factorial.dsprites(root)), test=0.4),
    "Causal3DIdent": lambda root: datasets.Causal3DIdent(root=str(formats_ident.causal3dident(root)), size=8),
    "Digits": lambda root: datasets.Digits(),
    "DrawnLatents": lambda root: datasets.DrawnLatents(of=datasets.Sprites(size=16), names=("scale", "x", "y")),
    "FashionMNIST": fashion,
    "Hub": hub,
    "ImageFolder": folder,
    "ImageFolder flat": flat_folder,
    "ImageNet": lambda root: datasets.ImageNet(root=str(formats.imagenet(root)), size=8),
    "ImageNet100": lambda root: datasets.ImageNet100(root=str(formats.imagenet(root, CLASSES, 1)), size=8),
    "KITTIMasks": lambda root: datasets.KITTIMasks(root=str(formats_kitti.kitti(root)), test=0.4),
    "Latents": lambda root: datasets.Latents(of=ident(root), names=("rot_psi", "pos_x")),
    "Masks": lambda root: datasets.Masks(sequences=8, length=6.0, test=0.4),
    "Mixing": lambda root: datasets.Mixing(),
    "Mixing box": lambda root: datasets.Mixing(space=Box(low=-1.0), dim=3),
    "Mixing plane": lambda root: datasets.Mixing(space=Euclidean(), dim=2, layers=1),
    "MPI3D": lambda root: formats_factorial._MPI3D(root=str(formats_factorial.mpi3d(root)), test=0.4),
    "Multimodal3DIdent": lambda root: datasets.Multimodal3DIdent(
        root=str(formats_ident.multimodal3dident(root)), size=8, text=True
    ),
    "Posteriors": lambda root: datasets.Posteriors(),
    "Posteriors narrow": lambda root: datasets.Posteriors(dim=2, low=5.0, high=50.0, layers=0),
    "Resized": lambda root: datasets.Resized(size=12),
    "Resized color": lambda root: datasets.Resized(of=datasets.Digits(), size=5, channels=3),
    "Shapes3D": lambda root: formats_factorial._Shapes3D(root=str(formats_factorial.shapes3d(root)), test=0.4),
    "Rendered": formats_pairs.rendered,
    "SmallNORB": lambda root: datasets.SmallNORB(root=str(formats_factorial.smallnorb(root))),
    "Sprites": lambda root: datasets.Sprites(size=16),
    "Sprites color": lambda root: datasets.Sprites(size=16, law="grid", color="hue", background="noise"),
    "Sprites heart": lambda root: datasets.Sprites(size=16, shapes=("heart",)),
    "STL10": lambda root: datasets.STL10(root=str(formats.stl10(root))),
    "STL10 all": lambda root: datasets.STL10(root=str(formats.stl10(root)), part="train+unlabeled"),
    "STL10 unlabeled": lambda root: datasets.STL10(root=str(formats.stl10(root)), part="unlabeled"),
    "Subset": lambda root: datasets.Subset(fraction=0.05, seed=3),
    "Subset held": lambda root: datasets.Subset(of=folder(root), fraction=0.7, holdout=0.4, test="held"),
    "ThreeDIdent": ident,
    "ThreeDIdent periodic": lambda root: ident(root, periodic=True),
    "ThreeDIdent raw": lambda root: ident(root, periodic=True, units="raw"),
    "Teapot": lambda root: datasets.Teapot(size=8),
    "Teapot causal": lambda root: datasets.Teapot(size=8, shapes=("cube", "torus"), law="causal"),
    "Teapot sphere": lambda root: datasets.Teapot(size=8, angles="sphere"),
    "TinyImageNet": lambda root: datasets.TinyImageNet(root=str(formats.tiny_imagenet(root))),
}
CLASSES = datasets.ImageNet100().chosen()
KNOWN = {name: part for name, part in known(Dataset).items() if part.__module__.startswith("kontrast.")}


def examples(family: type) -> list[str]:
    classes = [name for name, part in KNOWN.items() if issubclass(part, family)]
    return [example for example in EXAMPLES if example.split()[0] in classes]


each_stored = pytest.mark.parametrize("dataset", examples(Stored), indirect=True)
each_generative = pytest.mark.parametrize("dataset", examples(Generative), indirect=True)


@pytest.fixture(scope="module", params=examples(Dataset))
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return EXAMPLES[request.param](tmp_path_factory.mktemp("example"))


def rows(dataset: Dataset, split, limit: int | None = 200) -> Things:
    return concatenate(list(dataset.open(split).chunks(64, limit)))


def same(one: Things, other: Things) -> bool:
    return one.epoch == other.epoch and all(
        (a is None and b is None) or (a.dtype == b.dtype and torch.equal(a, b))
        for a, b in zip(
            (one.observations, one.index, one.labels, one.latents),
            (other.observations, other.index, other.labels, other.latents),
            strict=True,
        )
    )


def contents(dataset: Dataset, things: Things) -> set[bytes]:
    """What tells rows apart: the observation where it is stored, the latents where it is drawn from them."""
    values = things.observations if isinstance(dataset, Stored) else things.latents
    assert values is not None
    return {row.numpy().tobytes() for row in values}


def test_every_dataset_has_an_example_and_is_exported() -> None:
    missing = set(KNOWN) - {example.split()[0] for example in EXAMPLES}
    assert not missing, f"give {missing} an example in EXAMPLES of this file"
    assert all(getattr(datasets, name) is part for name, part in KNOWN.items())


def test_it_is_a_value(dataset: Dataset) -> None:
    again = pickle.loads(pickle.dumps(dataset))
    assert again == dataset == chz.replace(dataset)
    assert hash(again) == hash(dataset)
    with pytest.raises(AttributeError):
        dataset.anything = 1  # type: ignore[attr-defined]


def test_it_is_documented(dataset: Dataset) -> None:
    assert summary(type(dataset)).endswith((".", ":"))
    for name, field in chz.chz_fields(dataset).items():
        assert field._doc, f"{type(dataset).__name__}.{name} has no doc"
    assert not inspect.isabstract(type(dataset))


@pytest.mark.parametrize("split", SPLITS)
def test_rows_are_of_the_promised_shape_and_kind(dataset: Dataset, split) -> None:
    things = rows(dataset, split)
    n = len(things.index)
    assert n > 0
    assert tuple(things.observations.shape) == (n, *dataset.shape)
    assert things.observations.dtype == (torch.uint8 if len(dataset.shape) == 3 else torch.float32)
    assert things.index.dtype == torch.int64
    assert things.index.shape == (n,)
    assert len(things.index.unique()) == n
    assert int(things.index.min()) >= 0
    assert things.epoch == 0


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_numbers_of_classes(dataset: Dataset, split) -> None:
    things = rows(dataset, split)
    assert (things.labels is None) == (not dataset.classes)
    assert len(set(dataset.classes)) == len(dataset.classes)
    if things.labels is not None:
        assert things.labels.dtype == torch.int64
        assert things.labels.shape == things.index.shape
        assert int(things.labels.min()) >= -1
        assert int(things.labels.max()) < len(dataset.classes)


@pytest.mark.parametrize("split", SPLITS)
def test_latents_are_within_the_ranges_of_their_factors(dataset: Dataset, split) -> None:
    latents = rows(dataset, split).latents
    assert (latents is None) == (not dataset.factors)
    assert len({factor.name for factor in dataset.factors}) == len(dataset.factors)
    if latents is None:
        return
    assert latents.dtype == torch.float32
    assert latents.shape[1] == len(dataset.factors)
    assert latents.isfinite().all()
    for factor, column in zip(dataset.factors, latents.T, strict=True):
        low, high = torch.tensor([factor.low, factor.high]).tolist()
        assert low <= column.min() <= column.max() <= high, factor
        if factor.kind == "discrete":
            assert factor.size is not None
            assert torch.equal(column, column.round())
            assert 0 <= column.min() <= column.max() <= factor.size - 1
        else:
            assert len(column.unique()) > 1, factor


def test_no_row_is_in_both_splits(dataset: Dataset) -> None:
    train, test = (rows(dataset, split, None if isinstance(dataset, Stored) else 200) for split in SPLITS)
    assert not contents(dataset, train) & contents(dataset, test)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunks_are_all_rows_in_a_fixed_order(dataset: Dataset, split, size: int) -> None:
    source = dataset.open(split)
    limit = 20 if source.count is None else None
    chunks = list(source.chunks(size, limit))
    sizes = [len(chunk.index) for chunk in chunks]
    assert sum(sizes) == (limit or source.count)
    assert all(count == size for count in sizes[:-1])
    assert same(concatenate(chunks), concatenate(list(dataset.open(split).chunks(13, limit))))


@pytest.mark.parametrize("split", SPLITS)
def test_the_rows_of_a_limit_begin_those_of_a_larger_one(dataset: Dataset, split) -> None:
    source = dataset.open(split)
    assert [len(chunk.index) for chunk in source.chunks(4, 6)] == [4, 2]
    larger = 20 if source.count is None else source.count - 1
    assert same(next(source.chunks(5, 5)), next(dataset.open(split).chunks(5, larger)))
    assert list(source.chunks(4, 0)) == []


@each_stored
@pytest.mark.parametrize("split", SPLITS)
def test_a_limit_spreads_over_the_whole_split(dataset: Stored, split) -> None:
    source = dataset.open(split)
    few = concatenate(list(source.chunks(3, source.count - 1)))
    assert len(few.index.unique()) == source.count - 1
    assert not torch.equal(few.index, few.index.sort().values)
    everything = dataset.read(split)
    at = [int((everything.index == index).nonzero()) for index in few.index]
    assert torch.equal(few.observations, everything.observations[at])
    for limit in (source.count, source.count + 1):
        assert same(concatenate(list(source.chunks(3, limit))), concatenate(list(source.chunks(3))))


@pytest.mark.parametrize("split", SPLITS)
def test_a_batch_is_a_function_of_seed_and_step(dataset: Dataset, split) -> None:
    source, fresh = dataset.open(split), dataset.open(split)
    batches = {(seed, step): source.batch(Draws(seed, step, 4)) for seed in (0, 1) for step in range(4)}
    torch.manual_seed(0)
    torch.rand(3)
    for (seed, step), batch in reversed(batches.items()):
        assert same(fresh.batch(Draws(seed, step, 4)), batch)
        assert tuple(batch.observations.shape) == (4, *dataset.shape)
    told = [contents(dataset, batch) for batch in batches.values()]
    assert len({frozenset(content) for content in told}) > 1


@each_stored
@pytest.mark.parametrize("split", SPLITS)
def test_batches_agree_with_the_rows(dataset: Stored, split) -> None:
    everything = dataset.read(split)
    batch = dataset.open(split).batch(Draws(3, 1, 4))
    at = [int((everything.index == index).nonzero()) for index in batch.index]
    assert same(batch, Things(*(x[at] if isinstance(x, Tensor) else x for x in vars(everything).values())))


@pytest.mark.parametrize("split", SPLITS)
def test_no_row_comes_twice_in_an_epoch(dataset: Dataset, split) -> None:
    source = dataset.open(split)
    steps = 5 if source.count is None else source.count // 4
    batches = [source.batch(Draws(0, step, 4)) for step in range(steps)]
    index = torch.cat([batch.index for batch in batches])
    assert {batch.epoch for batch in batches} == {0}
    assert len(index.unique()) == len(index)
    assert len(set().union(*(contents(dataset, batch) for batch in batches))) == len(index)
    if source.count is not None:
        later = source.batch(Draws(0, steps, 4))
        assert later.epoch == 1


@each_stored
def test_a_batch_larger_than_the_split_is_refused(dataset: Stored) -> None:
    source = dataset.open("train")
    with pytest.raises(ValueError, match="lower batch"):
        source.batch(Draws(0, 0, source.count + 1))


@each_generative
def test_rendering_is_a_function_of_the_latents(dataset: Generative) -> None:
    latents = dataset.sample(6, torch.Generator().manual_seed(0))
    assert torch.equal(latents, dataset.sample(6, torch.Generator().manual_seed(0)))
    shown = dataset.render(latents, torch.device("cpu"))
    again = dataset.render(latents.flip(0), torch.device("cpu")).flip(0)
    torch.testing.assert_close(again, shown, rtol=1e-5, atol=1e-6)
    assert len(torch.unique(shown, dim=0)) == len(shown)


@pytest.mark.parametrize("place", get_args(Place))
def test_every_place_holds_the_same_numbers(dataset: Dataset, place, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path))
    for split in SPLITS:
        plain, placed = dataset.open(split), dataset.open(split, place=place)
        draws = [Draws(7, step, 4) for step in (0, 1, 1, 5)]
        for number, draw in enumerate(draws):
            for later in draws[number + 1 :]:
                placed.expect(later)
            assert same(placed.batch(draw), plain.batch(draw))
        limits = (3,) if plain.count is None else (3, plain.count - 1, None)
        for limit in limits:
            assert same(concatenate(list(placed.chunks(5, limit))), concatenate(list(plain.chunks(64, limit))))
        assert "cpu" in placed.place
        if isinstance(dataset, Stored):
            assert f"{plain.count:,} rows" in placed.place


def test_no_other_place_is_known(dataset: Dataset) -> None:
    if isinstance(dataset, Stored):
        with pytest.raises(ValueError, match="did you mean 'mapped'"):
            dataset.open("train", place="mappped")  # type: ignore[arg-type]


@each_stored
@pytest.mark.parametrize("split", SPLITS)
def test_some_rows_can_be_held_alone(dataset: Stored, split) -> None:
    everything = dataset.read(split)
    rows = torch.tensor([3, 0, 2])
    held = dataset.hold(split).select(rows)
    assert held.store.shape == (3, *dataset.shape)
    assert same(held.things(), Things(*(x[rows] if isinstance(x, Tensor) else x for x in vars(everything).values())))
    twice = held.select(torch.tensor([2, 1]))
    assert torch.equal(twice.things().observations, everything.observations[[2, 0]])


def test_it_can_be_checked_and_says_what_it_lists(dataset: Dataset) -> None:
    assert datasets.check(dataset) == []
    assert json.loads(json.dumps(dataset.listed())) == dataset.listed()


def test_the_source_knows_where_it_comes_from(dataset: Dataset) -> None:
    source = dataset.open("train", "cpu")
    assert source.dataset == dataset
    assert source.device == torch.device("cpu")
