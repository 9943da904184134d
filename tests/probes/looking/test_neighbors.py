"""The classes of nearest neighbors."""

from __future__ import annotations

import numpy as np
import pytest

from kontrast.probes import Neighbors
from kontrast.probes.looking import neighbors
from kontrast.views import Features


def features(x: np.ndarray, y) -> Features:
    return Features(np.asarray(x, dtype=float), np.asarray(y, dtype=np.int64))


TRAIN = features(np.random.default_rng(1).normal(size=(10, 5)), [0, 1] * 5)


def made(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(3, 5))[y] + 0.8 * rng.normal(size=(n, 5)), y


def test_it_is_the_mean_share_among_the_nearest():
    x, y = made()
    found = Neighbors()(TRAIN, features(x, y))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    for k in (1, 5, 10):
        shares = []
        for i in range(len(x)):
            order = [j for j in np.argsort(-(unit @ unit[i]), kind="stable") if j != i][:k]
            shares.append(np.mean(y[order] == y[i]))
        assert found.values[f"same_class/k={k}"] == pytest.approx(np.mean(shares), abs=1e-12)
        low, high = found.interval[f"same_class/k={k}"]
        assert low < found.values[f"same_class/k={k}"] < high


def test_chunks_change_nothing(monkeypatch):
    x, y = made()
    whole = Neighbors()(TRAIN, features(x, y))
    monkeypatch.setattr(neighbors, "CHUNK", 200)
    assert Neighbors()(TRAIN, features(x, y)) == whole


def test_classes_apart_and_classes_alike():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    apart = Neighbors()(TRAIN, features(np.eye(5)[y] + 0.01 * rng.normal(size=(300, 5)), y))
    assert set(apart.values.values()) == {1.0}
    blind = Neighbors()(TRAIN, features(rng.normal(size=(300, 5)), y))
    chance = 99 / 299
    assert list(blind.chance.values()) == pytest.approx([chance] * 3)
    assert abs(blind.values["same_class/k=10"] - chance) < 0.04


def test_unlabeled_rows_are_left_out_and_scale_is_not_seen():
    x, y = made()
    y[::4] = -1
    found = Neighbors()(TRAIN, features(x, y))
    kept = Neighbors()(TRAIN, features(x[y >= 0] * 7, y[y >= 0]))
    assert found.values == kept.values


def test_few_rows_and_bad_numbers():
    x, _ = made(4)
    found = Neighbors(k=(2, 9))(TRAIN, features(x, [0, 0, 1, 1]))
    assert "no more than 3" in found.protocol
    assert found.values["same_class/k=9"] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="one test row"):
        Neighbors()(TRAIN, features(x, [0, -1, -1, -1]))
    for k in ((), (0,), (3, 3)):
        with pytest.raises(ValueError, match="write k=1,5,10"):
            Neighbors(k=k)
