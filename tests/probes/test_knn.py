import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from kontrast.probes import KNN, knn, votes
from kontrast.probes.rows import unit
from kontrast.views import Features


def votes_of(train: Features, test: Features, k: int, temperature: float, distance: str = "cosine") -> list[dict]:
    """The votes as the paper states them, one row at a time: the votes of each class, for each row."""
    if distance == "euclidean":
        pairs = np.array([((a - b) ** 2).sum() for a in train.values for b in train.values])
        unit = pairs.mean() / 2
    found = []
    for x in test.values:
        if distance == "cosine":
            similar = [float(x @ t / (np.linalg.norm(x) * np.linalg.norm(t))) for t in train.values]
        else:
            similar = [-((x - t) ** 2).sum() / unit / 2 for t in train.values]
        nearest = sorted(range(len(similar)), key=lambda j: -similar[j])[:k]
        votes: dict[int, float] = {}
        for j in nearest:
            weight = np.exp((similar[j] - similar[nearest[0]]) / temperature)
            votes[train.labels[j]] = votes.get(train.labels[j], 0.0) + weight
        found.append(votes)
    return found


def naive(train: Features, test: Features, k: int, temperature: float, distance: str = "cosine") -> float:
    counted = votes_of(train, test, k, temperature, distance)
    return np.mean([max(v, key=v.__getitem__) == label for v, label in zip(counted, test.labels, strict=True)])


def clouds(n: int, seed: int, d: int = 8, classes: int = 4) -> Features:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centers = np.random.default_rng(7).normal(size=(classes, d))
    return Features(centers[labels] + 1.5 * rng.normal(size=(n, d)), labels=labels)


@pytest.mark.parametrize("k", [1, 2, 5, 50, 200])
@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_agrees_with_a_naive_reference(k: int, temperature: float, distance: str) -> None:
    train, test = clouds(250, 0), clouds(80, 1)
    value = KNN(k=k, temperature=temperature, distance=distance)(train, test).values["accuracy"]
    assert value == pytest.approx(naive(train, test, k, temperature, distance), abs=1e-12)
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
        for name in ("SINGLE", "DOUBLE", "CELLS"):
            monkeypatch.setattr(votes, name, size)
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
    euclidean = KNN(k=k, distance="euclidean")
    shifted = [Features(scale * (split.values + 7), labels=split.labels) for split in (rounded, test)]
    ordered = Features(shifted[0].values[order], labels=rounded.labels[order])
    assert euclidean(rounded, test).values == euclidean(ordered, shifted[1]).values


def test_rows_tied_with_the_last_neighbor_vote_too() -> None:
    train = Features(np.array([[1.0, 0.0]] * 5), labels=np.array([0, 0, 1, 1, 1]))
    test = Features(np.array([[1.0, 0.5]]), labels=np.array([1]))
    for distance in ("cosine", "euclidean"):
        assert KNN(k=1, distance=distance)(train, test).values == {"accuracy": 1.0}


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
        for distance in ("cosine", "euclidean"):
            scores = KNN(k=2, distance=distance)(train, test)
            assert scores.values == {"accuracy": 0.5}
            assert scores.chance == {"accuracy": 0.5}


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"ks": (5, 0)},
        {"ks": (5, 5)},
        {"temperatures": (0.1, -1.0)},
        {"distance": "manhattan"},
        {"chosen_on": 0},
        {"seed": -1},
    ],
)
def test_refuses_options_that_mean_nothing(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="; write "):
        KNN(**options)


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_equal_votes_are_those_of_scikit_learn(k: int, distance: str) -> None:
    x, y = load_digits(return_X_y=True)
    train, test = Features(x[:1000], labels=y[:1000]), Features(x[1000:], labels=y[1000:])
    value = KNN(k=k, temperature=np.inf, distance=distance)(train, test).values["accuracy"]
    model = KNeighborsClassifier(k, metric=distance).fit(x[:1000], y[:1000])
    right = model.predict(x[1000:]) == y[1000:]
    # Digits are integers: where distances tie with the k-th, scikit-learn takes whichever row it meets first.
    if distance == "euclidean":
        away = np.sort(((x[1000:, None] - x[None, :1000]) ** 2).sum(2), axis=1)
        assert abs(value - right.mean()) <= (away[:, k - 1] == away[:, k]).mean()
    else:
        assert value == pytest.approx(right.mean(), abs=1e-12)


def test_both_distances_vote_alike_on_the_unit_sphere() -> None:
    """Rows whose mean is 0 and whose length is 1 have a mean squared distance of 2."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 3, 200)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    train = Features(np.concatenate([x, -x]), labels=np.concatenate([y, rng.integers(0, 3, 200)]))
    points = rng.normal(size=(300, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    test = Features(points, labels=rng.integers(0, 3, 300))
    for temperature in (0.05, 1.0):
        cosine, euclidean = (
            KNN(k=30, temperature=temperature, distance=distance)(train, test) for distance in ("cosine", "euclidean")
        )
        assert cosine.values == euclidean.values


def test_top_five_by_hand() -> None:
    train, test = clouds(300, 0, classes=12), clouds(200, 1, classes=12)
    scores = KNN(k=25, temperature=0.2)(train, test)
    among = [
        label in sorted(v, key=v.__getitem__)[::-1][:5]
        for v, label in zip(votes_of(train, test, 25, 0.2), test.labels, strict=True)
    ]
    assert scores.values["accuracy/top5"] == pytest.approx(np.mean(among))
    assert 1 > scores.values["accuracy/top5"] > scores.values["accuracy"]
    assert list(scores.values) == list(scores.chance) == list(scores.interval)


def test_a_class_without_votes_is_not_among_the_five() -> None:
    train = Features(np.eye(6), labels=np.arange(6))
    test = Features(np.eye(6)[:2] + 0.1, labels=np.array([0, 2]))
    assert KNN(k=1)(train, test).values == {"accuracy": 0.5, "accuracy/top5": 0.5}


def test_a_class_without_training_rows_is_wrong() -> None:
    train, test = clouds(60, 0), clouds(20, 1)
    other = Features(test.values, labels=np.full(20, 9))
    assert KNN(k=3)(train, other).values == {"accuracy": 0.0}


def settled(train: Features, test: Features, ballot: votes.Ballot, left_out: np.ndarray | None = None) -> np.ndarray:
    """The same counted in double precision alone."""
    voters, queries = knn._voters("cosine", train.values, test.values, train.labels, 4)
    similarity = voters.exact(queries.at(slice(None)))
    if left_out is not None:
        similarity[np.arange(len(similarity)), left_out] = -np.inf
    cast = np.broadcast_to(voters.target, similarity.shape)
    return votes._settle(similarity, cast, test.labels, 4, ballot)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), decimals=st.integers(0, 8), temperature=st.sampled_from([1e-4, 0.07, 1.0, np.inf]))
def test_single_precision_changes_no_answer(seed: int, decimals: int, temperature: float) -> None:
    """Even where many rows are tied, nearly tied, or alike but for less than single precision tells apart."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(300, 3)), decimals) + 1.0
    x[100:200] = x[:100] * (1 + 1e-9 * rng.normal(size=(100, 1))) + 1e-9 * rng.normal(size=(100, 3))
    train = Features(x, labels=rng.integers(0, 4, 300))
    test = Features(np.round(rng.normal(size=(50, 3)), decimals) + 1.0, labels=rng.integers(0, 4, 50))
    ballot = votes.Ballot((1, 7, 40), (temperature, 0.1))
    voters, queries = knn._voters("cosine", train.values, test.values, train.labels, 4)
    np.testing.assert_array_equal(votes.placed(voters, queries, test.labels, ballot), settled(train, test, ballot))
    own = Features(x[:50], labels=train.labels[:50])
    np.testing.assert_array_equal(
        votes.placed(voters, unit(x[:50]), own.labels, ballot, np.arange(50)),
        settled(train, own, ballot, np.arange(50)),
    )


def test_rounding_to_bfloat16_is_avoided() -> None:
    train, test = clouds(300, 0), clouds(300, 1)
    plain, before = KNN(k=5)(train, test), torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert KNN(k=5)(train, test) == plain
    finally:
        torch.set_float32_matmul_precision(before)


def test_k_and_temperature_are_chosen_by_training_rows_left_out() -> None:
    train, test = clouds(200, 0), clouds(100, 1)
    ks, temperatures = (1, 10, 60), (0.02, 0.3, np.inf)
    scores = KNN(ks=ks, temperatures=temperatures)(train, test)
    found = {}
    for k in ks:
        for temperature in temperatures:
            right = 0
            for i in range(200):
                rest = Features(np.delete(train.values, i, 0), labels=np.delete(train.labels, i))
                own = Features(train.values[[i]], labels=train.labels[[i]])
                right += naive(rest, own, k, temperature)
            found[k, temperature] = right / 200
    best = max(found, key=found.__getitem__)
    assert scores.values["accuracy/validation"] == pytest.approx(found[best])
    assert scores.values["accuracy"] == KNN(k=best[0], temperature=best[1])(train, test).values["accuracy"]
    assert f"vote of the {best[0]} nearest of 200 rows" in scores.protocol
    assert "on 200 training rows, each left out in turn" in scores.protocol
    shuffled = Features(test.values, labels=np.random.default_rng(0).permutation(test.labels))
    assert KNN(ks=ks, temperatures=temperatures)(train, shuffled).protocol == scores.protocol
    assert "on 50 training rows" in KNN(ks=ks, chosen_on=50)(train, test).protocol


def test_a_choice_at_the_edge_is_a_warning() -> None:
    train, test = clouds(200, 0), clouds(50, 1)
    assert "k 60 is the largest offered" in KNN(ks=(1, 60))(train, test).warnings["accuracy"]
    assert not KNN(k=5)(train, test).warnings
    with pytest.raises(ValueError, match="cannot be left out"):
        KNN(ks=(1, 2))(Features(np.ones((1, 2)), labels=np.array([0])), Features(np.eye(2), labels=np.array([0, 0])))


def test_a_collapsed_encoder_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all rows are as good as tied, they are counted in double precision, a few queries at a time."""
    rng, largest = np.random.default_rng(0), []
    exact = votes.Voters.exact

    def watched(self: votes.Voters, x: np.ndarray, among: object = None) -> np.ndarray:
        found = exact(self, x, among)
        largest.append(found.size)
        return found

    monkeypatch.setattr(votes, "DOUBLE", 8000)
    monkeypatch.setattr(votes.Voters, "exact", watched)
    train = Features(1 + 1e-9 * rng.normal(size=(2000, 4)), labels=rng.integers(0, 3, 2000))
    test = Features(1 + 1e-9 * rng.normal(size=(40, 4)), labels=rng.integers(0, 3, 40))
    assert 0 <= KNN(k=5)(train, test).values["accuracy"] <= 1
    assert max(largest) <= 8000
    assert sum(largest) >= 40 * 2000
