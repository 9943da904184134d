from typing import Literal

import chz
import pytest
import torch
from torch import nn

from kontrast.encoders import ResNet

from vision import torchvision

Depth = Literal[18, 34, 50, 101, 152, 200]


@pytest.mark.parametrize(
    ("depth", "parameters", "features"),
    [(18, 11_176_512, 512), (34, 21_284_672, 512), (50, 23_508_032, 2048), (200, 62_624_832, 2048)],
)
def test_sizes_are_torchvisions(depth: Depth, parameters: int, features: int) -> None:
    with torch.device("meta"):
        network, dim = ResNet(depth=depth, stem="imagenet").build((3, 224, 224))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert dim == features


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvisions_weights_give_torchvisions_features(depth: Depth) -> None:
    theirs = getattr(torchvision("models"), f"resnet{depth}")()
    theirs.fc = nn.Identity()
    ours, _ = ResNet(depth=depth).build((3, 64, 64))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 64, 64)
    for mode in (False, True):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images), atol=1e-5, rtol=1e-5)
    theirs.load_state_dict(ResNet(depth=depth).build((3, 64, 64))[0].state_dict())


@pytest.mark.parametrize("depth", [34, 101, 152])
def test_names_are_torchvisions(depth: Depth) -> None:
    with torch.device("meta"):
        theirs = getattr(torchvision("models"), f"resnet{depth}")()
        ours, _ = ResNet(depth=depth).build((3, 64, 64))
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    assert shapes == {name: value.shape for name, value in theirs.state_dict().items() if not name.startswith("fc.")}


@pytest.mark.parametrize(("side", "small"), [(28, True), (63, True), (64, False), (224, False)])
def test_the_stem_goes_by_the_picture(side: int, small: bool) -> None:
    network, _ = ResNet(width=2).build((1, side, side))
    assert network.conv1.stride == ((1, 1) if small else (2, 2))
    explicit, _ = ResNet(width=2, stem="cifar" if small else "imagenet").build((1, side, side))
    assert {k: v.shape for k, v in network.state_dict().items()} == {
        k: v.shape for k, v in explicit.state_dict().items()
    }


@pytest.mark.parametrize(("stem", "side"), [("cifar", 4), ("imagenet", 1)])
def test_the_small_stem_keeps_the_sides(stem: Literal["cifar", "imagenet"], side: int) -> None:
    network, _ = ResNet(width=2, stem=stem).build((3, 32, 32))
    maps: list[torch.Tensor] = []
    network.layer4.register_forward_hook(lambda module, inputs, output: maps.append(output))
    feature = network(torch.rand(2, 3, 32, 32))
    assert maps[0].shape == (2, 16, side, side)
    torch.testing.assert_close(feature, maps[0].mean((2, 3)))


def test_a_width_of_128_is_simclrs_twice_as_wide_network() -> None:
    """All channels double, so that there are 94 million parameters (arXiv 2002.05709, table 1)."""
    with torch.device("meta"):
        network, features = ResNet(depth=50, width=128).build((3, 224, 224))
    assert features == 4096
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(94e6, rel=0.005)


def test_width_scales_the_feature() -> None:
    assert ResNet(width=16).build((1, 28, 28))[1] == 128
    assert ResNet(width=16, depth=50).build((1, 28, 28))[1] == 512


def test_zero_init_begins_as_the_shortcuts_alone() -> None:
    network, _ = ResNet(width=4, zero_init=True).build((3, 32, 32))
    block = network.layer1[0]
    x = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(block(x), x)
    plain, _ = ResNet(width=4).build((3, 32, 32))
    assert not torch.allclose(plain.layer1[0](x), x)


def test_weights_are_he_normal() -> None:
    network, _ = ResNet(width=64).build((3, 32, 32))
    weight = network.layer4[1].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert all((m.weight == 1).all() for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="encoder=Mlp"):
        ResNet().build((10,))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 20}, r"encoder\.depth=18"),
        ({"stem": "tiny"}, r"encoder\.stem=auto"),
        ({"width": 0}, r"encoder\.width=64"),
    ],
)
def test_it_says_what_to_write_instead(options: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ResNet(**options)  # type: ignore[arg-type]


def test_command_line_reads_its_options() -> None:
    assert chz.Blueprint(ResNet).make_from_argv(["depth=34", "stem=cifar", "width=16"]) == ResNet(
        depth=34, stem="cifar", width=16
    )


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_dropout_follows_the_first_rectifier_and_every_stage(stem: Literal["cifar", "imagenet"]) -> None:
    network, _ = ResNet(width=4, stem=stem, dropout=0.3).build((3, 64, 64))
    dropped: list[torch.Tensor] = []
    passed: list[torch.Tensor] = []
    network.dropout.register_forward_hook(lambda module, inputs, output: dropped.append(inputs[0]))
    for stage in (1, 2, 3, 4):
        *_, block, dropout = network.get_submodule(f"layer{stage}")
        block.register_forward_hook(lambda module, inputs, output: passed.append(output))
        dropout.register_forward_hook(lambda module, inputs, output: dropped.append(inputs[0]))
    seen: list[torch.Tensor] = []
    network.maxpool.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    network(torch.rand(2, 3, 64, 64))
    assert len(dropped) == 5
    assert all(before is after for before, after in zip(dropped[1:], passed, strict=True))
    assert dropped[0].shape == seen[0].shape
    assert (dropped[0] >= 0).all()
    assert 0.2 < (seen[0][dropped[0] > 0] == 0).float().mean() < 0.4
