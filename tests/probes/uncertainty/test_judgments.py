"""The probe of uncertainty: what it says of measures that are known to be good, bad or nothing at all."""

from dataclasses import replace

import chz
import numpy as np
import pytest
import torch
from rich.console import Console
from sklearn.metrics import roc_auc_score

from kontrast import Features, methods, train
from kontrast.datasets import Posteriors, Resized, Sprites
from kontrast.draws import Draws, generator
from kontrast.encoders import Conv, ResidualMlp
from kontrast.heads import Linear
from kontrast.objectives import InfoNCE
from kontrast.pairings import Observed
from kontrast.probes import Uncertainty
from kontrast.probes.uncertainty import BALD, DropoutEntropy, ExpectedEntropy, Measure, Norm
from kontrast.similarities import LatentClass
from kontrast.spaces import Simplex

from small import digits

QUIET = Console(quiet=True)
OFF = dict.fromkeys(("entropy", "concentration", "norm", "retrieval", "knn", "softmax", "confidence"))
STILL = {"crop": (), "blur": (), "noise": ()}


@chz.chz
class _Given(Measure):
    """An uncertainty that the first feature is."""

    def lacks(self, train, test):
        return ""

    def measure(self, train, test):
        return test.values[:, 0].astype(np.float64)


def alone(**options):
    return Uncertainty(**{**OFF, "other": _Given(), "resamples": 50, **options})


def rows(n, seed, doubt=1.0):
    """Rows whose class is hard to tell where the first feature is large; it is that times `doubt`."""
    rng = np.random.default_rng(seed)
    labels, hard = rng.integers(0, 2, n), rng.random(n)
    place = np.where(rng.random(n) < hard / 2, 1 - labels, labels)
    where = 10 * np.eye(2)[place] + 0.1 * rng.normal(size=(n, 2))
    return Features(np.concatenate([doubt * hard[:, None], where], 1), labels)


def test_a_good_uncertainty_foresees_errors_and_its_opposite_does_not():
    good, bad = (alone()(rows(400, 0, doubt), rows(4000, 1, doubt)) for doubt in (1.0, -1.0))
    error = good.chance["aurc/other"]
    assert error == pytest.approx(0.25, abs=0.02)
    # Of rows with h uniform on [0, 1] the c most certain err by c / 4 on average, so the area is 1 / 8.
    assert good.values["aurc/other"] == pytest.approx(1 / 8, abs=0.015)
    assert good.values["rejection/other"] == pytest.approx(1 / 8, abs=0.015)
    assert bad.values["aurc/other"] > error
    assert bad.values["rejection/other"] == pytest.approx(-1 / 8, abs=0.015)
    assert good.values["rauroc/other"] > 0.6 > 0.4 > bad.values["rauroc/other"]
    low, high = good.interval["aurc/other"]
    assert low < good.values["aurc/other"] < high < good.values["aurc/other"] + 0.03
    assert good.values["eaurc/other"] < good.chance["eaurc/other"] < bad.values["eaurc/other"]


def test_the_curves_are_the_error_of_what_is_left():
    train, test = rows(300, 0), rows(1000, 1)
    scores = alone()(train, test)
    assert [panel.title for panel in scores.panels] == [
        "Error of the linear probe against rejection",
        "Error of the nearest training row against rejection",
    ]
    line, best = scores.panels[0].lines
    assert line.name == "other"
    wrong = (test.values[:, 1:].argmax(1) != test.labels)[np.argsort(test.values[:, 0])]
    assert line.y[0] == best.y[0] == pytest.approx(wrong.mean())
    assert line.y[10] == pytest.approx(wrong[:500].mean())
    assert best.y[-1] == 0


def test_rauroc_is_that_of_the_nearest_other_row():
    test = rows(300, 3)
    x = test.values / np.linalg.norm(test.values, axis=1, keepdims=True)
    cosine = x @ x.T - 10 * np.eye(300)
    missed = test.labels[cosine.argmax(1)] != test.labels
    found = alone()(rows(100, 0), test).values["rauroc/other"]
    assert found == pytest.approx(roc_auc_score(missed, test.values[:, 0]), abs=5e-3)


def test_an_uncertainty_that_is_noise_scores_chance():
    rng, inside = np.random.default_rng(0), 0
    for seed in range(20):
        test = rows(300, seed)
        test.values[:, 0] = 1e-3 * rng.random(300)
        scores = alone(seed=seed)(rows(200, 100), test)
        assert list(scores.values) == list(scores.chance) == list(scores.interval)
        inside += sum(low <= scores.chance[name] <= high for name, (low, high) in scores.interval.items())
    assert inside / (20 * len(scores.values)) > 0.85


def test_an_uncertainty_that_never_changes_scores_chance_with_a_warning():
    test = rows(200, 1)
    test.values[:, 0] = 0.5
    scores = alone()(rows(200, 0), test)
    assert scores.values == pytest.approx(scores.chance)
    assert set(scores.warnings) == set(scores.values)
    assert "same for all rows" in scores.warnings["aurc/other"]


def shifted(test, by):
    return replace(test, values=test.values + np.array([by, 0, 0]))


def test_changes_and_foreign_rows_raise_a_good_uncertainty():
    test = rows(400, 1)
    extra = {f"blur {at:g}": shifted(test, by) for at, by in ((0.5, 2.0), (1, 4.0), (2, 8.0))}
    extra |= {"noise 0.05": shifted(test, 2.0), "noise 0.1": shifted(test, 0.0), "noise 0.2": shifted(test, -9.0)}
    extra |= {"foreign": shifted(rows(100, 2), 0.5)}
    probe = alone(crop=(), foreign=Sprites())
    scores = probe(rows(200, 0), replace(test, extra=extra))
    value = scores.values
    assert value["blur_spearman/other"] == pytest.approx(1, abs=0.1)
    assert value["blur_monotone/other"] == value["blur_bigger/other"] == 1
    assert value["noise_monotone/other"] == pytest.approx(1 / 3)
    assert value["noise_bigger/other"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert value["noise_spearman/other"] < -0.3
    assert not any(name.startswith("crop") for name in value)
    # P(U + 1/2 > V) of two uniform numbers.
    assert value["ood_auroc/other"] == pytest.approx(7 / 8, abs=0.04)
    assert "100 foreign rows of Sprites" in scores.protocol
    rise = scores.panels[-1].lines[0]
    assert rise.x == (0.0, 0.05, 0.1, 0.2)
    assert rise.y[1] == pytest.approx(2 / test.values[:, 0].std())
    assert rise.low[1] < rise.y[1] < rise.high[1]


def test_what_was_not_encoded_is_not_judged():
    test = rows(200, 1)
    one = alone(foreign=Sprites())(rows(200, 0), replace(test, extra={"crop 0.5": shifted(test, 1.0)}))
    assert one.values["crop_monotone/other"] == 1
    assert {name.partition("/")[0] for name in one.values} == {
        "aurc", "eaurc", "rejection", "aurc_nn", "rejection_nn", "rauroc",
        "crop_spearman", "crop_monotone", "crop_bigger",
    }  # fmt: skip


def test_each_severity_is_one_change_of_fixed_strength():
    probe = Uncertainty(foreign=Resized(), bald=BALD(samples=3), expected=ExpectedEntropy(samples=3))
    extra = probe.extra()
    own = [name for name in extra if ":" not in name]
    assert own == [
        "crop 0.25", "crop 0.5", "crop 0.75", "blur 0.5", "blur 1", "blur 2", "noise 0.05", "noise 0.1", "noise 0.2",
        "foreign",
    ]  # fmt: skip
    assert set(extra) - set(own) == {f"{name}:3 passes" for name in ["", *own]}
    assert {each.samples for name, each in extra.items() if ":" in name} == {3}
    assert extra["foreign"].data == Resized()
    pictures = torch.randint(0, 256, (50, 1, 28, 28), generator=generator(0), dtype=torch.uint8)
    noise = Draws(0, 0, 50).noise(torch.arange(50), 0)
    for name in own[:-1]:
        recipe = extra[name].change
        assert len(recipe.steps()) == 1
        changed = recipe(pictures, noise)
        assert (changed != pictures / 255).flatten(1).any(1).all()
    hit = extra["noise 0.2"].change(torch.full((50, 1, 28, 28), 0.5), noise) != 0.5
    assert hit.float().mean() == pytest.approx(0.19, abs=0.01)
    assert "foreign" not in Uncertainty().extra()
    assert {each.seed for each in Uncertainty(seed=5).extra().values()} == {5}
    assert not any(":" in name for name in Uncertainty().extra())


def test_pictures_without_labels_and_known_posteriors_are_refused():
    for labels in (None, np.full(200, -1)):
        with pytest.raises(ValueError, match="no row has a label"):
            alone()(*(replace(rows(200, seed), labels=labels) for seed in (0, 1)))


def test_one_class_is_judged_by_its_neighbors_alone():
    train = replace(rows(100, 0), labels=np.zeros(100, np.int64))
    test = rows(100, 1)
    scores = Uncertainty(resamples=10, **STILL)(train, test)
    assert {name.partition("/")[0] for name in scores.values} == {"aurc_nn", "rejection_nn", "rauroc"}
    assert "softmax and confidence" in scores.protocol
    same = replace(test, labels=np.zeros(100, np.int64))
    scores = Uncertainty(resamples=10, **STILL)(train, same)
    assert not any(name.startswith("rauroc") for name in scores.values)
    assert scores.values["aurc_nn/knn"] == 0


def test_unlabeled_test_rows_are_not_judged_by_errors():
    train, test = rows(200, 0), rows(300, 1)
    labels = np.where(np.arange(300) < 100, -1, test.labels)
    one = alone()(train, replace(test, labels=labels))
    other = alone()(train, Features(test.values[100:], test.labels[100:]))
    assert one.values == pytest.approx(other.values)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": (0.5, 0.2)}, "crop=0.1,0.3,0.5"),
        ({"crop": (0.5, 1.0)}, "to below 1"),
        ({"blur": (0.0, 1.0)}, "blur=0.1,0.3,0.5"),
        ({"noise": (-0.1,)}, "noise=0.1,0.3,0.5"),
        ({"resamples": 0}, "resamples=200"),
        ({"seed": -1}, "seed=0"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Uncertainty(**options)


def world(split, n=3000, factor=1.0, turn=None):
    data = Posteriors()
    latents = torch.cat([things.latents for things in data.open(split).chunks(1000, n)]).numpy()
    mean, kappa = latents[:, 10:20], factor * latents[:, 20]
    values = kappa[:, None] * (mean if turn is None else mean @ turn)
    return Features(values, None, latents, (), data.factors, kappa)


def test_true_posteriors_up_to_a_rotation_are_known_for_what_they_are():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0].astype(np.float32)
    scores = Uncertainty(resamples=50)(world("train", turn=turn), world("test", turn=turn))
    assert scores.values["concentration_spearman/concentration"] == pytest.approx(1)
    assert scores.values["cosine_spearman"] == pytest.approx(1)
    for share in (50, 80, 95):
        assert scores.values[f"coverage/{share}%"] == pytest.approx(share / 100, abs=0.025)
        assert scores.chance[f"coverage/{share}%"] == share / 100
        low, high = scores.interval[f"coverage/{share}%"]
        assert low <= scores.values[f"coverage/{share}%"] <= high
    assert scores.values["coverage/95%"] == pytest.approx(0.95, abs=0.02)
    assert "known jointly with the concentration of the pairs" in scores.protocol
    assert abs(scores.values["concentration_spearman/knn"]) < 0.2
    assert scores.panels[-1].diagonal


def test_posteriors_that_are_too_narrow_rank_well_and_cover_badly():
    sure = Uncertainty(resamples=20)(world("train", factor=20.0), world("test", factor=20.0))
    assert sure.values["concentration_spearman/concentration"] == pytest.approx(1)
    assert sure.values["coverage/95%"] < 0.5
    noise = world("test")
    rng = np.random.default_rng(1)
    kappa = rng.permutation(noise.concentration)
    scores = Uncertainty(resamples=20)(world("train"), replace(noise, concentration=kappa))
    assert abs(scores.values["concentration_spearman/concentration"]) < 0.06


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    options = {"objective": InfoNCE(similarity=LatentClass(), candidates="cross", temperature=1.0)}
    encoder = {"encoder": Conv(width=4, batch_norm=True, dropout=0.3), "head.dropout": 0.3}
    experiment = digits(steps=40, space=Simplex(), **encoder, **options)
    return train(experiment, tmp_path_factory.mktemp("runs") / "run", console=QUIET)


def test_a_run_is_asked_for_all_of_it(run):
    probe = Uncertainty(
        bald=BALD(samples=3), expected=ExpectedEntropy(samples=3), dropout=DropoutEntropy(samples=2),
        other=Norm(), norm=None, foreign=Sprites(size=8), crop=(0.5,), blur=(1.0,), noise=(0.2,), resamples=10,
    )  # fmt: skip
    scores = {score.metric: score for score in run.examine(probe, limit=200, baselines=False).scores}
    slots = {"entropy", "expected", "bald", "retrieval", "knn", "softmax", "confidence", "dropout", "other"}
    metrics = ["aurc", "eaurc", "rejection", "aurc_nn", "rejection_nn", "rauroc", "ood_auroc"]
    metrics += [f"{kind}_{what}" for kind in ("crop", "blur", "noise") for what in ("spearman", "monotone", "bigger")]
    assert set(scores) == {f"{metric}/{slot}" for metric in metrics for slot in slots}
    assert all(np.isfinite(score.value) for score in scores.values())
    assert scores["aurc/softmax"].value < scores["aurc/softmax"].chance
    assert "concentration" in scores["aurc/entropy"].protocol


def test_a_run_without_dropout_and_vectors_say_less(tmp_path):
    plain = train(digits(steps=2), tmp_path / "run", console=QUIET)
    probe = Uncertainty(bald=BALD(), crop=(0.5,), blur=(), noise=(), resamples=10)
    found = plain.examine(probe, limit=100, baselines=False).scores
    assert {score.of for score in found} == {"retrieval", "knn", "softmax", "confidence"}
    assert any(score.metric == "crop_spearman/knn" for score in found)


@pytest.mark.slow
def test_a_trained_encoder_knows_the_posteriors_of_its_world(tmp_path):
    experiment = methods.mcinfonce(
        data=Posteriors(dim=3, low=8.0, high=64.0), pairing=Observed(), encoder=ResidualMlp(), head=Linear(dim=3),
        steps=400, batch=128, online=False, **{"space.start": 22.6, "objective.samples": 8},
    )  # fmt: skip
    run = train(experiment, tmp_path / "run", console=QUIET)
    scores = {score.metric: score for score in run.examine(Uncertainty(resamples=20, **STILL), limit=3000).scores}
    assert scores["concentration_spearman/concentration"].value > 0.8
    assert scores["cosine_spearman"].value > 0.95
    assert scores["cosine_spearman"].untrained < 0.8
    for share in (0.5, 0.8, 0.95):
        assert scores[f"coverage/{share:.0%}"].value == pytest.approx(share, abs=0.05)
