import chz
import pytest
import torch
from torch import nn

from kontrast import parts
from kontrast.heads import Head, Identity, Linear, Projection


def kinds(module: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in module.children()]


def test_identity_is_the_feature() -> None:
    x = torch.rand(3, 5)
    assert torch.equal(Identity().build(5, 5)(x), x)
    with pytest.raises(ValueError, match=r"write head\.dim=5, or head=Linear"):
        Identity().build(5, 3)


def test_linear_is_linear() -> None:
    head = Linear().build(5, 3)
    x = torch.rand(4, 5)
    torch.testing.assert_close(head(x), x @ head.weight.T + head.bias)
    assert Linear(bias=False).build(5, 3).bias is None


def test_projection_is_its_equation() -> None:
    head = Projection(hidden=7).build(5, 3)
    first, _, _, second = head
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    h = x @ first.weight.T
    h = (h - h.mean(0)) / (h.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(head(x), h.clamp_min(0) @ second.weight.T + second.bias)


def test_projection_is_simsiams_projector_and_barlow_twins() -> None:
    simsiam = Projection(layers=3, last_norm=True).build(8, 4)
    assert kinds(simsiam) == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert simsiam[-1].weight is None
    z = simsiam(torch.rand(64, 8))
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(4), atol=0.05, rtol=0)
    barlow = Projection(layers=3).build(8, 4)
    assert kinds(barlow) == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"]


def test_projection_without_norms_is_a_plain_network() -> None:
    assert kinds(Projection(norm=False).build(8, 4)) == ["Linear", "ReLU", "Linear"]
    assert kinds(Projection(layers=1).build(8, 4)) == ["Linear"]


def test_a_layer_has_a_bias_unless_it_is_normalized() -> None:
    for head in (Projection(), Projection(norm=False), Projection(last_norm=True)):
        layers = list(head.build(8, 4).children())
        for layer, after in zip(layers, [*layers[1:], None], strict=True):
            if isinstance(layer, nn.Linear):
                assert (layer.bias is None) == isinstance(after, nn.BatchNorm1d)


def test_dropout_follows_every_rectifier_of_a_projection() -> None:
    for layers in (2, 3):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            plain = Projection(layers=layers).build(8, 4)
            torch.manual_seed(0)
            head = Projection(layers=layers, dropout=0.3).build(8, 4)
        assert kinds(head) == [kind.replace("ReLU", "Sequential") for kind in kinds(plain)]
        assert sum(isinstance(module, nn.Dropout) for module in head.modules()) == layers - 1
        assert not any(isinstance(module, nn.Dropout) for module in plain.modules())
        assert list(plain.state_dict()) == list(head.state_dict())
        x = torch.rand(5, 8)
        assert torch.equal(plain.eval()(x), head.eval()(x))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            head.train()
            assert not torch.equal(head(x), head(x))


@chz.chz
class Holder:
    head: Head = parts.field(Head, Projection, doc="a head inside another part")
    predictor: Head | None = parts.field(Head, None, unspecified=Projection, doc="perhaps a second one")


def test_command_line_chooses_a_head() -> None:
    def read(*arguments: str) -> Holder:
        return chz.Blueprint(Holder).make_from_argv(list(arguments))

    assert read() == Holder(head=Projection(), predictor=None)
    assert read("head=Linear", "head.dim=10", "head.bias=False").head == Linear(dim=10, bias=False)
    assert read("predictor.hidden=64").predictor == Projection(hidden=64)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 0}, r"head\.dim=128"),
        ({"hidden": 0}, r"head\.hidden=512"),
        ({"layers": 0}, r"head\.layers=2"),
        ({"dropout": 1.0}, r"head\.dropout=0\.3"),
        ({"layers": 1, "dropout": 0.3}, r"head\.layers=2"),
    ],
)
def test_it_says_what_to_write_instead(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Projection(**options)  # type: ignore[arg-type]
