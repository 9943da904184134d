"""The published sets that are full products of their factors, on small files in their formats."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from kontrast.datasets import MPI3D, Cars3D, DSprites, Shapes3D, SmallNORB, Sprites, check, download, matlab
from kontrast.datasets.download import get
from kontrast.datasets.dsprites import NAME
from kontrast.datasets.factorial import Factorial
from kontrast.datasets.smallnorb import BYTES, INTEGERS, STEM, matrix

import formats
import formats_factorial
from formats_factorial import _MPI3D, _Cars3D, _DSprites, _Shapes3D

SETS: dict[str, tuple[Callable[[Path], Path], type[Factorial], dict[str, str]]] = {
    "dsprites": (formats_factorial.dsprites, _DSprites, {}),
    "shapes3d": (formats_factorial.shapes3d, _Shapes3D, {}),
    "toy": (formats_factorial.mpi3d, _MPI3D, {}),
    "complex": (lambda root: formats_factorial.mpi3d(root, "complex"), _MPI3D, {"variant": "complex"}),
    "cars3d": (formats_factorial.cars3d, _Cars3D, {}),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path / "cache"))
    (tmp_path / "own").mkdir()
    return tmp_path / "cache"


@pytest.fixture(params=SETS)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Factorial:
    make, cls, fields = SETS[request.param]
    return cls(root=str(make(tmp_path / "own")), test=0.3, **fields)


def published_pictures(dataset: Factorial) -> torch.Tensor:
    """All pictures in the order of the published file, found another way than by the dataset."""
    if isinstance(dataset, Cars3D):
        rows = []
        for elevation in range(3):
            for azimuth in range(4):
                rows += [formats.bytes_of(8, 8, 3, 4, 3, seed=car)[..., azimuth, elevation] for car in range(4)]
        return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)
    pictures = torch.from_numpy(formats.bytes_of(*dataset.stored))
    return (pictures & 1)[:, None] * 255 if isinstance(dataset, DSprites) else pictures.permute(0, 3, 1, 2)


def test_every_row_is_read_with_its_latents(dataset: Factorial) -> None:
    expected = published_pictures(dataset)
    seen: list[int] = []
    for split in ("train", "test"):
        things = dataset.read(split)
        assert torch.equal(things.observations, expected[things.index])
        for row, latents in zip(things.index.tolist(), things.latents.tolist(), strict=True):
            at = np.unravel_index(row, dataset.sizes_of_axes)
            naive = [axis.values[number] for axis, number in zip(dataset.axes, at, strict=True)]
            assert latents == pytest.approx(naive)
        seen += things.index.tolist()
    assert sorted(seen) == list(range(dataset.count))
    assert len(dataset.read("test").index) == math.floor(0.3 * dataset.count)
    assert check(dataset) == []


def test_it_is_converted_once_and_again_when_the_file_changes(dataset: Factorial, own_cache: Path) -> None:
    dataset.hold("train")
    files = sorted((own_cache / "converted").glob("[!.]*.npy"))
    assert len(files) == 1
    before = files[0].stat().st_mtime_ns
    dataset.hold("test")
    assert files[0].stat().st_mtime_ns == before
    content = bytearray(files[0].read_bytes())
    content[-1] ^= 1
    files[0].write_bytes(content)
    [fault] = check(dataset)
    assert fault.where == str(files[0])
    assert f"delete {files[0]}, and it is made anew" in fault.what
    files[0].unlink()
    assert check(dataset) == []
    files[0].write_bytes(content[:-1])
    with pytest.raises(ValueError, match="but it holds"):
        dataset.hold("train")


def test_what_is_not_there_says_how_it_comes(dataset: Factorial, tmp_path: Path) -> None:
    for root in (None, str(tmp_path)):
        with pytest.raises(FileNotFoundError, match=rf"missing: .*`kontrast data get {dataset.called}`"):
            type(dataset)(root=root, **({"variant": dataset.variant} if isinstance(dataset, MPI3D) else {})).read(
                "train"
            )


SIZES = {DSprites: 737_280, Shapes3D: 480_000, MPI3D: 1_036_800, Cars3D: 17_568}


@pytest.mark.parametrize("cls", SIZES)
def test_the_whole_set_has_the_published_rows(cls: type[Factorial]) -> None:
    dataset = cls()
    assert dataset.count == SIZES[cls]
    rows = torch.tensor([0, 1, dataset.count // 3, dataset.count - 1])
    at = dataset.combinations(rows)
    bases = torch.tensor([math.prod(dataset.sizes_of_axes[k + 1 :]) for k in range(len(dataset.axes))])
    assert torch.equal((at * bases).sum(1), rows)
    for axis in dataset.axes:
        factor = axis.factor
        assert factor.low <= min(axis.values) <= max(axis.values) <= factor.high
        if factor.kind == "periodic":
            assert max(axis.values) < factor.high
        if factor.grid:
            assert len(set(axis.values)) == factor.grid
            assert np.allclose(np.diff(sorted(set(axis.values))), factor.step)
    assert MPI3D(variant="complex").count == 460_800


def test_the_latents_of_dsprites_are_those_of_its_rendered_twin() -> None:
    rows = torch.randint(0, 737_280, (5000,), generator=torch.Generator().manual_seed(0))
    twin, whole = Sprites(), DSprites()
    assert torch.equal(whole.latents(rows), twin.grid(rows).latents)
    assert torch.equal(torch.from_numpy(whole._classes()[rows]), twin.grid(rows).classes)
    assert np.allclose(whole._values()[rows], twin.grid(rows).values)
    assert [factor._replace(symmetry=()) for factor in whole.factors] == [
        factor._replace(symmetry=()) for factor in twin.factors
    ]


def test_a_picture_that_comes_twice_is_in_one_split() -> None:
    rows = DSprites(seed=1).divided()
    assert len(rows["test"]) == 73_728
    side = torch.zeros(737_280, dtype=torch.int8)
    side[rows["test"]] = 1
    angles = side.view(18, 40, 1024)
    assert torch.equal(angles[:, 0], angles[:, 39])
    assert not torch.equal(angles[:, 0], angles[:, 38])


def changed(values: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
    values = values.copy()
    values[row, column] = value
    return values


WRONG: dict[str, Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]] = {
    "row 7 has shape 2, not 0": lambda of: {"latents_classes": changed(of["latents_classes"], 7, 1, 2)},
    "row 3 has scale 0.7, not 0.5": lambda of: {"latents_values": changed(of["latents_values"], 3, 2, 0.7)},
    "row 5 has latents that are no finite": lambda of: {"latents_values": changed(of["latents_values"], 5, 3, np.nan)},
    "its size is 71 x 64 x 64, not 72": lambda of: {"imgs": of["imgs"][1:]},
    "its size is 71 x 6, not 72": lambda of: {"latents_values": of["latents_values"][1:]},
    "its values are float32": lambda of: {"imgs": of["imgs"].astype(np.float32)},
    "it has values above 1, up to 2": lambda of: {"imgs": of["imgs"] * 2},
    "an array of objects": lambda of: {"imgs": of["imgs"].astype(object)},
}


@pytest.mark.parametrize("fault", WRONG)
def test_another_dsprites_is_refused(tmp_path: Path, own_cache: Path, fault: str) -> None:
    arrays = formats_factorial.dsprites_arrays(_DSprites())
    root = formats_factorial.dsprites(tmp_path / "own", **WRONG[fault](arrays))
    with pytest.raises(ValueError, match=fault) as caught:
        _DSprites(root=str(root)).hold("train")
    assert str(caught.value).startswith(str(root / NAME))
    assert [path for path in own_cache.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    assert [found.what for found in check(_DSprites(root=str(root)))] == [str(caught.value)]


def test_get_converts_what_it_has_fetched(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = formats_factorial.dsprites(tmp_path / "own")
    file = DSprites.files[0]._replace(checksum=hashlib.sha256((root / NAME).read_bytes()).hexdigest(), urls=())
    monkeypatch.setattr(_DSprites, "files", (file,))
    assert get(_DSprites(), root, progress=False) == root
    assert len(list((own_cache / "converted").glob("[!.]*.npy"))) == 1
    (root / NAME).write_bytes(b"other")
    with pytest.raises(ConnectionError, match="there is no link"):
        get(_DSprites(), root, progress=False)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("camera", ["left", "right", "both"])
def test_smallnorb_is_read(tmp_path: Path, zipped: bool, camera: str) -> None:
    root = formats_factorial.smallnorb(tmp_path / "own", 20, zipped)
    dataset = SmallNORB(root=str(root), camera=camera)
    for number, split in enumerate(("train", "test")):
        things = dataset.read(split)
        pictures = torch.from_numpy(formats.bytes_of(20, 2, 96, 96, seed=number))
        chosen = {"left": pictures[:, :1], "right": pictures[:, 1:], "both": pictures}[camera]
        assert torch.equal(things.observations, chosen)
        row = torch.arange(20) + number
        assert torch.equal(things.labels, row % 5)
        expected = torch.stack([row % 5, row % 10, 30 + 5 * (row % 9), 20 * (row % 18), row % 6], 1)
        assert torch.equal(things.latents, expected.float())
    assert check(dataset) == []


def test_damaged_matrices_are_one_sentence(tmp_path: Path) -> None:
    good = formats_factorial.binary(INTEGERS, np.arange(12).reshape(3, 4))
    cases = {
        "does not begin": formats_factorial.binary(BYTES, np.arange(12).reshape(3, 4)),
        "more or fewer": good[:-1],
        "more or fewer values": good + b"x",
        "it has 1 dimensions, not 2": formats_factorial.binary(INTEGERS, np.arange(12)),
        "its size is 4 x 3, not n x 4": formats_factorial.binary(INTEGERS, np.arange(12).reshape(4, 3)),
        "its size is -1 x 4": good[:8] + b"\xff" * 4 + good[12:],
        "its size is 2000000 x 4": good[:8] + (2_000_000).to_bytes(4, "little") + good[12:],
        "begin": b"",
    }
    for fault, content in cases.items():
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(ValueError, match=fault) as caught:
            matrix(tmp_path / "x", INTEGERS, (None, 4))
        assert str(caught.value).startswith(f"{tmp_path / 'x'}: ")


def test_smallnorb_with_categories_that_are_none_is_refused(tmp_path: Path) -> None:
    root = formats_factorial.smallnorb(tmp_path / "own", 6, zipped=False)
    (root / f"{STEM['train']}cat.mat").write_bytes(formats_factorial.binary(INTEGERS, np.arange(6)))
    with pytest.raises(ValueError, match="row 5 has no category that there is"):
        SmallNORB(root=str(root)).hold("train")
    (root / f"{STEM['test']}cat.mat").write_bytes(formats_factorial.binary(INTEGERS, np.arange(5)))
    with pytest.raises(ValueError, match="its size is 6 x 4, not 5 x 4"):
        SmallNORB(root=str(root)).hold("test")


def test_other_cars_are_refused(tmp_path: Path) -> None:
    dataset = _Cars3D(root=str(formats_factorial.cars3d(tmp_path / "own")))
    cars = tmp_path / "own" / "data" / "cars"
    names = (cars / "list.txt").read_text().split()
    for listed in (names[:3], [*names[:3], names[0]], [*names[:3], "../cars/x"]):
        (cars / "list.txt").write_text("\n".join(listed))
        with pytest.raises(ValueError, match="it does not list 4 cars, each once"):
            dataset.hold("train")
    (cars / "list.txt").write_text("\n".join([*names[:3], "other"]))
    with pytest.raises(ValueError, match=r"lacks other\.mat"):
        dataset.hold("train")


def test_hostile_matlab_files_are_one_sentence(tmp_path: Path) -> None:
    shape = (8, 8, 3, 4, 3)
    path = tmp_path / "x.mat"
    for fault, content in {
        "it has 0 arrays im": {"other": np.zeros(shape, np.uint8)},
        "its array im is of class 6": {"im": np.zeros(shape)},
        "its array im is of class 9 and size 8 x 8 x 3 x 4 x 4, not bytes of size 8 x 8 x 3 x 4 x 3": {
            "im": np.zeros((8, 8, 3, 4, 4), np.uint8)
        },
        "its array im is of class 1": {"im": np.array([["a"]], object)},
        "unpacks to more": {"im": np.zeros((100, 1000, 20), np.uint8)},
    }.items():
        savemat(path, content, do_compression=True)
        with pytest.raises(ValueError, match=fault) as caught:
            matlab.read(path, "im", shape, 100_000)
        assert str(caught.value).startswith(f"{path}: ")
    for content in (b"", b"x" * 200, b"MATLAB 7.3 MAT-file".ljust(126) + b"\x02IM"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.mat: it "):
            matlab.read(path, "im", shape, 100_000)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("shape", [(5, 3, 2), (1, 1), (2, 2), (3, 1)])
def test_matlab_files_are_read_as_scipy_does(tmp_path: Path, packed: bool, shape: tuple[int, ...]) -> None:
    values = formats.bytes_of(*shape)
    content = {"a": np.ones((2, 3)), "im": values, "a_long_name_of_something": np.zeros((4, 4), np.uint8)}
    savemat(tmp_path / "x.mat", content, do_compression=packed)
    assert np.array_equal(matlab.read(tmp_path / "x.mat", "im", shape, 10_000), values)


def test_no_flipped_bit_of_a_matlab_file_does_anything_else(tmp_path: Path) -> None:
    generator, path, told = np.random.default_rng(0), tmp_path / "x.mat", []
    shape = (2, 2, 3, 4, 3)
    savemat(path, {"im": np.arange(144, dtype=np.uint8).reshape(shape)})
    whole = path.read_bytes()
    for _ in range(200):
        content = bytearray(whole)
        content[generator.integers(100, len(content))] = generator.integers(256)
        path.write_bytes(content)
        try:
            assert matlab.read(path, "im", shape, 100_000).shape == shape
        except ValueError as error:
            told.append(str(error))
    assert len(told) > 10
    assert all(sentence.startswith(f"{path}: ") and "\n" not in sentence for sentence in told)


def test_only_the_files_that_the_fields_ask_for_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(download, "fetch", lambda files, folder, tell: asked.extend(file.name for file in files))
    monkeypatch.setattr(MPI3D, "convert", lambda self, folder: asked.append(f"converted {self.variant}"))
    get("MPI3D", tmp_path, progress=False)
    get(MPI3D(variant="complex"), tmp_path, progress=False)
    assert asked == ["mpi3d_toy.npz", "converted toy", "real3d_complicated_shapes_ordered.npz", "converted complex"]
    with pytest.raises(ValueError, match="did you mean 'realistic'"):
        MPI3D(variant="realistc")
