from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast.datasets import STL10
from kontrast.draws import Draws

import forked
import formats


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return formats.stl10(tmp_path, 5)


def test_a_hand_written_picture_goes_column_by_column(tmp_path: Path, folder: Path) -> None:
    picture = bytearray(3 * 96 * 96)
    picture[0 * 9216 + 2 * 96 + 5] = 10
    picture[2 * 9216 + 95 * 96 + 1] = 20
    (folder / "test_X.bin").write_bytes(picture)
    (folder / "test_y.bin").write_bytes(b"\x0a")
    things = STL10(root=str(tmp_path)).read("test")
    assert things.labels is not None and things.labels.tolist() == [9]
    assert things.observations.nonzero().tolist() == [[0, 0, 5, 2], [0, 2, 1, 95]]


def published(folder: Path, name: str) -> torch.Tensor:
    """The reference: as the authors' own reader does it."""
    rows = np.fromfile(folder / f"{name}_X.bin", np.uint8)
    return torch.from_numpy(np.transpose(np.reshape(rows, (-1, 3, 96, 96)), (0, 1, 3, 2)).copy())


@pytest.mark.parametrize(
    ("part", "names", "labels"),
    [
        ("train", ["train"], [0, 1, 2, 3, 4]),
        ("unlabeled", ["unlabeled"], [-1] * 5),
        ("train+unlabeled", ["train", "unlabeled"], [0, 1, 2, 3, 4, -1, -1, -1, -1, -1]),
    ],
)
def test_the_parts(tmp_path: Path, folder: Path, part, names, labels) -> None:
    data = STL10(root=str(tmp_path), part=part)
    things = data.read("train")
    assert torch.equal(things.observations, torch.cat([published(folder, name) for name in names]))
    assert things.labels is not None and things.labels.tolist() == labels
    assert torch.equal(things.index, torch.arange(len(labels)))
    assert data.read("test").labels.tolist() == [0, 1, 2, 3, 4]
    assert len(data.classes) == 10


def test_rows_are_mapped_from_the_files(tmp_path: Path, folder: Path) -> None:
    data = STL10(root=str(folder), part="train+unlabeled")
    source = data.open("train", place="mapped")
    assert source.place == f"10 rows, 276 kB, mapped from {folder}, for cpu"
    everything = data.read("train")
    batch = source.batch(Draws(0, 0, 7))
    assert torch.equal(batch.observations, everything.observations[batch.index])
    assert batch.observations.is_contiguous()
    some = data.hold("train").select(torch.tensor([7, 1, 9])).select(torch.tensor([2, 0]))
    assert torch.equal(some.things().observations, everything.observations[[9, 7]])
    assert some.index.tolist() == [9, 7]


def test_mapping_takes_no_memory(tmp_path: Path) -> None:
    """A split of 2.8 GB, all holes, is opened and read from."""
    folder = formats.stl10(tmp_path, 2)
    with (folder / "unlabeled_X.bin").open("r+b") as file:
        file.truncate(100_000 * 3 * 96 * 96)
    script = (
        "import resource, sys\n"
        "from kontrast.datasets import STL10\n"
        "from kontrast.draws import Draws\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "source = STL10(root=sys.argv[1], part='unlabeled').open('train', place='mapped')\n"
        "for step in range(4): source.batch(Draws(0, step, 64))\n"
        "print(source.count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = forked.run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    count, megabytes = done.stdout.split()
    assert int(count) == 100_000
    assert int(megabytes) < 200


def test_damage_is_named(tmp_path: Path, folder: Path) -> None:
    (folder / "train_X.bin").write_bytes((folder / "train_X.bin").read_bytes()[:-1])
    (folder / "train_y.bin").write_bytes(bytes([1, 2, 0, 11, 3]))
    (folder / "test_y.bin").write_bytes(bytes([1, 2, 3]))
    (folder / "unlabeled_X.bin").write_bytes(b"")
    data = STL10(root=str(tmp_path), part="train+unlabeled")
    with pytest.raises(ValueError, match="4 of the files of STL10 are damaged") as caught:
        data.read("train")
    for fault in (
        "train_X.bin: it has 138,239 bytes, which are no whole number of records of 27,648 bytes",
        "train_y.bin: record 2 has the label 0, but they are 1 to 10, and so have 1 others",
        "unlabeled_X.bin: it is empty",
        "test_X.bin: it has 5 pictures, but 3 labels",
    ):
        assert fault in str(caught.value)
    assert len(data.faults("train")) == 3
    assert len(data.faults("test")) == 1


def test_another_part_is_refused() -> None:
    with pytest.raises(ValueError, match=r"train, unlabeled, train\+unlabeled, not 'all'; write part=train"):
        STL10(part="all")  # type: ignore[arg-type]
