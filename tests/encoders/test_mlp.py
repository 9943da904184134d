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


def test_residual_blocks_are_their_equation() -> None:
    network, features = ResidualMlp(width=6, depth=1).build((4,))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))

    def norm(h: torch.Tensor) -> torch.Tensor:
        return h / (h.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt()

    inward, block, _ = network
    _, up, _, down = block.change
    h = inward(x)
    h = h + down(nn.functional.gelu(up(norm(h))))
    torch.testing.assert_close(network(x), norm(h))
    assert features == 6


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
