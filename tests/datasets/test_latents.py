from pathlib import Path

import numpy as np
import pytest
import torch

from kontrast.datasets import Digits, DrawnLatents, Latents, Mixing, Sprites, Subset, ThreeDIdent
from kontrast.datasets.latents import part
from kontrast.draws import Draws
from kontrast.pairings import Conditional
from kontrast.similarities import Lp
from kontrast.spaces import Box, Product, Ranges, Simplex, Sphere
from kontrast.views import Factor

import formats_ident


def test_the_same_rows_have_fewer_latents(tmp_path: Path) -> None:
    of = ThreeDIdent(root=str(formats_ident.threedident(tmp_path)), size=8)
    data = Latents(of=of, names=("hue_object", "pos_y"))
    whole, some = of.read("train"), data.read("train")
    assert torch.equal(some.observations, whole.observations)
    assert torch.equal(some.latents, whole.latents[:, [7, 1]])
    assert torch.equal(some.index, whole.index)
    assert [factor.name for factor in data.factors] == ["hue_object", "pos_y"]
    assert data.latent_space == Ranges(
        low=(-np.pi / 2, -3.0), high=(np.pi / 2, 3.0), periodic=(False, False), discrete=(False, False)
    )
    few = Subset(of=data, fraction=0.5, balanced=False)
    assert few.read("train").latents.shape == (12, 2)


@pytest.mark.parametrize(
    ("names", "fault"),
    [((), "name each latent once"), (("x", "x"), "name each latent once"), (("X",), "did you mean 'x'")],
)
def test_names_are_those_of_latents(names: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        DrawnLatents(names=names)
    with pytest.raises(ValueError, match="Digits does not know its latents"):
        Latents(of=Digits(), names=names)


def test_what_is_not_known_is_drawn_by_what_is() -> None:
    data = DrawnLatents(of=Sprites(size=16), names=("y", "scale"))
    known = data.sample(500, torch.Generator().manual_seed(0))
    whole = data.complete(known)
    assert torch.equal(whole[:, [4, 1]], known)
    assert torch.equal(data.complete(known[[7]])[0], whole[7])
    near = data.complete(known + 1e-5)
    shape, x = whole[:, 0], whole[:, 3]
    # Chance that shapes are equal is 1/3, and positions a quarter of the range apart have correlation 0.
    assert 0.25 < (near[:, 0] == shape).float().mean() < 0.42
    assert abs(np.corrcoef(near[:, 3], x)[0, 1]) < 0.15
    assert 0.24 < x.std() < 0.34
    assert torch.equal(data.complete(torch.tensor([[-0.0, 0.5]])), data.complete(torch.tensor([[0.0, 0.5]])))
    other = DrawnLatents(of=Sprites(size=16), names=("y", "scale"), seed=1)
    assert not torch.equal(other.complete(known), whole)
    with pytest.raises(ValueError, match=r"a matrix \[n, 2\]"):
        data.complete(known[:, :1])


def test_pairs_are_near_in_what_is_known_alone() -> None:
    data = DrawnLatents(of=Sprites(size=16), names=("x", "y"))
    pairing, draws = Conditional(similarity=Lp(p=2), temperature=1e-4), Draws(0, 0, 200)
    pairing.check(data)
    source = data.open("train")
    things = source.batch(draws)
    partner = pairing.partner(things.latents, source, draws)
    assert (partner - things.latents).abs().max() < 0.05
    one, two = data.complete(things.latents), data.complete(partner)
    assert (one[:, 2] - two[:, 2]).abs().mean() > 1
    assert torch.equal(pairing(things, source, draws).views[1], data.of.render(two, torch.device("cpu")))


def test_an_angle_whose_symmetry_is_not_known_has_that_of_all_shapes() -> None:
    found = {name: DrawnLatents(names=names).factors[0] for name, names in NAMES.items()}
    assert found["alone"].symmetry == (4,)
    assert found["alone"].symmetry_by == ""
    assert found["known"] == next(factor for factor in Sprites().factors if factor.name == "orientation")


NAMES = {"alone": ("orientation", "x"), "known": ("orientation", "shape")}


def test_a_part_of_a_space() -> None:
    both = Product(first=Box(low=-1.0), second=Sphere(), split=3)
    assert part(both, [2, 0], 11) == Box(low=-1.0)
    assert part(both, list(range(3, 11)), 11) == Sphere()
    assert part(both, list(range(11)), 11) == both
    for space, at in ((both, [0, 3]), (both, [3, 4]), (Simplex(), [0])):
        with pytest.raises(ValueError, match=r"some coordinates of \w+ are no space"):
            part(space, at, 11)


def test_vectors_have_latents_too() -> None:
    data = DrawnLatents(of=Mixing(dim=4, space=Box(low=-1.0)), names=("z1", "z3"))
    assert data.latent_space == Box(low=-1.0)
    assert data.factors[0] == Factor("z1", low=-1.0, high=1.0)
    latents = data.sample(5, torch.Generator().manual_seed(1))
    shown = data.render(latents, torch.device("cpu"))
    np.testing.assert_allclose(data.of.invert(shown)[:, [1, 3]].numpy(), latents.numpy(), atol=1e-4)
