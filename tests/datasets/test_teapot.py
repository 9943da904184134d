import colorsys
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm

from kontrast.datasets import Teapot
from kontrast.datasets.teapot import causal, scene
from kontrast.datasets.teapot.scene import NAMES
from kontrast.datasets.teapot.solids import SHAPES, TURNS
from kontrast.datasets.teapot.teapot import spherical
from kontrast.spaces import Product, Ranges

CPU = torch.device("cpu")
CYCLES = Path(__file__).with_name("teapot_cycles.npz")
HALF = math.pi / 2


def rows(count=3, seed=0, **options):
    return Teapot(**options).sample(count, torch.Generator().manual_seed(seed))


def draw(latents, **options):
    return Teapot(**options).render(latents, CPU)


def psnr(one, two):
    return 10 * np.log10(255**2 / ((one.astype(float) - two) ** 2).mean((1, 2, 3)))


def test_pictures_are_those_of_cycles():
    held = np.load(CYCLES)
    ours = draw(torch.from_numpy(held["latents"])).permute(0, 2, 3, 1).numpy()
    found = psnr(ours, held["pictures"])
    assert found.min() > 28
    assert np.median(found) > 33
    assert psnr(ours, np.roll(held["pictures"], 1, axis=0)).max() < 24


def test_hues_are_those_of_cycles():
    held = np.load(CYCLES)
    ours = draw(torch.from_numpy(held["latents"])).permute(0, 2, 3, 1).numpy()
    for one, two in zip(ours, held["pictures"], strict=True):
        assert np.abs(one.reshape(-1, 3).mean(0) - two.reshape(-1, 3).mean(0)).max() < 2


def test_a_picture_does_not_depend_on_the_others():
    latents, order = rows(20), torch.randperm(20, generator=torch.Generator().manual_seed(1))
    together = draw(latents, size=32)
    assert torch.equal(draw(latents[order], size=32), together[order])
    assert torch.equal(torch.cat([draw(row[None], size=32) for row in latents[:3]]), together[:3])
    assert draw(latents[:0], size=32).shape == (0, 3, 32, 32)


def test_every_latent_shows():
    middle = torch.tensor([[0.0, 0, 0, 0.3, 0.3, 0.3, 0.5, 0.3, 0.3, 0.3]])
    others = middle + 0.4 * torch.eye(10)
    shown = draw(torch.cat([middle, others]), size=32).float()
    assert ((shown[1:] - shown[0]).abs().amax((1, 2, 3)) > 12).all()


@pytest.mark.parametrize("angles", ["half", "full", "sphere"])
def test_ranges(angles):
    data = Teapot(angles=angles)
    factors = {factor.name: factor for factor in data.factors}
    assert factors["pos_z"].low == (-3 if angles == "half" else 0)
    latents = data.sample(500, torch.Generator().manual_seed(0))
    assert latents.shape == (500, len(factors))
    full = data.full(latents)[1]
    low, high = {"half": (-HALF, HALF)}.get(angles, (0, math.tau))
    assert full[:, 3:].min() >= low and full[:, 3:].max() <= high + 1e-5
    if angles == "sphere":
        assert isinstance(data.latent_space, Product)
        torch.testing.assert_close(latents[:, 3:].norm(dim=1), torch.ones(500))
    else:
        assert isinstance(data.latent_space, Ranges)
        assert tuple(factors) == NAMES
        assert {factors[name].kind for name in NAMES[3:]} == {"periodic" if angles == "full" else "continuous"}


def test_spherical_angles_lead_back_to_the_point():
    points = torch.nn.functional.normalize(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    for angles, point in zip(spherical(points).tolist(), points.tolist(), strict=True):
        polar, sines, found = [a / 2 for a in angles[:6]] + angles[6:], 1.0, []
        for angle in polar:
            found.append(sines * math.cos(angle))
            sines *= math.sin(angle)
        assert np.allclose([*found, sines], point, atol=1e-5)


def test_what_does_not_vary_is_in_the_middle():
    latents = rows(3, vary=("hue_object", "pos_x"))
    whole = torch.zeros(3, 10)
    whole[:, [0, 7]] = latents
    assert [factor.name for factor in Teapot(vary=("hue_object", "pos_x")).factors] == ["pos_x", "hue_object"]
    assert torch.equal(draw(latents, size=16, vary=("hue_object", "pos_x")), draw(whole, size=16))


def test_hues_are_taken_modulo_a_turn():
    hues = np.linspace(-4, 9, 60)
    found = scene.color(torch.from_numpy(hues), 0.8).numpy()
    assert np.allclose(found, [colorsys.hsv_to_rgb(hue / math.tau % 1, 0.8, 1.0) for hue in hues])


@pytest.mark.parametrize("shape", SHAPES)
def test_turns_that_are_declared_look_the_same(shape):
    here = rows(2, seed=5, angles="full")
    still = draw(here, size=24, angles="full", shapes=(shape,)).float()
    data = Teapot(angles="full", shapes=(shape,))
    for number, order in enumerate(TURNS[shape]):
        assert data.factors[3 + number].symmetry == (order,)
        for part in {0: (0.37,), 1: (0.25, 0.5)}.get(order, tuple((k + 1) / order for k in range(order - 1))):
            turned = here.clone()
            turned[:, 3 + number] += part * math.tau
            change = (draw(turned, size=24, angles="full", shapes=(shape,)).float() - still).abs().mean()
            assert (change > 0.4) == (order == 1), (number, part, change)


def test_several_shapes():
    shapes = ("cube", "sphere", "torus")
    data, latents = Teapot(shapes=shapes, size=16, angles="full"), rows(6, shapes=shapes, angles="full")
    latents[:3, 0] = torch.arange(3.0)
    shown = data.render(latents, CPU)
    for k, name in enumerate(shapes):
        alone = draw(latents[k : k + 1, 1:], shapes=(name,), size=16, angles="full")
        assert torch.equal(shown[k : k + 1], alone)
    rotation = next(factor for factor in data.factors if factor.name == "rot_theta")
    assert (rotation.symmetry, rotation.symmetry_by) == ((1, 0, 2), "shape")
    latents[0, 0] = 3
    with pytest.raises(ValueError, match="0 to 2"):
        data.render(latents, CPU)


def test_causal_latents_follow_their_equations():
    shapes = ("teapot", "cube", "torus", "cone")
    latents = rows(4000, shapes=shapes, law="causal")
    assert torch.equal(latents, rows(4000, shapes=shapes, law="causal"))
    kinds = latents[:, 0].long()
    assert torch.bincount(kinds).min() > 850
    unit = dict(zip(NAMES, (latents[:, 1:] / torch.tensor([3.0] * 3 + [HALF] * 7)).T.double(), strict=True))
    assert max(float(column.abs().max()) for column in unit.values()) <= 1 + 1e-6
    for name, causes in causal.CAUSES.items():
        center = causal.mean(name, unit, kinds, 4) if causes else None
        if center is None:
            shares = (unit[name].numpy() + 1) / 2
        else:
            low, high = ((edge - center.numpy()) / 0.5 for edge in (-1, 1))
            shares = truncnorm.cdf(unit[name].numpy(), low, high, center.numpy(), 0.5)
        # Uniform by Kolmogorov and Smirnov at p = .001.
        gap = np.abs(np.sort(shares) - (np.arange(4000) + 0.5) / 4000).max()
        assert gap < 1.95 / math.sqrt(4000), name


def test_an_intervention_is_felt_by_the_effects_alone():
    free, held = rows(500, law="causal"), rows(500, law="causal", vary=tuple(n for n in NAMES if n != "hue_spotlight"))
    kept = [k for k, name in enumerate(NAMES) if name not in ("hue_spotlight", "hue_object")]
    columns = [name for name in NAMES if name != "hue_spotlight"]
    assert torch.equal(free[:, kept], held[:, [columns.index(NAMES[k]) for k in kept]])
    assert not torch.equal(free[:, 7], held[:, columns.index("hue_object")])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 4}, "size=64"),
        ({"angles": "quarter"}, "half"),
        ({"shapes": ()}, "shapes="),
        ({"shapes": ("cube", "cube")}, "shapes="),
        ({"shapes": ("hare",)}, "no shape named"),
        ({"vary": ()}, "vary="),
        ({"vary": ("pos_x", "pos_x")}, "vary="),
        ({"vary": ("pos",)}, "no latent named"),
        ({"vary": ("pos_x",), "angles": "sphere"}, "angles=full"),
        ({"law": "causal", "angles": "full"}, "angles=half"),
        ({"law": "other"}, "causal"),
    ],
)
def test_unknown_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Teapot(**options)


@pytest.mark.parametrize("latents", [torch.zeros(2, 9), torch.zeros(10), torch.full((2, 10), math.nan)])
def test_foreign_latents_are_refused(latents):
    with pytest.raises(ValueError, match="latents"):
        draw(latents, size=8)
