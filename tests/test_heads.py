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


def test_leaky_rectifiers_let_some_of_the_negative_through() -> None:
    head = Projection(hidden=7, norm=False, slope=0.25).build(5, 3)
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    h = x @ head[0].weight.T + head[0].bias
    torch.testing.assert_close(head(x), torch.maximum(h, 0.25 * h) @ head[2].weight.T + head[2].bias)
    with pytest.raises(ValueError, match=r"write head\.slope=0\.01"):
        Projection(slope=1.0)


def layout(head: nn.Module) -> list[str]:
    """The layers of a head, with its linear ones' sizes, + for a bias, and what normalizations learn."""
    found = []
    for layer in head.children():
        if isinstance(layer, nn.Linear):
            found.append(f"{layer.in_features}-{layer.out_features}" + ("" if layer.bias is None else "+"))
        elif isinstance(layer, nn.BatchNorm1d):
            found.append("norm" + "*" * (layer.weight is not None) + "+" * (layer.bias is not None))
        else:
            found.append(type(layer).__name__)
    return found


@pytest.mark.parametrize(
    ("part", "features", "dim", "expected"),
    [
        (Projection(hidden=2048, last_norm="scale", std=0.01), 2048, 128, "2048-2048 norm*+ ReLU 2048-128 norm*"),
        (Projection(hidden=2048, norm=False), 512, 128, "512-2048+ ReLU 2048-128+"),
        (
            Projection(layers=3, hidden=64, bias=False),
            16,
            64,
            "16-64 norm*+ ReLU 64-64 norm*+ ReLU 64-64",
        ),
        (
            Projection(layers=3, hidden=64, last_norm="plain"),
            16,
            64,
            "16-64 norm*+ ReLU 64-64 norm*+ ReLU 64-64 norm",
        ),
        (Projection(hidden=16), 64, 64, "64-16 norm*+ ReLU 16-64+"),
        (Projection(hidden=64, bias=False), 32, 8, "32-64 norm*+ ReLU 64-8"),
        (Projection(hidden=2048, last_norm="affine"), 2048, 128, "2048-2048 norm*+ ReLU 2048-128 norm*+"),
    ],
    ids=["SimCLR", "SupCon", "Barlow Twins, VICReg", "SimSiam", "SimSiam, predictor", "BYOL", "probabilistic SimCLR"],
)
def test_projection_is_the_published_heads(part: Projection, features: int, dim: int, expected: str) -> None:
    with torch.device("meta"):
        assert layout(part.build(features, dim)) == expected.split()


def test_the_last_norm_makes_every_coordinate_standard() -> None:
    z = Projection(layers=3, last_norm="plain").build(8, 4)(torch.rand(64, 8))
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(4), atol=0.05, rtol=0)


def test_a_scale_without_a_shift_is_learned_over_processes_too() -> None:
    head = Projection(last_norm="scale").build(8, 4)
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(head)
    assert list(synced.state_dict()) == list(head.state_dict())
    assert "4.weight" in head.state_dict() and "4.bias" not in head.state_dict()


def test_last_norm_reads_what_was_recorded_as_yes_or_no() -> None:
    yes, no = (Projection(last_norm=value) for value in (True, False))
    assert (yes.last_norm, no.last_norm) == ("plain", "none")
    assert yes == Projection(last_norm="plain") and no == Projection()
    assert chz.Blueprint(Projection).apply({"last_norm": True}).make() == yes
    for written, meant in {"True": yes, "plain": yes, "none": no, "False": no}.items():
        assert chz.Blueprint(Projection).make_from_argv([f"last_norm={written}"]) == meant


def test_initial_weights_are_normal_where_a_deviation_is_given() -> None:
    head = Projection(hidden=300, norm=False, std=0.01).build(300, 300)
    for layer in (head[0], head[2]):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert (layer.bias == 0).all()


def test_projection_without_norms_is_a_plain_network() -> None:
    assert kinds(Projection(norm=False).build(8, 4)) == ["Linear", "ReLU", "Linear"]
    assert kinds(Projection(layers=1).build(8, 4)) == ["Linear"]


def test_a_layer_has_a_bias_unless_it_is_normalized() -> None:
    for head in (Projection(), Projection(norm=False), Projection(last_norm="plain")):
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
        ({"last_norm": "batch"}, r"head\.last_norm=plain"),
        ({"std": 0.0}, r"head\.std=0\.01"),
        ({"layers": 1, "dropout": 0.3}, r"head\.layers=2"),
    ],
)
def test_it_says_what_to_write_instead(options: dict[str, float | str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Projection(**options)  # type: ignore[arg-type]
