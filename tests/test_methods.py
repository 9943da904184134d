"""Every preset: an experiment that its words give again, that trains, and that resumes as if it had never stopped."""

import functools
import inspect
import re
from pathlib import Path

import pytest
import torch

from kontrast import heads, methods, objectives, schedules, spaces, teachers
from kontrast.checkpoints import Checkpoint, fingerprint
from kontrast.datasets import Digits, FashionMNIST, KITTIMasks, Masks, Mixing, Sprites, Teapot, ThreeDIdent
from kontrast.draws import Draws
from kontrast.encoders import Conv, Mlp
from kontrast.training import Trainer

EVERY = methods.known()
JOINT = {
    "alignment_uniformity": True,
    "barlow_twins": False,
    "byol": False,
    "mcinfonce": True,
    "probabilistic": False,
    "sigreg": True,
    "simclr": True,
    "simsiam": False,
    "supcon": True,
    "vicreg": False,
}
every = pytest.mark.parametrize("name", EVERY)
KNOWN = {
    Sprites: Sprites(law="grid", size=16),
    Masks: Masks(sequences=12, length=6.0),
    KITTIMasks: Masks(sequences=12, length=6.0),
    Teapot: Teapot(size=16),
    ThreeDIdent: Teapot(size=16),
}
"""Small ones in place of those whose latents are known."""
SMALL = {"head.hidden": 16, "head.dim": 8, "predictor.hidden": 8}


@functools.cache
def small(name, **changes):
    """A preset on few and small observations, in small batches."""
    preset = EVERY[name].values
    pictures = preset["data"] is FashionMNIST
    batch_norm = preset.get("encoder.batch_norm", False)
    sizes = {path: size for path, size in SMALL.items() if path in preset}
    known = KNOWN.get(preset["data"])
    return EVERY[name](
        data=known or (Digits() if pictures else Mixing(dim=3, layers=1)),
        encoder=Conv(width=4, batch_norm=batch_norm) if pictures or known else Mlp(widths=(8,)),
        batch=32,
        steps=4,
        **sizes,
        **changes,
    )


def trainer(name):
    return Trainer(small(name), torch.device("cpu"))


@every
def test_it_fills_in_an_experiment_and_says_in_a_sentence_what_it_is(name):
    made = EVERY[name]()
    assert made.method == name
    said = inspect.getdoc(EVERY[name])
    assert said.endswith(".") and "\n" not in said
    assert name == "supervised" or re.search(r"arXiv \d{4}\.\d{5}", said)


@every
def test_its_words_are_its_name(name):
    assert methods.words(EVERY[name]()) == [name]
    changed = EVERY[name].read(["seed=3", "optimizer.rate=0.004"])
    first, *rest = methods.words(changed)
    assert first == name and sorted(rest) == ["optimizer.rate=0.004", "seed=3"]
    assert EVERY[name].read(rest) == changed


@every
def test_it_trains_and_resumes_bit_by_bit(name):
    whole, first = trainer(name), trainer(name)
    losses = [whole.advance()[0] for _ in range(3)]
    assert all(loss.total.isfinite() for loss in losses)
    for _ in range(2):
        first.advance()
    stored = {key: value.clone() for key, value in first.tensors().items()}
    rest = trainer(name)
    rest.restore(Checkpoint(2, stored, {}, Path()))
    rest.advance()
    assert fingerprint(rest.tensors()) == fingerprint(whole.tensors())
    start = trainer(name).tensors()
    assert fingerprint(start) != fingerprint(whole.tensors())


@pytest.mark.parametrize(("name", "joint"), JOINT.items())
def test_views_share_their_batch_statistics_where_the_paper_has_it_so(name, joint):
    assert EVERY[name]().joint == joint
    sizes = []
    model = small(name).model()
    model.student.encoder.register_forward_hook(lambda module, given, made: sizes.append(len(given[0])))
    made, draws = small(name), Draws(0, 0, 8)
    source = made.pairing.open(made.data)
    model(made.pairing(source.batch(draws), source, draws))
    assert sizes == ([16] if joint else [8, 8])


def test_supcon_is_simclr_with_labels_for_keys():
    simclr, supcon = EVERY["simclr"].values, EVERY["supcon"].values
    assert {path for path in supcon if supcon[path] != simclr.get(path)} == {"pairing.key", "objective.temperature"}


def test_simsiam_is_its_paper():
    made = EVERY["simsiam"]()
    assert isinstance(made.teacher, teachers.StopGradient)
    assert isinstance(made.head, heads.Projection) and made.head.layers == 3 and made.head.last_norm
    assert isinstance(made.predictor, heads.Projection) and 4 * made.predictor.hidden == made.dim
    assert made.predictor_schedule == schedules.Constant()
    assert made.objective == objectives.Alignment()


def test_byol_is_its_paper():
    made = EVERY["byol"]()
    assert isinstance(made.teacher, teachers.Momentum) and made.teacher.final == 1
    assert isinstance(made.predictor, heads.Projection)
    assert made.objective == objectives.Alignment()


@pytest.mark.parametrize("name", ["barlow_twins", "vicreg", "sigreg"])
def test_without_negatives_or_teachers_embeddings_are_free(name):
    made = EVERY[name]()
    assert made.space == spaces.Euclidean()
    assert made.teacher == teachers.Shared()
    assert made.head.layers == 3
