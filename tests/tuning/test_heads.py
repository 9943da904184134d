"""Many classifiers in one product: each is what torch's SGD makes of it alone."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from kontrast.tuning.heads import Heads
from kontrast.tuning.judged import SHOWN, edges, judge

SETTINGS = [(0.1, 0.0), (0.5, 1e-2), (0.02, 0.3)]


def rows(n=64, d=5, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator), torch.randint(0, classes, (n,), generator=generator)


def test_each_head_is_what_sgd_with_nesterovs_momentum_makes_of_it_alone():
    features, labels = rows()
    heads = Heads(SETTINGS, 4, 5)
    factors = [1.0, 0.7, 0.7, 0.1]
    for k, factor in enumerate(factors):
        heads.learn(features[16 * k : 16 * k + 16], labels[16 * k : 16 * k + 16], factor)
    for number, (rate, decay) in enumerate(SETTINGS):
        weight, bias = (torch.zeros(shape, requires_grad=True) for shape in ((4, 5), (4,)))
        groups = [{"params": [weight], "weight_decay": decay}, {"params": [bias]}]
        optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
        for k, factor in enumerate(factors):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            some = slice(16 * k, 16 * k + 16)
            optimizer.zero_grad()
            functional.cross_entropy(features[some] @ weight.T + bias, labels[some]).backward()
            optimizer.step()
        torch.testing.assert_close(heads.weight[number], weight.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(heads.bias[number], bias.detach(), rtol=1e-5, atol=1e-6)


def test_a_head_does_not_depend_on_its_neighbors_and_begins_at_chance():
    features, labels = rows()
    whole, alone = Heads(SETTINGS, 4, 5), Heads(SETTINGS[1:2], 4, 5)
    assert torch.equal(whole(features), torch.zeros(64, 3, 4))
    for heads in (whole, alone):
        heads.learn(features, labels, 1.0)
        heads.learn(features[:0], labels[:0], 1.0)
    torch.testing.assert_close(whole(features)[:, 1], alone(features)[:, 0])


def logits_of(labels, wrong, classes=7):
    """Logits of which the classes of some rows come second or last."""
    made = np.eye(classes)[labels] * 3 - np.arange(classes) / 100
    for row, place in wrong.items():
        made[row] = -np.arange(classes)
        made[row, labels[row]] = -1.5 if place == 2 else -9
    return made


def test_accuracy_counts_first_places_and_top5_the_first_five():
    labels = np.arange(20) % 7
    labels[:2] = 6
    scores = judge([logits_of(labels, {0: 2, 1: 9})], labels, [f"class {k}" for k in range(7)], "title")
    assert scores.values == {"accuracy": 18 / 20, "accuracy/top5": 19 / 20}
    sizes = np.sort(np.bincount(labels))[::-1]
    assert scores.chance == {"accuracy": sizes[0] / 20, "accuracy/top5": sizes[:5].sum() / 20}
    for name, value in scores.values.items():
        low, high = scores.interval[name]
        assert low <= value <= high
    (panel,) = scores.panels
    assert panel.rows == panel.columns and panel.title == "title"
    assert np.sum(panel.values, axis=1) == pytest.approx(np.ones(7))
    assert np.trace(panel.values) == pytest.approx(6 + (sizes[0] - 2) / sizes[0] if 6 in labels[:2] else 0, abs=0.3)


def test_scores_of_several_networks_are_their_means():
    labels = np.arange(12) % 3
    one, two = logits_of(labels, {0: 9, 1: 9}, 3), logits_of(labels, {0: 9}, 3)
    scores = judge([one, two], labels, "abc", "")
    assert scores.values == {"accuracy": pytest.approx((10 + 11) / 24)}
    assert judge([one], labels, "abc", "").values == {"accuracy": 10 / 12}


def test_many_classes_make_no_picture():
    labels = np.arange(SHOWN + 1)
    assert judge([np.eye(SHOWN + 1)], labels, [str(k) for k in labels], "").panels == ()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"rate": (0.1, (0.1, 1.0))}, "rate 0.1 is the smallest of those tried, so that a better one may lie beyond"),
        (
            {"rate": (1.0, (0.1, 1.0)), "weight decay": (1.0, (0.0, 1.0))},
            "rate 1 is the largest of those tried and weight",
        ),
        ({"rate": (0.3, (0.1, 0.3, 1.0)), "weight decay": (0.0, (0.0, 1.0))}, ""),
        ({"rate": (0.1, (0.1,))}, ""),
    ],
)
def test_what_lies_at_the_end_of_what_was_tried_is_said(chosen, said):
    assert edges(chosen).startswith(said) if said else edges(chosen) == ""
