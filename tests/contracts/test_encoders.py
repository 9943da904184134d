"""What holds for every encoder, whatever it encodes."""

import functools
from collections.abc import Callable
from importlib.util import find_spec

import chz
import pytest
import torch
from torch import Tensor, nn

from kontrast.encoders import Encoder, Timm
from kontrast.parts import known, summary

from vision import torchvision

SHAPES = ((10,), (1, 28, 28), (3, 32, 32), (3, 24, 40))
NEEDED = {Timm: pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")}
EVERY = pytest.mark.parametrize(
    "part", [pytest.param(cls(), id=name, marks=NEEDED.get(cls, ())) for name, cls in known(Encoder).items()]
)


def built(part: Encoder, shape: tuple[int, ...], seed: int = 0) -> tuple[nn.Module, int]:
    if isinstance(part, Timm):
        torchvision("models")  # which timm imports
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return part.build(shape)


@functools.cache
def fitting(part: Encoder) -> list[tuple[int, ...]]:
    """The shapes an encoder takes."""
    return [shape for shape in SHAPES if refusal(part, shape) is None]


def refusal(part: Encoder, shape: tuple[int, ...]) -> str | None:
    try:
        built(part, shape)
    except ValueError as error:
        return str(error)
    return None


def observations(shape: tuple[int, ...], n: int = 4) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@EVERY
def test_features_have_the_dimension_it_says(part: Encoder) -> None:
    assert fitting(part)
    for shape in fitting(part):
        network, dim = built(part, shape)
        features = network(observations(shape))
        assert features.shape == (4, dim)
        assert features.dtype == torch.float32
        assert features.isfinite().all()


@EVERY
def test_what_it_does_not_take_it_refuses_in_one_sentence(part: Encoder) -> None:
    for shape in (*SHAPES, (2, 3, 4, 5)):
        said = refusal(part, shape)
        assert said is None or (said.startswith(type(part).__name__) and "write" in said and "\n" not in said)
    assert refusal(part, (2, 3, 4, 5))


@EVERY
def test_the_random_state_decides_the_weights(part: Encoder) -> None:
    shape = fitting(part)[0]
    first, again, other = (built(part, shape, seed)[0].state_dict() for seed in (0, 0, 1))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def stirred(network: torch.nn.Module) -> None:
    """Moves every parameter a little: some start at zero, which hides what lies before them."""
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=noise)


@EVERY
def test_the_gradient_reaches_every_parameter(part: Encoder) -> None:
    shape = fitting(part)[-1]
    network, dim = built(part, shape)
    stirred(network)
    weight = torch.randn(dim, generator=torch.Generator().manual_seed(0))
    (network(observations(shape, 8)) @ weight).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@EVERY
def test_in_evaluation_a_feature_depends_on_its_own_row(part: Encoder) -> None:
    shape = fitting(part)[-1]
    network, _ = built(part, shape)
    network(observations(shape, 8))
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = observations(shape, 8)
    with torch.no_grad():
        together, alone = network(x), network(x[2:3])
    torch.testing.assert_close(together[2:3], alone, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@EVERY
def test_rows_do_not_look_alike(part: Encoder) -> None:
    shape = fitting(part)[-1]
    network, _ = built(part, shape)
    features = network(observations(shape, 8))
    assert torch.pdist(features).min() > 1e-4


@EVERY
def test_memory_layout_changes_nothing(part: Encoder) -> None:
    for shape in fitting(part):
        if len(shape) == 3:
            network = built(part, shape)[0].eval()
            x = observations(shape)
            with torch.no_grad():
                expected = network(x)
                last = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
            torch.testing.assert_close(last, expected, atol=1e-4, rtol=1e-4)


@EVERY
def test_it_is_a_value_that_explains_itself(part: Encoder) -> None:
    assert part == type(part)()
    assert hash(part) == hash(type(part)())
    assert summary(type(part)).endswith(".")
    assert all(field._doc for field in chz.chz_fields(part).values())


DROPPING = [cls for cls in known(Encoder).values() if "dropout" in chz.chz_fields(cls)]
EVERY_DROPPING = pytest.mark.parametrize("cls", DROPPING, ids=lambda cls: cls.__name__)


@EVERY_DROPPING
def test_dropout_is_no_other_network(cls: type[Encoder]) -> None:
    """The same names and the same weights, whatever the share; and without it, no module for it that draws."""
    for shape in fitting(cls()):
        plain, dropping = (built(cls(**options), shape)[0] for options in ({}, {"dropout": 0.3}))
        assert not any(isinstance(module, nn.Dropout) for module in plain.modules())
        weights, others = plain.state_dict(), dropping.state_dict()
        assert list(weights) == list(others)
        assert all(torch.equal(weights[name], others[name]) for name in weights)
        x = observations(shape)
        with torch.no_grad():
            assert torch.equal(plain.eval()(x), dropping.eval()(x))


@EVERY_DROPPING
def test_dropout_is_active_in_training_alone(cls: type[Encoder]) -> None:
    shape = fitting(cls())[-1]
    network, _ = built(cls(dropout=0.3), shape)  # type: ignore[call-arg]
    stirred(network)
    x = observations(shape)

    def passed(seed: int) -> Tensor:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            return network(x)

    first, again, other = passed(0), passed(0), passed(1)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    network.eval()
    assert torch.equal(passed(0), passed(1))


@EVERY_DROPPING
@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(cls: type[Encoder], share: float) -> None:
    with pytest.raises(ValueError, match=r"write encoder\.dropout=0\.3"):
        cls(dropout=share)  # type: ignore[call-arg]


@EVERY
def test_its_blocks_are_all_of_it_in_order(part: Encoder) -> None:
    """Each parameter is in one block, in the order of the network; what the network owns itself is the stem's."""
    for shape in fitting(part):
        network, _ = built(part, shape)
        blocks = part.blocks(network)
        assert list(blocks) == ["stem", *(f"block{k}" for k in range(1, len(blocks)))]
        assert len(blocks) > 1
        own = list(network.parameters(recurse=False))
        inside = [p for modules in blocks.values() for module in modules for p in module.parameters()]
        assert [id(p) for p in (*own, *inside)] == [id(p) for p in network.parameters()]
        for modules in blocks.values():
            assert any(p.ndim > 1 for module in modules for p in module.parameters())


def given_by_blocks(part: Encoder, network: nn.Module, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """The blocks in the order in which their last modules were called, with the shape of what they gave."""
    fired: list[tuple[str, tuple[int, ...]]] = []

    def hook(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda _, given, output: fired.append((name, tuple(part.averaged(network, output).shape)))

    for name, modules in part.blocks(network).items():
        modules[-1].register_forward_hook(hook(name))
    with torch.no_grad():
        network.eval()(observations(shape))
    return fired


@EVERY
def test_what_a_block_gives_is_seen_once_and_in_order(part: Encoder) -> None:
    for shape in fitting(part):
        network, dim = built(part, shape)
        fired = given_by_blocks(part, network, shape)
        assert [name for name, _ in fired] == list(part.blocks(network))
        assert all(len(size) == 2 and size[0] == 4 for _, size in fired)
        assert fired[-1][1] == (4, dim)


MODELS = {
    "vit_tiny_patch16_224": 13,
    "eva02_tiny_patch14_224": 13,
    "resnet18": 5,
    "convnext_atto": 5,
    "swin_tiny_patch4_window7_224": 5,
    "efficientnet_b0": 9,
    "mixer_s16_224": 9,
}


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@NEEDED[Timm]
def test_blocks_of_a_timm_model_are_its_own(model: str) -> None:
    """The stem and as many blocks as its paper counts, or stages where these are what it is made of."""
    part, shape = Timm(model=model), (3, 56, 56)
    network, dim = built(part, shape)
    fired = given_by_blocks(part, network, shape)
    assert [name for name, _ in fired] == list(part.blocks(network))
    assert len(fired) == MODELS[model]
    assert fired[-1][1] == (4, dim)
