"""What every pairing keeps."""

from dataclasses import replace

import chz
import pytest
import torch

from kontrast import parts
from kontrast.augmentations import Recipe, Solarize
from kontrast.datasets import Digits, Masks, Mixing, Posteriors, Sprites
from kontrast.draws import Draws
from kontrast.pairings import Augmented, Conditional, Content, Labeled, Neighbors, Observed, Pairing, Pairs, Temporal
from kontrast.similarities import Additive, Diagonal, Lp
from kontrast.spaces import Box, Product

import formats_pairs

EXAMPLES = [
    (Augmented(), Digits()),
    (Augmented(key="label"), Digits()),
    (Augmented(), Sprites(size=16)),
    (Augmented(small=2), Digits()),
    (Augmented(large=1, small=1, answering="large"), Sprites(size=16)),
    (Augmented(large=3, second=Recipe(solarize=Solarize()), key="label"), Digits()),
    (Conditional(), Mixing(dim=3)),
    (Conditional(similarity=Lp(p=1), temperature=0.05), Mixing(dim=3, space=Box())),
    (Conditional(similarity=Lp(p=2), temperature=0.01), Sprites(size=16)),
    (Conditional(similarity=Diagonal(weights=(1.0, 5.0, 25.0)), symmetric=False), Mixing(dim=3)),
    (Conditional(similarity=Additive(split=2)), Mixing(dim=5, space=Product(split=2))),
    (Conditional(similarity=Lp(p=2), temperature=0.01), formats_pairs._Points()),
    (Content(style=("x", "y")), Sprites(size=16)),
    (Content(content=("kind",)), formats_pairs._Crossed()),
    (Pairs(table=formats_pairs.saved()), formats_pairs._Points()),
    (Labeled(), Digits()),
    (Neighbors(), Sprites(size=16, law="grid")),
    (Neighbors(by="box", symmetric=False), Sprites(size=16)),
    (Observed(), Posteriors(dim=3)),
    (Labeled(target="latents"), Mixing(dim=3)),
    (Temporal(max_gap=3), Masks(sequences=8, length=6.0)),
]


def paired(pairing, dataset, step=0, seed=0, size=16):
    draws = Draws(seed, step, size)
    source = pairing.open(dataset)
    things = source.batch(draws)
    return things, pairing(things, source, draws)


def test_every_pairing_has_an_example():
    assert {type(pairing) for pairing, _ in EXAMPLES} == set(parts.known(Pairing).values())


@pytest.mark.parametrize(("pairing", "dataset"), EXAMPLES)
def test_views_have_a_row_and_a_key_for_each_thing(pairing, dataset):
    pairing.check(dataset)
    things, views = paired(pairing, dataset)
    assert all(len(view) == len(things.index) for view in views.views)
    assert views.key.shape == things.index.shape
    assert views.key.dtype == torch.int64
    assert set(views.asking) | set(views.answering) <= set(range(len(views.views)))
    assert any(i != j for i in views.asking for j in views.answering)


@pytest.mark.parametrize(("pairing", "dataset"), EXAMPLES)
def test_views_are_a_function_of_seed_and_step(pairing, dataset):
    state = torch.get_rng_state()
    (_, one), (_, two), (_, other) = (
        paired(pairing, dataset),
        paired(pairing, dataset),
        paired(pairing, dataset, seed=1),
    )
    assert all(torch.equal(x, y) for x, y in zip(one.views, two.views, strict=True))
    assert not torch.equal(one.views[0], other.views[0])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("pairing", "dataset"), [x for x in EXAMPLES if not isinstance(x[0], Labeled)])
def test_the_two_views_differ(pairing, dataset):
    _, views = paired(pairing, dataset)
    first, second = (view.float() for view in views.views[:2])
    assert first.shape != second.shape or (first != second).flatten(1).any(1).float().mean() > 0.5


@pytest.mark.parametrize(("pairing", "dataset"), EXAMPLES)
def test_pairings_are_values(pairing, dataset):
    assert hash(pairing) == hash(type(pairing)(**{f: getattr(pairing, f) for f in pairing.__chz_fields__}))


def test_a_view_of_a_picture_depends_on_its_row_and_epoch_alone():
    dataset, pairing = Digits(), Augmented()
    things, views = paired(pairing, dataset, size=16)
    order = torch.arange(15, -1, -1)
    turned = replace(things, observations=things.observations[order], index=things.index[order])
    again = pairing(turned, dataset.open("train"), Draws(0, 99, 16))
    for one, two in zip(views.views, again.views, strict=True):
        torch.testing.assert_close(one[order], two, rtol=0, atol=0)
    later = pairing(replace(things, epoch=1), dataset.open("train"), Draws(0, 0, 16))
    assert not torch.equal(later.views[0], views.views[0])


def test_labels_as_keys_leave_unlabeled_rows_alone():
    dataset = Digits()
    draws = Draws(0, 0, 6)
    things = dataset.open("train").batch(draws)
    things = replace(things, labels=torch.tensor([3, 3, -1, -1, 5, 3]))
    key = Augmented(key="label")(things, dataset.open("train"), draws).key
    assert key[0] == key[1] == key[5] == 3
    assert len({int(k) for k in key[2:5]}) == 3
    assert (key[2:4] < 0).all()


def test_conditional_pairs_have_the_law_of_their_similarity():
    dataset = Mixing(dim=5, layers=0)  # the identity: observations are latents
    _, views = paired(Conditional(temperature=0.02), dataset, size=4000)
    cosine = torch.nn.functional.cosine_similarity(*views.views)
    from scipy.special import ive

    assert cosine.mean().item() == pytest.approx(ive(2.5, 50) / ive(1.5, 50), abs=0.003)


def test_asymmetric_pairs_are_the_same_but_only_the_first_asks():
    dataset, pairing = Mixing(dim=3), Conditional()
    _, views = paired(pairing, dataset)
    _, first = paired(chz.replace(pairing, symmetric=False), dataset)
    assert all(torch.equal(x, y) for x, y in zip(views.views, first.views, strict=True))
    assert (views.asking, views.answering) == ((0, 1), (0, 1))
    assert (first.asking, first.answering) == ((0,), (1,))


def test_partners_are_those_that_are_shown():
    dataset, pairing = Mixing(dim=3, layers=0), Conditional()
    things, views = paired(pairing, dataset, step=4)
    torch.testing.assert_close(pairing.partner(things.latents, dataset.open("train"), Draws(0, 4, 16)), views.views[1])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_width_is_positive_and_finite(temperature):
    with pytest.raises(ValueError, match=r"write pairing.temperature=0.1"):
        Conditional(temperature=temperature)


def test_the_label_is_the_second_view():
    dataset = Digits()
    things, views = paired(Labeled(), dataset)
    assert torch.equal(views.views[1], things.labels)
    assert (views.asking, views.answering) == ((0,), (1,))


def test_only_continuous_latents_are_regressed_on():
    _, views = paired(Labeled(target="latents"), Sprites(size=16))
    assert views.views[1].shape == (16, 3)
