from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast.datasets import CIFAR10, CIFAR100

import formats


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    return formats.cifar10(tmp_path)


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    return formats.cifar100(tmp_path)


def test_a_hand_written_record(tmp_path: Path, ten: Path) -> None:
    """One byte of label, then red, green and blue, each row by row."""
    record = bytearray(3073)
    record[0] = 7
    record[1 + 0 * 1024 + 3 * 32 + 5] = 10
    record[1 + 1 * 1024 + 4 * 32 + 6] = 20
    record[1 + 2 * 1024 + 31 * 32 + 31] = 30
    (ten / "test_batch.bin").write_bytes(record)
    things = CIFAR10(root=str(tmp_path)).read("test")
    assert things.labels is not None and things.labels.tolist() == [7]
    assert things.observations.nonzero().tolist() == [[0, 0, 3, 5], [0, 1, 4, 6], [0, 2, 31, 31]]
    assert things.observations.sum() == 60


def test_the_five_batches_follow_each_other(tmp_path: Path, ten: Path) -> None:
    things = CIFAR10(root=str(tmp_path)).read("train")
    raw = np.concatenate([np.fromfile(ten / f"data_batch_{n}.bin", np.uint8).reshape(-1, 3073) for n in range(1, 6)])
    assert things.labels is not None
    assert things.labels.tolist() == raw[:, 0].tolist()
    assert torch.equal(things.observations.flatten(1), torch.from_numpy(raw[:, 1:]))
    assert torch.equal(things.index, torch.arange(30))
    assert things.observations.is_contiguous()


def test_the_folder_itself_can_be_named(tmp_path: Path, ten: Path) -> None:
    assert len(CIFAR10(root=str(ten)).read("train").index) == len(CIFAR10(root=str(tmp_path)).read("train").index) == 30


def test_fine_and_coarse_labels_of_a_hundred(tmp_path: Path, hundred: Path) -> None:
    """A record begins with the superclass; then come the class and the picture."""
    raw = np.fromfile(hundred / "train.bin", np.uint8).reshape(-1, 3074)
    fine, coarse = (CIFAR100(root=str(tmp_path), labels=labels) for labels in ("fine", "coarse"))
    assert fine.read("train").labels.tolist() == raw[:, 1].tolist()
    assert coarse.read("train").labels.tolist() == raw[:, 0].tolist()
    assert torch.equal(fine.read("train").observations.flatten(1), torch.from_numpy(raw[:, 2:]))
    assert (len(fine.classes), len(coarse.classes)) == (100, 20)
    assert fine.classes[39] == "keyboard"
    assert coarse.classes[9] == "large_man-made_outdoor_things"
    assert list(fine.classes) == sorted(fine.classes)


DAMAGE = {
    "cut": (lambda content: content[:-1], "has 18,437 bytes, which are no whole number of records of 3,073 bytes"),
    "longer": (lambda content: content + b"x", "has 18,439 bytes, which are no whole"),
    "empty": (lambda content: b"", "it is empty"),
    "label": (lambda content: b"\x0a" + content[1:], "record 0 has the label 10, but they are 0 to 9"),
    "labels": (
        lambda content: b"\xff" + content[1:3073] + b"\xfe" + content[3074:],
        "record 0 has the label 255, but they are 0 to 9, and so have 1 others",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(tmp_path: Path, ten: Path, case: str) -> None:
    change, fault = DAMAGE[case]
    path = ten / "data_batch_4.bin"
    path.write_bytes(change(path.read_bytes()))
    data = CIFAR10(root=str(tmp_path))
    with pytest.raises(ValueError, match=fault) as caught:
        data.read("train")
    assert str(caught.value).startswith(
        f"1 of the files of CIFAR10 are damaged: {path}: it" if "label" not in case else "1"
    )
    assert f"delete {ten} and run `kontrast data get CIFAR10 to={tmp_path}`" in str(caught.value)
    assert [found.where for found in data.faults("train")] == [str(path)]
    assert data.faults("test") == []


def test_all_damage_is_named_at_once(tmp_path: Path, ten: Path, hundred: Path) -> None:
    for name in ("data_batch_1.bin", "data_batch_5.bin", "test_batch.bin"):
        (ten / name).write_bytes(b"short")
    with pytest.raises(ValueError, match=r"3 of the files .*batch_1\.bin: .*batch_5\.bin: .*test_batch\.bin: "):
        CIFAR10(root=str(tmp_path)).read("train")
    content = bytearray((hundred / "test.bin").read_bytes())
    content[3074 * 2] = 20
    (hundred / "test.bin").write_bytes(content)
    for labels in ("fine", "coarse"):
        with pytest.raises(ValueError, match=r"test\.bin: record 2 has the label 20, but they are 0 to 19"):
            CIFAR100(root=str(tmp_path), labels=labels).read("test")


def test_a_missing_file_is_named(tmp_path: Path, ten: Path) -> None:
    (ten / "test_batch.bin").unlink()
    data = CIFAR10(root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"missing: cifar-10-batches-bin/test_batch\.bin\); name the folder"):
        data.read("train")
    assert "test_batch.bin" in data.faults("train")[0].what


def test_another_name_for_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="are fine or coarse, not 'super'; write labels=fine"):
        CIFAR100(labels="super")  # type: ignore[arg-type]
