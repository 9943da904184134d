import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from kontrast.probes import KNN, knn
from kontrast.views import Features


def naive(train: Features, test: Features, k: int, temperature: float) -> float:
    """The votes as the paper states them, one row at a time."""
    right = 0
    for x, label in zip(test.values, test.labels, strict=True):
        cosines = [float(x @ t / (np.linalg.norm(x) * np.linalg.norm(t))) for t in train.values]
        nearest = sorted(range(len(cosines)), key=lambda j: -cosines[j])[:k]
        votes: dict[int, float] = {}
        for j in nearest:
            votes[train.labels[j]] = votes.get(train.labels[j], 0.0) + np.exp(cosines[j] / temperature)
        right += max(votes, key=votes.__getitem__) == label
    return right / len(test)


def clouds(n: int, seed: int, d: int = 8, classes: int = 4) -> Features:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centers = np.random.default_rng(7).normal(size=(classes, d))
    return Features(centers[labels] + 1.5 * rng.normal(size=(n, d)), labels=labels)


@pytest.mark.parametrize("k", [1, 2, 5, 50, 200])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_agrees_with_a_naive_reference(k: int, temperature: float) -> None:
    train, test = clouds(250, 0), clouds(80, 1)
    value = KNN(k=k, temperature=temperature)(train, test).values["accuracy"]
    assert value == pytest.approx(naive(train, test, k, temperature), abs=1e-12)
    assert 0.4 < value < 0.95


@pytest.mark.parametrize("k", [1, 5, 20])
def test_agrees_with_scikit_learn(k: int) -> None:
    x, y = load_digits(return_X_y=True)
    train, test = Features(x[:1000], labels=y[:1000]), Features(x[1000:], labels=y[1000:])
    value = KNN(k=k)(train, test).values["accuracy"]

    def weights(distance: np.ndarray) -> np.ndarray:
        return np.exp((1 - distance) / 0.07)

    model = KNeighborsClassifier(k, metric="cosine", weights=weights).fit(x[:1000], y[:1000])
    assert value == pytest.approx(model.score(x[1000:], y[1000:]), abs=1e-12)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = clouds(250, 0), clouds(80, 1)
    whole = KNN(k=7)(train, test)
    for size in (1, 251, 3000):
        monkeypatch.setattr(knn, "CHUNK", size)
        assert KNN(k=7)(train, test) == whole


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), k=st.integers(1, 40), scale=st.floats(1e-6, 1e6))
def test_order_and_length_of_rows_change_nothing(seed: int, k: int, scale: float) -> None:
    train, test = clouds(40, 0, d=2), clouds(30, 1, d=2)
    rounded = Features(np.round(train.values), labels=train.labels)
    rng = np.random.default_rng(seed)
    order, lengths = rng.permutation(40), scale * rng.uniform(0.5, 2, (40, 1))
    moved = Features((rounded.values * lengths)[order], labels=rounded.labels[order])
    assert KNN(k=k)(rounded, test).values == KNN(k=k)(moved, test).values


def test_rows_tied_with_the_last_neighbor_vote_too() -> None:
    train = Features(np.array([[1.0, 0.0]] * 5), labels=np.array([0, 0, 1, 1, 1]))
    test = Features(np.array([[1.0, 0.5]]), labels=np.array([1]))
    assert KNN(k=1)(train, test).values == {"accuracy": 1.0}


def test_fewer_rows_than_neighbors_is_said() -> None:
    train, test = clouds(50, 0), clouds(20, 1)
    scores = KNN()(train, test)
    assert scores.values["accuracy"] == pytest.approx(naive(train, test, 50, 0.07))
    assert scores.protocol == (
        "vote of the 50 nearest of 50 rows by cosine similarity, scored on 20; "
        "k=200 asked for but there are no more rows; weights exp(similarity / 0.07)"
    )


def test_unlabeled_rows_neither_vote_nor_are_scored() -> None:
    train, test = clouds(60, 0), clouds(20, 1)
    more = Features(np.concatenate([train.values, test.values]), labels=np.concatenate([train.labels, np.full(20, -1)]))
    scores = KNN(k=3)(more, test)
    assert scores.values == KNN(k=3)(train, test).values
    assert "20 unlabeled rows left out" in scores.protocol


def test_a_tiny_temperature_is_the_nearest_neighbor() -> None:
    train, test = clouds(250, 0), clouds(80, 1)
    assert KNN(k=200, temperature=1e-9)(train, test).values == KNN(k=1)(train, test).values


def test_zeros_and_constant_features_have_a_score() -> None:
    labels = np.array([2] * 3 + [4] * 5)
    for value in (0.0, 0.1, -1e-200, 1e200):
        train, test = (
            Features(np.full((8, 3), value), labels=labels),
            Features(np.full((4, 3), value), labels=labels[1:5]),
        )
        scores = KNN(k=2)(train, test)
        assert scores.values == {"accuracy": 0.5}
        assert scores.chance == {"accuracy": 0.5}


@pytest.mark.parametrize("options", [{"k": 0}, {"temperature": 0.0}, {"temperature": float("nan")}])
def test_refuses_options_that_mean_nothing(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="; write "):
        KNN(**options)
