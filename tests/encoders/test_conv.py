import pytest
import torch
from torch import nn

from kontrast.encoders import Conv


def test_for_64_pixels_it_is_the_encoder_of_kitti_masks() -> None:
    network, features = Conv().build((1, 64, 64))
    layers = [
        (m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding)
        for m in network.modules()
        if isinstance(m, nn.Conv2d)
    ]
    halving = {"kernel_size": (4, 4), "stride": (2, 2), "padding": (1, 1)}
    assert layers == [
        (1, 32, *halving.values()),
        (32, 32, *halving.values()),
        (32, 64, *halving.values()),
        (64, 64, *halving.values()),
        (64, 256, (4, 4), (1, 1), (0, 0)),
    ]
    assert features == 256
    assert sum(p.numel() for p in network.parameters()) == 377_792


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 9, 15), (1, 28, 28), (3, 32, 32), (2, 31, 64), (3, 96, 96), (1, 224, 224)]
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_takes_pictures_of_any_size(shape: tuple[int, int, int], batch_norm: bool) -> None:
    network, features = Conv(width=4, batch_norm=batch_norm).build(shape)
    assert network(torch.rand(2, *shape)).shape == (2, features)
    assert features == 32


def test_position_stays_recoverable_where_pooling_would_forget_it() -> None:
    """A linear map of the random network finds a bright square at places that it was not fitted to."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, _ = Conv(width=16).build((1, 32, 32))
    places = torch.cartesian_prod(torch.arange(28), torch.arange(28))
    images = torch.zeros(len(places), 1, 32, 32)
    for image, (row, column) in zip(images, places.tolist(), strict=True):
        image[0, row : row + 4, column : column + 4] = 1
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0))
    train, test = order[:500], order[500:]

    def unexplained(features: torch.Tensor) -> torch.Tensor:
        design = torch.cat([features, torch.ones(len(features), 1)], 1).double()
        solution = torch.linalg.lstsq(design[train], places[train].double()).solution
        residual = design[test] @ solution - places[test]
        return residual.square().mean(0) / places[test].double().var(0)

    with torch.no_grad():
        flattened = unexplained(network(images))
        pooled = unexplained(network[:-2](images).mean((2, 3)))
    assert (flattened < 0.15).all()
    assert (pooled > 2 * flattened).all()


def test_biases_begin_at_zero() -> None:
    network, _ = Conv().build((1, 32, 32))
    assert all((m.bias == 0).all() for m in network.modules() if isinstance(m, nn.Conv2d))
    normalized, _ = Conv(batch_norm=True).build((1, 32, 32))
    assert all(m.bias is None for m in normalized.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("shape", [(10,), (1, 7, 32)])
def test_other_observations_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 8 x 8"):
        Conv().build(shape)


def test_it_says_what_to_write_instead() -> None:
    with pytest.raises(ValueError, match=r"encoder\.width=32"):
        Conv(width=0)


def test_dropout_follows_every_rectifier_but_that_of_the_feature() -> None:
    for batch_norm in (False, True):
        network, _ = Conv(width=4, dropout=0.3, batch_norm=batch_norm).build((1, 32, 32))
        dropping = [sum(isinstance(module, nn.Dropout) for module in layer.modules()) for layer in network]
        assert dropping == [1, 1, 1, 0, 0]
        inner = network[0][-1]
        assert [type(module) for module in inner] == [nn.ReLU, nn.Dropout]
        assert inner[1].p == 0.3


@pytest.mark.parametrize("size", [8, 12, 16, 20, 28, 40])
def test_pictures_of_another_size_are_brought_to_the_size_of_its_last_kernel(size: int) -> None:
    network, features = Conv(width=4).build((1, 28, 28))
    pictures = torch.rand(2, 1, size, size)
    *halving, last, _ = network
    left = pictures
    for layer in halving:
        left = layer(left)
    pooled = torch.nn.functional.adaptive_avg_pool2d(left, (7, 7))
    torch.testing.assert_close(network(pictures), last(pooled).flatten(1))
    assert network(pictures).shape == (2, features)
