import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast.datasets import FashionMNIST

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def idx(values: np.ndarray) -> bytes:
    values = values.astype(np.uint8)
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def columns(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 28, 28)), generator.integers(0, 10, count)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem, seed, count in (("train", 0, 7), ("t10k", 1, 3)):
        pictures, labels = columns(seed, count)
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("KONTRAST_DATA", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(FashionMNIST, "places", ())


@pytest.mark.parametrize(("split", "seed", "count"), [("train", 0, 7), ("test", 1, 3)])
def test_rows_are_what_the_files_say(folder: Path, split, seed: int, count: int) -> None:
    things = FashionMNIST(root=str(folder)).read(split)
    pictures, labels = columns(seed, count)
    assert things.observations.dtype == torch.uint8
    assert things.labels is not None
    assert things.labels.dtype == things.index.dtype == torch.int64
    np.testing.assert_array_equal(things.observations.numpy(), pictures[:, None])
    np.testing.assert_array_equal(things.labels.numpy(), labels)
    assert things.index.tolist() == list(range(count))
    assert things.latents is None


def test_unpacked_files_are_read_too(folder: Path) -> None:
    packed = FashionMNIST(root=str(folder)).read("train")
    for path in folder.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert torch.equal(FashionMNIST(root=str(folder)).read("train").observations, packed.observations)


def test_the_cache_folder_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(FashionMNIST, "places", (str(folder),))
    assert FashionMNIST().find(None) == folder
    for variable, below in (("KONTRAST_DATA", "fashion-mnist"), ("XDG_CACHE_HOME", "kontrast/fashion-mnist")):
        monkeypatch.delenv("KONTRAST_DATA", raising=False)
        monkeypatch.setenv(variable, str(tmp_path / variable))
        own = tmp_path / variable / below
        own.mkdir(parents=True)
        for path in folder.glob("*.gz"):
            (own / path.name).write_bytes(path.read_bytes())
        assert FashionMNIST().find(None) == own
        (own / "t10k-labels-idx1-ubyte.gz").unlink()
        assert FashionMNIST().find(None) == folder


def test_files_that_are_nowhere_are_explained(folder: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"data get FashionMNIST`, or install the Debian package dataset-fashion-mnist"
    ):
        FashionMNIST().open("train")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: t10k-labels-idx1-ubyte\.gz\).*kontrast data get") as caught:
        FashionMNIST(root=str(folder)).open("train")
    assert str(folder) in str(caught.value)


def test_every_damaged_file_is_listed_at_once(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"")
    whole = (folder / "train-labels-idx1-ubyte.gz").read_bytes()
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(whole[:-9])
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(columns(1, 3)[0]) + b"!"))
    for split in ("train", "test"):
        with pytest.raises(ValueError, match=r"^3 of the files of FashionMNIST are damaged") as caught:
            FashionMNIST(root=str(folder)).open(split)
        for name, fault in (("train-images", "empty"), ("train-labels", "gzip stream"), ("t10k-images", "holds more")):
            assert f"{name}-" in str(caught.value)
            assert fault in str(caught.value)


def test_swapped_files_are_refused(folder: Path) -> None:
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    kept = images.read_bytes(), labels.read_bytes()
    images.write_bytes(kept[1])
    labels.write_bytes(kept[0])
    with pytest.raises(ValueError, match=r"^2 of.*it has 1 dimensions, not 3.*it has 3 dimensions, not 1"):
        FashionMNIST(root=str(folder)).read("train")
    images.write_bytes(kept[0])
    labels.write_bytes((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(ValueError, match=r"has 7 pictures but .* has 3 labels"):
        FashionMNIST(root=str(folder)).read("train")


def test_labels_and_sizes_that_cannot_be_are_refused(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(np.array([0, 1, 2, 3, 4, 5, 10])))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((3, 32, 32))))
    with pytest.raises(ValueError, match=r"it has a label 10, but there are 10 classes.*n x 28 x 28"):
        FashionMNIST(root=str(folder)).read("train")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_the_published_data() -> None:
    """Counts, sums and the first labels of the files of Xiao et al. 2017."""
    train, test = (FashionMNIST(root=str(DEBIAN)).read(split) for split in ("train", "test"))
    assert train.observations.shape == (60_000, 1, 28, 28)
    assert test.observations.shape == (10_000, 1, 28, 28)
    for things, each in ((train, 6000), (test, 1000)):
        assert things.labels is not None
        assert things.labels.bincount().tolist() == [each] * 10
    assert train.labels is not None
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    mean, std = train.observations.double().mean() / 255, train.observations.double().std() / 255
    assert mean.item() == pytest.approx(0.2860, abs=5e-5)
    assert std.item() == pytest.approx(0.3530, abs=5e-5)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_the_pinned_sums_are_those_of_the_published_files() -> None:
    """Debian ships the published streams under another gzip header: with name and time put back, the sums agree."""
    import hashlib

    times = {"train": 0x59A7E9DE, "t10k": 0x59A7E9F3}
    for file in FashionMNIST.files:
        debian = (DEBIAN / file.name).read_bytes()
        head = b"\x1f\x8b\x08\x08" + struct.pack("<I", times[file.name.split("-")[0]]) + debian[8:10]
        published = head + file.name.removesuffix(".gz").encode() + b"\0" + debian[10:]
        assert len(published) == file.size
        assert hashlib.sha256(published).hexdigest() == file.checksum
