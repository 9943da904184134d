import numpy as np
import pytest

from kontrast.panels import Curves
from kontrast.probes import FewShot
from kontrast.views import Features


def clouds(n: int, seed: int, d: int = 8, classes: int = 6, spread: float = 1.0) -> Features:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    centers = np.random.default_rng(7).normal(size=(classes, d))
    return Features(centers[labels] + spread * rng.normal(size=(n, d)), labels=labels)


def episode(train: Features, test: Features, shots: int, ways: int, queries: int, rng: np.random.Generator) -> float:
    """One episode as it is defined, one query at a time."""
    classes = rng.permutation(np.unique(train.labels))[:ways]
    centroids = {}
    for c in classes:
        rows = rng.permutation(np.flatnonzero(train.labels == c))[:shots]
        centroids[c] = np.mean([train.values[i] / np.linalg.norm(train.values[i]) for i in rows], axis=0)
    right = []
    for c in classes:
        for i in rng.permutation(np.flatnonzero(test.labels == c))[:queries]:
            x = test.values[i]
            right.append(max(classes, key=lambda k: x @ centroids[k] / np.linalg.norm(centroids[k])) == c)
    return float(np.mean(right))


def test_agrees_with_episodes_one_by_one() -> None:
    train, test = clouds(300, 0), clouds(300, 1)
    scores = FewShot(ways=4, queries=6, episodes=1500)(train, test)
    rng = np.random.default_rng(5)
    for shots in (1, 5, 20):
        drawn = [episode(train, test, shots, 4, 6, rng) for _ in range(300)]
        error = np.std(drawn) / np.sqrt(300)
        assert scores.values[f"accuracy/{shots}-shot"] == pytest.approx(np.mean(drawn), abs=5 * error)
    assert scores.values["accuracy/1-shot"] < scores.values["accuracy/5-shot"] < scores.values["accuracy/20-shot"]
    assert scores.chance == dict.fromkeys(scores.values, 0.25)


def test_the_interval_is_of_the_mean_over_episodes() -> None:
    """Means of independent episodes lie in each other's intervals about as often as they should, and these narrow."""
    train, test = clouds(300, 0), clouds(300, 1)
    few = [FewShot(shots=(1,), episodes=100, seed=seed)(train, test) for seed in range(40)]
    truth = FewShot(shots=(1,), episodes=5000, seed=99)(train, test).values["accuracy/1-shot"]
    ends = np.array([scores.interval["accuracy/1-shot"] for scores in few])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) >= 0.85
    assert (ends[:, 1] - ends[:, 0]).std() / (ends[:, 1] - ends[:, 0]).mean() < 0.3
    many = FewShot(shots=(1,), episodes=1600)(train, test).interval["accuracy/1-shot"]
    assert (many[1] - many[0]) * 4 == pytest.approx((ends[:, 1] - ends[:, 0]).mean(), rel=0.3)


def test_separate_classes_are_named_and_noise_is_chance() -> None:
    assert set(FewShot()(clouds(300, 0, spread=1e-6), clouds(100, 1, spread=1e-6)).values.values()) == {1.0}
    rng = np.random.default_rng(0)
    noise = [Features(rng.normal(size=(600, 8)), labels=np.arange(600) % 6) for _ in range(2)]
    scores = FewShot(shots=(1,))(*noise)
    assert scores.values["accuracy/1-shot"] == pytest.approx(0.2, abs=0.03)


def test_constant_and_zero_features_score_chance() -> None:
    for value in (0.0, 0.1, 1e200):
        splits = [Features(np.full((120, 3), value), labels=np.arange(120) % 6) for _ in range(2)]
        assert FewShot(episodes=5)(*splits).values == pytest.approx(
            dict.fromkeys(["accuracy/1-shot", "accuracy/5-shot", "accuracy/20-shot"], 0.2)
        )


def test_the_length_of_rows_changes_nothing_and_the_seed_all_draws() -> None:
    train, test = clouds(300, 0), clouds(100, 1)
    lengths = np.random.default_rng(0).uniform(0.1, 10, (300, 1))
    longer = Features(train.values * lengths, labels=train.labels)
    plain = FewShot(episodes=50)(train, test)
    assert plain.values == pytest.approx(FewShot(episodes=50)(longer, test).values, abs=1e-12)
    assert plain == FewShot(episodes=50)(train, test)
    assert plain.values != FewShot(episodes=50, seed=1)(train, test).values
    one = FewShot(episodes=50, shots=(5,))(train, test)
    assert one.values["accuracy/5-shot"] == plain.values["accuracy/5-shot"]
    assert not one.panels


def test_fewer_classes_and_queries_than_asked_for_are_said() -> None:
    train, test = clouds(90, 0, classes=3), clouds(12, 1, classes=3)
    scores = FewShot(episodes=10)(train, test)
    assert scores.chance["accuracy/1-shot"] == pytest.approx(1 / 3)
    assert "ways=5 asked for but there are no more classes" in scores.protocol
    assert "queries=15 asked for but a class has no more test rows" in scores.protocol
    assert "10 episodes of 3 of 3 classes" in scores.protocol
    assert "4 of 12 test rows" in scores.protocol


def test_unlabeled_rows_and_classes_of_one_split_have_no_part() -> None:
    train, test = clouds(300, 0), clouds(100, 1)
    noise = np.random.default_rng(0).normal(size=(9, 8))
    more = Features(
        np.concatenate([train.values, noise]), labels=np.concatenate([train.labels, [-1, -1, 8, 8, 8, 8, -1, -1, -1]])
    )
    assert FewShot(episodes=20)(more, test).values == FewShot(episodes=20)(train, test).values


def test_a_class_with_too_few_rows_is_named() -> None:
    train, test = clouds(66, 0), clouds(60, 1)
    named = Features(train.values, labels=train.labels, classes=("a", "b", "c", "d", "e", "f"))
    with pytest.raises(ValueError, match=r"a has 11 labeled training rows, too few for 20 shots; .* write shots=11"):
        FewShot()(named, test)
    with pytest.raises(ValueError, match="class 0 has 11"):
        FewShot()(train, test)
    with pytest.raises(ValueError, match="fewer than two classes"):
        FewShot()(train, Features(test.values, labels=np.zeros(60, np.int64)))


def test_the_panel_has_the_shots_in_order() -> None:
    scores = FewShot(shots=(5, 1, 2), episodes=10)(clouds(300, 0), clouds(100, 1))
    (panel,) = scores.panels
    assert isinstance(panel, Curves)
    line = panel.lines[0]
    assert line.x == (1.0, 2.0, 5.0)
    assert line.y == tuple(scores.values[f"accuracy/{k}-shot"] for k in (1, 2, 5))


@pytest.mark.parametrize(
    "options",
    [{"shots": ()}, {"shots": (1, 1)}, {"shots": (0,)}, {"ways": 1}, {"queries": 0}, {"episodes": 1}, {"seed": -1}],
)
def test_refuses_options_that_mean_nothing(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="; write "):
        FewShot(**options)
