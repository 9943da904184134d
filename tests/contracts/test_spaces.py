"""What holds for every space, whatever its points are."""

import math
from collections.abc import Callable

import chz
import pytest
import torch
from torch import Tensor

from kontrast.draws import generator
from kontrast.parts import known, summary
from kontrast.spaces import Box, Euclidean, Product, Ranges, Simplex, Space, Sphere, VonMisesFisher

DIM = 5
RANGES = Ranges(
    low=(0.0, 0.5, 0.0, -1.0, 2.0),
    high=(2.0, 1.0, 2 * math.pi, 1.0, 2.5),
    periodic=(False, False, True, False, False),
    discrete=(True, False, False, False, False),
)
SPACES = [
    Euclidean(),
    Euclidean(standardize=True),
    Euclidean(standardize=True, scale=3.0, learned=True),
    Sphere(),
    Sphere(radius=0.1),
    Sphere(radius=2.0, learned=True),
    Box(),
    Box(low=-2.0, high=-1.0),
    Box(low=-1.0, high=2.0, learned=True),
    RANGES,
    Simplex(),
    Simplex(beta=5.0),
    Simplex(by="softmax"),
    VonMisesFisher(),
    VonMisesFisher(low=0.1, start=4.0),
    Product(),
    Product(first=Sphere(radius=2.0), second=Box(learned=True), split=2),
    Product(first=VonMisesFisher(), second=Product(first=Simplex(), second=Euclidean(), split=2), split=2),
]
EVERY = pytest.mark.parametrize("space", SPACES, ids=repr)


def test_every_space_is_covered():
    assert {type(space).__name__ for space in SPACES} == set(known(Space))


def rows(space: Space, n: int = 40, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(n, space.inputs(DIM), generator=generator(0, "rows"), dtype=torch.float64)


def attempt(call: Callable[[], Tensor]) -> tuple[Tensor | None, str]:
    """What a call returns, or the sentence with which it is refused."""
    try:
        return call(), ""
    except ValueError as error:
        return None, str(error)


def assert_inside(space: Space, z: Tensor) -> None:
    dim = z.shape[-1]
    assert z.isfinite().all()
    match space:
        case Sphere():
            torch.testing.assert_close(z.norm(dim=1), torch.full_like(z[:, 0], space.radius))
        case Box():
            assert ((z >= space.low) & (z <= space.high)).all()
        case Ranges():
            assert ((z >= torch.tensor(space.low)) & (z <= torch.tensor(space.high) + 1e-6)).all()
        case Simplex():
            assert (z >= 0).all()
            torch.testing.assert_close(z.sum(1), torch.ones_like(z[:, 0]))
        case VonMisesFisher():
            assert (z.norm(dim=1) >= space.low * (1 - 1e-6)).all()
        case Product():
            assert_inside(space.first, z[:, : space.split])
            assert_inside(space.second, z[:, space.split : dim])


@EVERY
def test_any_vectors_become_points_of_the_space(space):
    for scale in (1e-3, 1.0, 100.0):
        z = rows(space, scale=scale)
        points = space.project(z)
        assert points.shape == (40, DIM)
        assert_inside(space, points)


@EVERY
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1.0, 1e3])
def test_gradients_are_finite_at_zero_and_far_from_it(space, scale):
    for dtype in (torch.float32, torch.float64):
        z = rows(space, scale=scale).to(dtype).requires_grad_()
        (space.project(z) * torch.randn(40, DIM, generator=generator(1, "w"))).sum().backward()
        assert z.grad.isfinite().all()
        if scale == 1:
            assert z.grad.abs().max() > 0


@EVERY
def test_projection_is_differentiable(space):
    z = rows(space, n=6, scale=1.0).requires_grad_()
    assert torch.autograd.gradcheck(space.project, (z,))


@EVERY
def test_points_keep_the_type_and_device_of_what_they_are_made_of(space):
    for dtype in (torch.float32, torch.float64):
        assert space.project(rows(space).to(dtype)).dtype == dtype
        assert space.build(DIM).to(dtype)(rows(space).to(dtype)).dtype == dtype
    torch.testing.assert_close(
        space.project(rows(space).float()).double(), space.project(rows(space)), atol=1e-4, rtol=1e-4
    )
    assert space.project(torch.ones(3, space.inputs(DIM), device="meta")).device.type == "meta"


@EVERY
def test_the_module_does_what_the_space_does_until_it_learns(space):
    module = space.build(DIM)
    z = rows(space).float()
    torch.testing.assert_close(module(z), space.project(z))
    learned = [space, getattr(space, "first", space), getattr(space, "second", space)]
    assert bool(list(module.parameters())) == any(getattr(each, "learned", False) for each in learned)


@EVERY
def test_building_draws_nothing_and_gradients_reach_what_is_learned(space):
    before = torch.get_rng_state()
    module = space.build(DIM)
    assert torch.equal(torch.get_rng_state(), before)
    z = rows(space).float().requires_grad_()
    (module(z) * torch.randn(40, DIM, generator=generator(1, "w"))).sum().backward()
    for value in module.parameters():
        assert value.grad is not None
        assert value.grad.isfinite().all()
        assert value.grad.abs().max() > 0


@EVERY
def test_a_module_can_be_saved_and_read(space):
    module, other = space.build(DIM), space.build(DIM)
    module(rows(space).float())
    for value in module.parameters():
        torch.nn.init.constant_(value, 0.3)
    other.load_state_dict(module.state_dict())
    z = rows(space, n=7).float()
    torch.testing.assert_close(other.eval()(z), module.eval()(z))


@EVERY
def test_uniform_points_are_in_the_space_or_there_are_none(space):
    z, said = attempt(lambda: space.uniform(500, DIM, generator(2, "t")))
    if z is None:
        assert "no uniform law" in said
        assert "write" in said
        return
    assert z.shape == (500, DIM)
    assert z.dtype == torch.float32
    assert_inside(space, z)
    assert torch.equal(z, space.uniform(500, DIM, generator(2, "t")))


@EVERY
def test_noise_stays_in_the_space_or_is_refused(space):
    draws = generator(3, "t")
    center, _ = attempt(lambda: space.uniform(300, DIM, draws))
    center = space.project(rows(space, n=300)).float() if center is None else center
    kept, said = attempt(lambda: space.keep(center, lambda: 0.3 * torch.randn(300, DIM, generator=draws)))
    if kept is None:
        assert "nothing draws noise" in said
        assert "write" in said
        return
    assert kept.shape == center.shape
    assert_inside(space, kept)
    assert not torch.equal(kept, center)


@EVERY
def test_how_certain_a_point_is(space):
    z = space.project(rows(space))
    said = space.concentration(z)
    if said is not None:
        assert said.shape == (40,)
        assert (said >= -1e-9).all()


@EVERY
def test_dimensions_fit_or_are_refused_in_one_sentence(space):
    space.check(DIM)
    said = [attempt(lambda dim=dim: space.check(dim))[1] for dim in (1, 2, 3, 4)]
    assert any(said) or isinstance(space, Box | Euclidean)
    for dim, sentence in zip((1, 2, 3, 4), said, strict=True):
        if sentence:
            assert "write" in sentence
            assert "\n" not in sentence
            with pytest.raises(ValueError, match="write"):
                space.build(dim)
        else:
            assert space.inputs(dim) >= dim


@EVERY
def test_it_is_a_value_that_explains_itself(space):
    values = {field: getattr(space, field) for field in chz.chz_fields(space)}
    assert space == type(space)(**values)
    assert hash(space) == hash(type(space)(**values))
    assert summary(type(space)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(space).values())


@pytest.mark.parametrize("cls", [cls for name, cls in known(Space).items() if name != "Ranges"])
def test_it_can_be_chosen_by_name_alone(cls):
    assert cls() == cls()
    assert cls().build(DIM)(rows(cls(), n=4).float()).shape == (4, DIM)
