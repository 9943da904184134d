import pytest
import torch
from torch import nn

from kontrast.encoders import Mlp, ResidualMlp


def test_the_default_is_the_network_that_inverts_generating_processes() -> None:
    network, features = Mlp().build((10,))
    sizes = [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]
    assert sizes == [(10, 100), (100, 500), (500, 500), (500, 500), (500, 500), (500, 100)]
    assert features == 100
    head = nn.Linear(features, 10)
    assert sum(p.numel() for p in [*network.parameters(), *head.parameters()]) == 854_210


def test_it_is_its_equation() -> None:
    network, _ = Mlp(widths=(3, 4), relative=False).build((2,))
    first, _, second, _ = network
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    h = x @ first.weight.T + first.bias
    h = torch.where(h > 0, h, 0.01 * h)
    h = h @ second.weight.T + second.bias
    torch.testing.assert_close(network(x), torch.where(h > 0, h, 0.01 * h))


def test_widths_are_multiples_or_units() -> None:
    assert Mlp(widths=(2, 3)).build((7,))[1] == 21
    assert Mlp(widths=(2, 3), relative=False).build((7,))[1] == 3


@pytest.mark.parametrize("normed", [False, True])
def test_residual_blocks_are_their_equation(normed: bool) -> None:
    network, features = ResidualMlp(width=6, depth=1, expansion=3, norm=normed).build((4,))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))

    def norm(h: torch.Tensor) -> torch.Tensor:
        return h / (h.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt() if normed else h

    inward, block, *_ = network
    *_, up, _, down = block.change
    nn.init.normal_(down.weight)
    h = inward(x)
    h = h + down(nn.functional.relu(up(norm(h))))
    torch.testing.assert_close(network(x), norm(h))
    assert (up.out_features, features) == (18, 6)


def test_a_residual_network_starts_linear() -> None:
    network, _ = ResidualMlp().build((4,))
    one, other = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(one - 2 * other), network(one) - 2 * network(other))


@pytest.mark.parametrize("encoder", [Mlp(), ResidualMlp()])
def test_pictures_are_refused(encoder: Mlp | ResidualMlp) -> None:
    with pytest.raises(ValueError, match="encoder=Conv"):
        encoder.build((3, 32, 32))


def test_it_says_what_to_write_instead() -> None:
    for widths in ((), (3, 0)):
        with pytest.raises(ValueError, match="widths=10,50,10"):
            Mlp(widths=widths)
    with pytest.raises(ValueError, match=r"encoder\.depth=2"):
        ResidualMlp(depth=0)


def test_dropout_follows_every_hidden_rectifier() -> None:
    network, _ = Mlp(widths=(3, 4, 5), relative=False, dropout=0.25).build((2,))
    assert [type(layer) for layer in network] == [nn.Linear, nn.Sequential] * 2 + [nn.Linear, nn.LeakyReLU]
    for layer in (network[1], network[3]):
        assert [type(module) for module in layer] == [nn.LeakyReLU, nn.Dropout]
        assert layer[1].p == 0.25
    residual, _ = ResidualMlp(width=6, depth=2, dropout=0.25).build((4,))
    for block in (residual[1], residual[2]):
        assert [type(module) for module in block.change[1]] == [nn.ReLU, nn.Dropout]


def test_a_single_layer_has_nothing_to_drop() -> None:
    with pytest.raises(ValueError, match="nothing hidden"):
        Mlp(widths=(3,), dropout=0.3)
