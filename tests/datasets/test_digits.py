import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from kontrast.datasets import Digits


def test_the_splits_are_all_rows_once() -> None:
    train, test = Digits().read("train"), Digits().read("test")
    assert (len(train.index), len(test.index)) == (1347, 450)
    rows = np.concatenate([things.observations.numpy().reshape(-1, 64) for things in (train, test)])
    published = np.rint(load_digits().data * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, published))
    assert len(set(map(bytes, rows))) == 1797


def test_the_test_split_is_a_quarter_of_every_class() -> None:
    train, test = Digits().read("train"), Digits().read("test")
    assert train.labels is not None
    assert test.labels is not None
    share = test.labels.bincount() / (test.labels.bincount() + train.labels.bincount())
    assert (share - 0.25).abs().max() < 0.005


def test_brightness_covers_all_of_a_byte() -> None:
    observations = Digits().read("train").observations
    assert observations.dtype == torch.uint8
    assert observations.unique().tolist() == [round(value * 255 / 16) for value in range(17)]


@pytest.mark.parametrize(("split", "sha256"), [("train", "6bae8db9d5611a46"), ("test", "466a68e3c8041791")])
def test_the_split_is_fixed(split, sha256: str) -> None:
    things = Digits().read(split)
    assert things.labels is not None
    content = things.observations.numpy().tobytes() + things.labels.numpy().tobytes()
    assert hashlib.sha256(content).hexdigest()[:16] == sha256
