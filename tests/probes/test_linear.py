import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kontrast.panels import Bars, Curves, Heat
from kontrast.probes import Linear
from kontrast.probes.choice import edges, held_out
from kontrast.probes.classifier import classify
from kontrast.views import Features


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return load_digits(return_X_y=True)


def split(x: np.ndarray, y: np.ndarray, at: int = 1000) -> tuple[Features, Features]:
    return Features(x[:at], labels=y[:at].astype(np.int64)), Features(x[at:], labels=y[at:].astype(np.int64))


def gradient_norm(x: np.ndarray, y: np.ndarray, weight: np.ndarray, bias: np.ndarray, penalty: float) -> float:
    """The stated objective, differentiated by torch."""
    w, b = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (weight, bias))
    logits = torch.tensor(x, dtype=torch.float64) @ w.T + b
    total = torch.nn.functional.cross_entropy(logits, torch.tensor(y)) + penalty * w.square().sum()
    total.backward()
    return float(torch.cat([w.grad.flatten(), b.grad]).norm())


@pytest.mark.parametrize("penalty", [1e-4, 1e-3, 1e-1])
@pytest.mark.parametrize("standardize", [True, False])
def test_agrees_with_scikit_learn_at_equal_penalty(digits, penalty: float, standardize: bool) -> None:
    x, y = digits
    train, test = split(x, y)
    scores = Linear(tolerance=1e-6, penalty=penalty, standardize=standardize)(train, test)
    reference = LogisticRegression(C=1 / (2 * 1000 * penalty), tol=1e-7, max_iter=5000)
    model = make_pipeline(StandardScaler(), reference) if standardize else reference
    accuracy = model.fit(x[:1000], y[:1000]).score(x[1000:], y[1000:])
    assert abs(scores.values["accuracy"] - accuracy) < 1e-3
    assert "converged after" in scores.protocol


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_ends_where_the_stated_objective_is_flat(digits, classes: int, penalty: float) -> None:
    x, y = digits
    x, y = x[y < classes] / 16, y[y < classes]
    fit = classify(x, y, penalty, 1000)
    assert fit.weight.shape == (classes, 64)
    assert gradient_norm(x, y, fit.weight, fit.bias, penalty) < 1e-4
    center = x.mean(0)
    scale = (x - center).std()
    mapped = (x - center) / scale, y, scale * fit.weight, fit.bias + fit.weight @ center, penalty / scale**2
    assert fit.gradient == pytest.approx(gradient_norm(*mapped), rel=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_objective_is_lower_nowhere_near(digits, classes: int) -> None:
    x, y = digits
    x, y = x[y < classes] / 16, y[y < classes]
    fit = classify(x, y, 0.1, 1000)

    def objective(weight: np.ndarray) -> float:
        logits = torch.tensor(x @ weight.T + fit.bias)
        return float(torch.nn.functional.cross_entropy(logits, torch.tensor(y))) + 0.1 * (weight**2).sum()

    rng = np.random.default_rng(0)
    for _ in range(20):
        assert objective(fit.weight) < objective(fit.weight + 0.05 * rng.normal(size=fit.weight.shape))


def test_labels_may_be_any_numbers_and_unlabeled_rows_are_dropped(digits) -> None:
    x, y = digits
    train, test = split(x, y)
    plain = Linear(tolerance=1e-5)(train, test)
    noise = np.random.default_rng(0).normal(0, 1e3, (50, 64))
    names = np.array([3, 11, 4, 100, 7, 8, 9, 2, 1, 0])
    more = Features(
        np.concatenate([noise, train.values]), labels=np.concatenate([np.full(50, -1), names[train.labels]])
    )
    renamed = Linear(tolerance=1e-5)(more, Features(test.values, labels=names[test.labels]))
    assert renamed.values == pytest.approx(plain.values, abs=1.5e-3)
    assert "fitted on 1,000 rows and scored on 797; 50 unlabeled rows left out" in renamed.protocol


def test_top_five_only_of_more_than_five_classes(digits) -> None:
    x, y = digits
    ten = Linear(tolerance=1e-5)(*split(x, y))
    assert 1 >= ten.values["accuracy/top5"] > ten.values["accuracy"] > 0.9
    shares = np.sort(np.bincount(y[1000:]))[::-1] / 797
    assert ten.chance["accuracy"] == shares[0]
    assert ten.chance["accuracy/top5"] == pytest.approx(shares[:5].sum())
    five = Linear(tolerance=1e-5)(*split(x[y < 5], y[y < 5], 500))
    assert set(five.values) == set(five.chance) == {"accuracy", "nll", "ece"}


def test_top_five_counts_by_hand() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 4)), rng.integers(0, 8, 600)
    train, test = split(x, y, 300)
    fit = classify(x[:300], y[:300], 1e-2, 1000)
    logits = x[300:] @ fit.weight.T + fit.bias
    own = logits[np.arange(300), y[300:]]
    better = (logits > own[:, None]).sum(1)
    scores = Linear(tolerance=1e-5, penalty=1e-2, standardize=False)(train, test)
    assert scores.values["accuracy"] == pytest.approx((better == 0).mean())
    assert scores.values["accuracy/top5"] == pytest.approx((better < 5).mean())


def test_classes_that_were_not_learned_count_as_wrong() -> None:
    x = np.array([[0.0], [0.1], [1.0], [1.1]])
    train = Features(x, labels=np.array([0, 0, 1, 1]))
    scores = Linear(tolerance=1e-5)(train, Features(x + 0.01, labels=np.array([0, 0, 1, 5])))
    assert scores.values["accuracy"] == 0.75
    assert scores.warnings == {"nll": "1 test rows of classes not learned are left out of it"}
    assert "1 test rows of classes not seen in training count as wrong" in scores.protocol


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_features_matters_to_the_penalty_alone(digits, unit: float) -> None:
    x, y = digits
    plain = Linear(tolerance=1e-5, standardize=False)(*split(x, y))
    scaled = Linear(tolerance=1e-5, standardize=False, penalty=1e-3 * unit**2)(*split(x * unit, y))
    assert plain.values == pytest.approx(scaled.values, abs=1e-4)
    assert "NOT" not in scaled.protocol


def test_standardizing_makes_the_units_of_features_irrelevant(digits) -> None:
    x, y = digits
    unit = np.exp(np.random.default_rng(0).normal(0, 5, 64))
    plain, scaled = (Linear(tolerance=1e-9)(*split(values, y)).values for values in (x, x * unit + 3 * unit))
    assert plain == pytest.approx(scaled, abs=1e-6)


def test_units_too_far_apart_are_warned_about_unless_they_are_made_one(digits) -> None:
    x, y = digits
    wide = x * np.logspace(-8, 8, 64)
    assert "write standardize=True" in Linear(penalty=0, standardize=False, steps=50)(*split(wide, y)).warnings[""]
    assert "" not in Linear()(*split(wide, y)).warnings
    assert "" not in Linear(standardize=False)(*split(x, y)).warnings


def test_constant_features_name_the_class_most_frequent_in_training() -> None:
    train = Features(np.full((10, 3), 0.1), labels=np.array([0] * 3 + [1] * 7))
    test = Features(np.full((8, 3), 0.1), labels=np.array([0] * 6 + [1] * 2))
    scores = Linear(tolerance=1e-5)(train, test)
    assert scores.values["accuracy"] == 0.25
    assert scores.values["nll"] == pytest.approx(-0.75 * np.log(0.3) - 0.25 * np.log(0.7), abs=1e-4)
    assert scores.values["ece"] == pytest.approx(0.45, abs=1e-4)
    entropy = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    assert scores.chance == pytest.approx({"accuracy": 0.75, "nll": entropy, "ece": 0.0})


def test_says_that_it_did_not_converge(digits) -> None:
    x, y = digits
    scores = Linear(steps=3)(*split(x, y))
    assert "NOT CONVERGED after 3 L-BFGS steps at a gradient norm of 0.1" in scores.protocol
    assert "has not converged after 3 steps" in scores.warnings[""]
    assert not Linear()(*split(x, y)).warnings


def test_no_penalty_is_allowed() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = (x[:, 0] + rng.normal(size=400) > 0).astype(np.int64)
    fit = classify(x, y, 0.0, 1000)
    assert gradient_norm(x, y, fit.weight, fit.bias, 0.0) < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": -1.0},
        {"penalty": float("nan")},
        {"penalties": (0.1, float("inf"))},
        {"penalties": (0.1, 0.1)},
        {"holdout": 1.0},
        {"seed": -1},
        {"steps": 0},
        {"tolerance": 0.0},
        {"tolerance": float("inf")},
        {"tolerance": float("nan")},
        {"penalties": (0.1, float("nan"))},
        {"holdout": float("nan")},
    ],
)
def test_refuses_options_that_mean_nothing(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="; write "):
        Linear(**options)


def test_refuses_a_single_class_and_no_labels() -> None:
    one = Features(np.eye(3), labels=np.zeros(3, dtype=np.int64))
    with pytest.raises(ValueError, match="only one class"):
        Linear(tolerance=1e-5)(one, Features(np.eye(3), labels=np.arange(3)))
    with pytest.raises(ValueError, match="no row has a label"):
        Linear().check(Features(np.eye(3)))


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-7])
def test_the_gradient_comes_as_low_as_asked(digits, classes: int, tolerance: float) -> None:
    x, y = digits
    x, y = x[y < classes], y[y < classes]
    fit = classify(x, y, 1e-3, 1000, tolerance)
    assert fit.gradient <= tolerance
    assert fit.steps < 500


def test_dependent_features_and_more_dimensions_than_rows_are_fitted(digits) -> None:
    x, y = digits
    wide = np.concatenate([x, x, np.zeros((len(x), 300)), x @ np.random.default_rng(0).normal(size=(64, 200))], 1)[:400]
    fit = classify(wide, y[:400], 1e-3, 1000, 1e-5)
    assert fit.gradient <= 1e-5
    assert gradient_norm(wide, y[:400], fit.weight, fit.bias, 1e-3) < 1e-2
    scores = Linear()(Features(wide, labels=y[:400]), Features(wide + 1e-3, labels=y[:400]))
    assert scores.values["accuracy"] == 1.0


def test_a_classifier_started_in_low_precision_still_arrives(digits) -> None:
    """What torch may round to is settled in double precision."""
    x, y = digits
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        fit = classify(x, y, 1e-3, 1000, 1e-4)
    finally:
        torch.set_float32_matmul_precision(before)
    center, scale = x.mean(0), (x - x.mean(0)).std()
    mapped = (x - center) / scale, y, scale * fit.weight, fit.bias + fit.weight @ center, 1e-3 / scale**2
    assert gradient_norm(*mapped) <= 1e-4


def noisy(n: int, seed: int) -> Features:
    """Few rows in many dimensions: without a penalty the fit is far too sure of itself."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.normal(size=(n, 60))
    x[np.arange(n), y] += 1.5
    return Features(x, labels=y, classes=("a", "b", "c"))


def test_the_penalty_is_chosen_by_training_rows_alone() -> None:
    train, test = noisy(200, 0), noisy(300, 1)
    offered = (1e-6, 1e-3, 0.03, 1.0, 1e3)
    scores = Linear(penalties=offered, holdout=0.3)(train, test)
    held = held_out(train.labels, 0.3, 0)
    rest = Features(train.values[~held], labels=train.labels[~held])
    alone = [Linear(penalty=p)(rest, Features(train.values[held], labels=train.labels[held])).values for p in offered]
    best = max(range(5), key=lambda k: (alone[k]["accuracy"], -alone[k]["nll"]))
    assert scores.values["accuracy/validation"] == pytest.approx(alone[best]["accuracy"])
    again = Linear(penalty=offered[best])(train, test)
    assert {name: scores.values[name] for name in again.values} == again.values
    assert (
        f"penalty {offered[best]:g} |W|^2; chosen by the accuracy on {held.sum()} of the training rows"
        in scores.protocol
    )
    shuffled = Features(test.values, labels=np.random.default_rng(0).permutation(test.labels))
    assert Linear(penalties=offered, holdout=0.3)(train, shuffled).protocol == scores.protocol
    assert list(scores.chance) == list(scores.values)


def test_a_penalty_at_the_edge_is_a_warning() -> None:
    train, test = noisy(200, 0), noisy(50, 1)
    said = Linear(penalties=(1e-7, 1e-6), holdout=0.3)(train, test).warnings["accuracy"]
    assert "offered, so a better one may lie beyond" in said
    assert edges({"penalty": (0.0, (0.0, 1.0))}, natural=(0,)) == ""
    assert edges({"k": (5, (1, 5, 9))}) == edges({"k": (5, (5,))}) == ""
    assert edges({"k": (9, (1, 5, 9))}).startswith("k 9 is the largest offered")


def test_rows_held_out_are_a_share_of_each_class_and_never_all_of_one() -> None:
    labels = np.array([0] * 40 + [3] * 20 + [7])
    held = held_out(labels, 0.25, 0)
    assert [held[labels == c].sum() for c in (0, 3, 7)] == [10, 5, 0]
    assert (held == held_out(labels, 0.25, 0)).all()
    assert (held != held_out(labels, 0.25, 1)).any()
    with pytest.raises(ValueError, match="no row to choose by"):
        held_out(np.arange(4), 0.5, 0)


def test_panels_show_classes_confusion_and_calibration(digits) -> None:
    x, y = digits
    train, test = split(x, y)
    names = tuple(f"digit {c}" for c in range(10))
    scores = Linear()(train, Features(test.values, labels=test.labels, classes=names))
    bars, heat, curves = scores.panels
    assert isinstance(bars, Bars) and isinstance(heat, Heat) and isinstance(curves, Curves)
    assert bars.names == heat.rows == heat.columns == names
    table, sizes = np.array(heat.values), np.bincount(test.labels)
    np.testing.assert_allclose(table.sum(1), 1)
    np.testing.assert_allclose(np.diag(table), bars.values)
    assert (sizes * bars.values).sum() / sizes.sum() == pytest.approx(scores.values["accuracy"])
    assert all(low <= value <= high for low, value, high in zip(bars.low, bars.values, bars.high, strict=True))
    assert curves.diagonal


def test_intervals_hold_their_scores_and_narrow_with_rows(digits) -> None:
    x, y = digits
    scores = Linear()(*split(x, y))
    low, high = scores.interval["accuracy"]
    error = np.sqrt(scores.values["accuracy"] * (1 - scores.values["accuracy"]) / 797)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.25)
    for name in ("accuracy", "accuracy/top5", "nll"):
        assert scores.interval[name][0] <= scores.values[name] <= scores.interval[name][1]
    assert set(scores.interval) == set(scores.values)
